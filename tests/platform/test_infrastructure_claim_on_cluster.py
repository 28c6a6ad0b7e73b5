"""What is composed stays equal to what was asked for, whichever way a claim changes, on a real API server.

Crossplane applies server-side. A map whose last entry goes away may be stored as null, and Helm takes null for "without
the chart's default": so a change of a claim must never leave an empty map behind. Readiness rests on this too, because
it compares the stored values with the wanted ones.
"""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.platform.infrastructure import at
from tests.platform.test_infrastructure_claim import CATALOGUE, composed_of, document
from tests.support.control_plane_api import APPLY_PATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.control_plane import ControlPlane

pytestmark = pytest.mark.cluster

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "infrastructure.test"
HOLDERS = f"/apis/{GROUP}/v1/holders"
PATIENCE = 30.0


@pytest.fixture(scope="module")
def holders(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """A kind that holds anything, as Releases hold values and Objects hold manifests."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"values": anything}}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "Holder", "plural": "holders", "singular": "holder", "listKind": "HolderList"}
    spec = {"group": GROUP, "scope": "Cluster", "names": names, "versions": [version]}
    control_plane.expect(201, "POST", CRDS, {"metadata": {"name": f"holders.{GROUP}"}, "spec": spec})
    deadline = time.monotonic() + PATIENCE
    while control_plane.request("GET", HOLDERS).status != 200:
        assert time.monotonic() < deadline, "the kind is not served"
        time.sleep(0.05)
    yield control_plane
    control_plane.expect(200, "DELETE", f"{CRDS}/holders.{GROUP}")


def applied(api: ControlPlane, name: str, values: Any) -> Any:
    """Apply as Crossplane does, and return what is stored."""
    holder = {"apiVersion": f"{GROUP}/v1", "kind": "Holder", "metadata": {"name": name}, "spec": {"values": values}}
    path = f"{HOLDERS}/{name}?fieldManager=crossplane&force=true"
    answer = api.request("PATCH", path, holder, content_type="application/apply-patch+yaml")
    assert answer.status in {200, 201}, answer.message
    return api.expect(200, "GET", f"{HOLDERS}/{name}")["spec"]["values"]


@pytest.mark.parametrize("kind", CATALOGUE)
def test_what_is_stored_is_what_is_wanted_after_each_change(holders: ControlPlane, kind: str) -> None:
    for case in (f"{kind}-minimal", f"{kind}-full", f"{kind}-minimal", f"{kind}-full"):
        for resource in composed_of(case):
            wanted = document(composed_of(case), resource)
            assert applied(holders, f"{kind}-{resource}", wanted) == wanted, f"{case}: {resource}"


def test_an_emptied_map_is_not_stored_as_it_was_sent(holders: ControlPlane) -> None:
    """Why this is tested at all: the day it is, the Composition may be simpler."""
    applied(holders, "emptied", {"settings": {"port": "9363"}, "other": "1"})
    assert applied(holders, "emptied", {"settings": {}, "other": "1"}) == {"settings": None, "other": "1"}


def test_the_container_that_is_added_to_an_operators_pod_is_restricted(
    control_plane: ControlPlane, restricted: Callable[[], str]
) -> None:
    """The only one whose spec the platform owns: MongoDB's exporter. The rest of each pod is the operator's affair."""
    (exporter,) = copy.deepcopy(at(document(composed_of("mongodb"), "release"), "replsets.rs0.sidecars"))
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "exporter"}, "spec": {"containers": [exporter]}}
    path = f"/api/v1/namespaces/{restricted()}/pods?fieldValidation=Strict&dryRun=All"
    control_plane.expect(201, "POST", path, pod)
    del exporter["securityContext"]["capabilities"]
    answer = control_plane.request("POST", path, pod)
    assert 'must set securityContext.capabilities.drop=["ALL"]' in answer.message


def observed_stateful_set() -> dict[str, Any]:
    """Return what the Object of a redis claim says of the StatefulSet that the operator makes."""
    found = [made for made in composed_of("redis-minimal").values() if made["kind"] == "Object"]
    (manifest,) = (
        made["spec"]["forProvider"]["manifest"]
        for made in found
        if made["spec"].get("managementPolicies") == ["Observe"]
        and made["spec"]["forProvider"]["manifest"]["kind"] == "StatefulSet"
    )
    return copy.deepcopy(manifest)


@pytest.mark.parametrize(("verbs", "code"), [(["get", "patch"], 200), (["get", "list", "watch"], 403)])
def test_looking_is_an_apply_that_changes_nothing(control_plane: ControlPlane, verbs: list[str], code: int) -> None:
    namespace = control_plane.namespace("looking")
    manifest = observed_stateful_set()
    manifest["metadata"]["namespace"] = namespace
    name = manifest["metadata"]["name"]
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "redis", "image": "redis:8"}]}}
    spec = {"serviceName": name, "selector": {"matchLabels": labels}, "template": template}
    folder = f"/apis/apps/v1/namespaces/{namespace}/statefulsets"
    made = control_plane.expect(201, "POST", folder, {"metadata": {"name": name}, "spec": spec})
    rules = [{"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": verbs}]
    token = control_plane.service_account(namespace, rules, name="provider-kubernetes")
    options = "fieldManager=provider-kubernetes&force=true&dryRun=All"
    answer = control_plane.request(
        "PATCH", f"{folder}/{name}?{options}", manifest, content_type=APPLY_PATCH, token=token
    )
    assert answer.status == code, answer.message
    left = control_plane.expect(200, "GET", f"{folder}/{name}")
    assert left["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
