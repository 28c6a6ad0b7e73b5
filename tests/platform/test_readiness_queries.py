"""When an object of an ApplicationClaim or AppContainerClaim counts as ready: the Compositions' queries, evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.platform import goldens
from tests.platform.cel import evaluate
from tests.platform.goldens import Layout
from tools.platform_api.apis import api

READY, NOT_READY, UNKNOWN = ({"type": "Ready", "status": status} for status in ("True", "False", "Unknown"))
AVAILABLE = {"type": "Available", "status": "True"}
STUCK = {"type": "Progressing", "status": "False"}
ACCEPTED = {"conditions": [{"type": "Accepted", "status": "True"}]}
REFUSED = {"conditions": [{"type": "Accepted", "status": "False"}]}
#: Kind, status, whether it is ready; the object is of generation 2 and its spec.generation "b".
TABLE: list[tuple[str, dict[str, Any], bool]] = [
    ("serving.knative.dev/v1 Service", {}, False),
    ("serving.knative.dev/v1 Service", {"observedGeneration": 2}, False),
    ("serving.knative.dev/v1 Service", {"conditions": [READY]}, False),
    ("serving.knative.dev/v1 Service", {"observedGeneration": 1, "conditions": [READY]}, False),
    ("serving.knative.dev/v1 Service", {"observedGeneration": 2, "conditions": [UNKNOWN]}, False),
    ("serving.knative.dev/v1 Service", {"observedGeneration": 2, "conditions": [NOT_READY]}, False),
    ("serving.knative.dev/v1 Service", {"observedGeneration": 2, "conditions": [READY]}, True),
    ("apps/v1 Deployment", {"observedGeneration": 2, "conditions": [AVAILABLE]}, True),
    ("apps/v1 Deployment", {"observedGeneration": 1, "conditions": [AVAILABLE]}, False),
    ("apps/v1 Deployment", {"observedGeneration": 2, "conditions": [AVAILABLE, STUCK]}, False),
    ("apps/v1 Deployment", {"observedGeneration": 2}, False),
    ("platform.io/v1alpha1 InfrastructureClaim", {}, False),
    ("platform.io/v1alpha1 InfrastructureClaim", {"ready": True}, False),
    ("platform.io/v1alpha1 InfrastructureClaim", {"ready": True, "appliedGeneration": "a"}, False),
    ("platform.io/v1alpha1 InfrastructureClaim", {"ready": False, "appliedGeneration": "b"}, False),
    ("platform.io/v1alpha1 InfrastructureClaim", {"ready": True, "appliedGeneration": "b"}, True),
    ("servicebinding.io/v1 ServiceBinding", {}, False),
    ("servicebinding.io/v1 ServiceBinding", {"conditions": [NOT_READY]}, False),
    ("servicebinding.io/v1 ServiceBinding", {"conditions": [READY]}, True),
    ("gateway.networking.k8s.io/v1 HTTPRoute", {}, False),
    ("gateway.networking.k8s.io/v1 HTTPRoute", {"parents": [REFUSED, {}]}, False),
    ("gateway.networking.k8s.io/v1 HTTPRoute", {"parents": [ACCEPTED]}, True),
    ("argoproj.io/v1alpha1 Application", {}, False),
    ("argoproj.io/v1alpha1 Application", {"sync": {"status": "OutOfSync"}}, False),
    ("argoproj.io/v1alpha1 Application", {"sync": {"status": "Synced"}}, True),
]


def queries() -> dict[str, str]:
    """Return the one query of each kind in the goldens."""
    found: dict[str, set[str]] = {}
    for layout in (Layout(api("applicationclaims")), Layout(api("appcontainerclaims"))):
        for name in layout.goldens():
            for made in goldens.objects(goldens.rendered(layout, name)).values():
                body = made["spec"]
                manifest = body["forProvider"]["manifest"]
                kind = f"{manifest['apiVersion']} {manifest['kind']}"
                if "readiness" in body:
                    found.setdefault(kind, set()).add(body["readiness"]["celQuery"])
    return {kind: query for kind, (query,) in found.items()}


@pytest.fixture(scope="module")
def verdicts(validator: Path) -> list[bool]:
    asked, of = queries(), {"metadata": {"generation": 2}, "spec": {"generation": "b"}}
    return evaluate(
        validator, ((asked[kind], of | ({"status": status} if status else {})) for kind, status, _ in TABLE)
    )


@pytest.mark.parametrize("row", range(len(TABLE)), ids=lambda row: f"{TABLE[row][0].split()[1]}-{row}")
def test_ready_is_what_the_table_says(verdicts: list[bool], row: int) -> None:
    assert verdicts[row] is TABLE[row][2], TABLE[row]


def test_every_query_is_in_the_table() -> None:
    assert queries().keys() == {kind for kind, _, _ in TABLE}
