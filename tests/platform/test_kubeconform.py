"""What is composed is well-formed by the schemas of the API server itself: kubeconform, strict, without the network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.platform import goldens
from tests.platform.goldens import Layout
from tests.platform.kubeconform import with_schemas
from tests.platform.openapi_schemas import closed

if TYPE_CHECKING:
    from tests.platform.kubeconform import Kubeconform
    from tests.support.control_plane_api import ControlPlaneApi

pytestmark = pytest.mark.cluster

LAYOUT = Layout()
KINDS = [
    ("v1", "ServiceAccount"),
    ("v1", "Service"),
    ("apps/v1", "Deployment"),
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("kubernetes.crossplane.io/v1alpha2", "Object"),
]


@pytest.fixture(scope="module")
def kubeconform(vendored: ControlPlaneApi, tmp_path_factory: pytest.TempPathFactory) -> Kubeconform:
    return with_schemas(vendored, KINDS, tmp_path_factory.mktemp("schemas"))


def composed(name: str) -> list[dict[str, Any]]:
    """Return the Objects that a golden composes and the manifests within them."""
    objects = goldens.objects(goldens.rendered(LAYOUT, name)).values()
    return [document for made in objects for document in (made, made["spec"]["forProvider"]["manifest"])]


def test_all_that_the_goldens_compose_is_well_formed(kubeconform: Kubeconform) -> None:
    documents = [document for name in LAYOUT.goldens() for document in composed(name)]
    code, report = kubeconform.judge(documents)
    assert (code, report.get("resources")) == (0, []), report
    count = {"valid": len(LAYOUT.goldens()) * 8, "invalid": 0, "errors": 0, "skipped": 0}
    assert report["summary"] == count


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("Deployment", {"spec": {"selektor": {}}}, "selektor"),
        ("Deployment", {"spec": {"replicas": "two"}}, "/spec/replicas"),
        ("Service", {"spec": {"ports": [{"targetPort": 8080}]}}, "/spec/ports/0"),
        ("ServiceAccount", {"automountToken": False}, "automountToken"),
        ("ScaledObject", {"spec": {"maxReplicas": 3}}, "maxReplicas"),
        ("Object", {"spec": {"provider": "x"}}, "provider"),
    ],
)
def test_what_is_not_well_formed_is_found(
    kubeconform: Kubeconform, kind: str, change: dict[str, Any], words: str
) -> None:
    document = _first(kind)
    for key, value in change.items():
        document[key] = {**document.get(key, {}), **value} if isinstance(value, dict) else value
    code, report = kubeconform.judge([document])
    assert code == 1
    assert words in json.dumps(report["resources"])


def _first(kind: str) -> dict[str, Any]:
    return next(document for document in composed("minimal-claim") if document["kind"] == kind)


def test_schemas_are_closed_and_speak_json_schema() -> None:
    openapi = {
        "type": "object",
        "default": {},
        "properties": {
            "port": {"x-kubernetes-int-or-string": True},
            "note": {"type": "string", "nullable": True},
            "free": {"type": "object", "properties": {}, "x-kubernetes-preserve-unknown-fields": True},
            "list": {"type": "array", "items": {"allOf": [{"properties": {"a": {}}}], "default": {}}},
            "map": {"type": "object", "additionalProperties": {"nullable": True, "type": "integer"}},
        },
    }
    made = closed(openapi)
    assert made["additionalProperties"] is False
    assert "default" not in made
    fields = made["properties"]
    assert fields["port"]["anyOf"] == [{"type": "string"}, {"type": "integer"}]
    assert fields["note"]["type"] == ["string", "null"]
    assert "additionalProperties" not in fields["free"]
    assert fields["list"]["items"]["allOf"][0]["additionalProperties"] is False
    assert fields["map"]["additionalProperties"]["type"] == ["integer", "null"]
