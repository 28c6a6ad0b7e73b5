"""The lane writes into a claim what the Composition would: the golden renders are the proof."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local_lane.claim_status import claim_status, observed
from tests.platform import goldens
from tests.platform.goldens import Layout

LAYOUT = Layout()
FIELDS = ("ready", "replicas", "readyReplicas", "reasons")


def condition(kind: str, status: str, reason: str = "Because") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": "m"}


@pytest.mark.parametrize("name", LAYOUT.cases())
def test_the_status_is_that_of_the_golden_render(name: str) -> None:
    claim = goldens.claim_of(LAYOUT, name)
    objects = {
        found["metadata"]["annotations"]["crossplane.io/composition-resource-name"]: found
        for found in goldens.observed_of(LAYOUT, name)
    }
    golden = goldens.composite(goldens.rendered(LAYOUT, name))["status"]
    assert claim_status(claim["metadata"]["name"], objects) == {field: golden[field] for field in FIELDS}


def deployment(*conditions: dict[str, str], seen: int = 2, **status: Any) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"generation": 2},
        "status": {"observedGeneration": seen, "conditions": list(conditions), **status},
    }


def scaler(status: str) -> dict[str, Any]:
    return {"kind": "ScaledObject", "metadata": {}, "status": {"conditions": [condition("Ready", status, "Scaler")]}}


def whole(deployed: dict[str, Any], scaled: dict[str, Any]) -> dict[str, Any]:
    plain = {
        kind: observed({"kind": title})
        for kind, title in (("serviceaccount", "ServiceAccount"), ("service", "Service"))
    }
    return {**plain, "deployment": observed(deployed), "scaledobject": observed(scaled)}


AVAILABLE = condition("Available", "True")


def test_a_claim_is_ready_once_deployment_and_scaler_are() -> None:
    deployed = deployment(AVAILABLE, replicas=2, readyReplicas=1)
    assert claim_status("orders", whole(deployed, scaler("True"))) == {
        "ready": True,
        "replicas": 2,
        "readyReplicas": 1,
        "reasons": [],
    }


@pytest.mark.parametrize(
    ("deployed", "scaled", "reasons"),
    [
        (deployment(AVAILABLE, seen=1), scaler("True"), [("Deployment/orders", "Unavailable")]),
        (deployment(condition("Available", "False")), scaler("True"), [("Deployment/orders", "Because")]),
        (
            deployment(AVAILABLE, condition("Progressing", "False", "Late")),
            scaler("True"),
            [("Deployment/orders", "Late")],
        ),
        (deployment(AVAILABLE), scaler("False"), [("ScaledObject/orders-scaler", "Scaler")]),
        (
            deployment(AVAILABLE),
            {"kind": "ScaledObject", "metadata": {}},
            [("ScaledObject/orders-scaler", "Unavailable")],
        ),
    ],
    ids=["new-generation", "no-pods", "stuck-rollout", "no-scaling", "new-scaler"],
)
def test_else_it_says_why_not(deployed: dict[str, Any], scaled: dict[str, Any], reasons: list[tuple[str, str]]) -> None:
    status = claim_status("orders", whole(deployed, scaled))
    assert status["ready"] is False
    assert [(reason["resource"], reason["reason"]) for reason in status["reasons"]] == reasons


def test_what_could_not_be_applied_is_told() -> None:
    objects = {**whole(deployment(AVAILABLE), scaler("True")), "service": observed(None, "cannot apply object: no")}
    (reason,) = claim_status("orders", objects)["reasons"]
    assert reason == {"resource": "Service/orders", "reason": "ReconcileError", "message": "cannot apply object: no"}
