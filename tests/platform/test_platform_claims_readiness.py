"""When a part of a platform counts as ready: the Compositions' queries, evaluated as the provider does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.platform.cel import evaluate
from tests.platform.platform_claims import CASES, parts

READY, NOT_READY = ({"type": "Ready", "status": status} for status in ("True", "False"))
AVAILABLE, STUCK = {"type": "Available", "status": "True"}, {"type": "Progressing", "status": "False"}
COMPLETE, FAILED = {"type": "Complete", "status": "True"}, {"type": "Failed", "status": "True"}
BALANCED = {"loadBalancer": {"ingress": [{"ip": "192.0.2.10"}]}}


def seen(generation: int, *conditions: dict[str, str]) -> dict[str, Any]:
    return {"observedGeneration": generation, "conditions": list(conditions)}


def replicas(generation: int, ready: int | None) -> dict[str, Any]:
    return {"observedGeneration": generation} | ({} if ready is None else {"readyReplicas": ready})


#: Kind, status, whether it is ready; the object is of generation 2, has 3 replicas, and its spec.generation is "b".
TABLE: list[tuple[str, dict[str, Any], bool]] = [
    *(
        (kind, state, verdict)
        for kind in ("Kafka", "KafkaBridge", "KafkaTopic")
        for state, verdict in (
            ({}, False),
            ({"observedGeneration": 2}, False),
            ({"conditions": [READY]}, False),
            (seen(1, READY), False),
            (seen(2, NOT_READY), False),
            (seen(2, READY), True),
        )
    ),
    ("Deployment", {}, False),
    ("Deployment", seen(1, AVAILABLE), False),
    ("Deployment", seen(2, AVAILABLE, STUCK), False),
    ("Deployment", seen(2, AVAILABLE), True),
    ("StatefulSet", {}, False),
    ("StatefulSet", replicas(2, None), False),
    ("StatefulSet", replicas(2, 2), False),
    ("StatefulSet", replicas(1, 3), False),
    ("StatefulSet", replicas(2, 3), True),
    ("Job", {}, False),
    ("Job", {"active": 1}, False),
    ("Job", {"conditions": [FAILED]}, False),
    ("Job", {"conditions": [COMPLETE]}, True),
    ("Service", {"loadBalancer": {}}, False),
    ("Service", {"loadBalancer": {"ingress": []}}, False),
    ("Service", BALANCED, True),
    ("InfrastructureClaim", {}, False),
    ("InfrastructureClaim", {"ready": True, "appliedGeneration": "a"}, False),
    ("InfrastructureClaim", {"ready": False, "appliedGeneration": "b"}, False),
    ("InfrastructureClaim", {"ready": True, "appliedGeneration": "b"}, True),
]


def queries() -> dict[str, str]:
    """Return the one query of each kind in the goldens."""
    found: dict[str, set[str]] = {}
    for layout, name in CASES:
        for made in parts(layout, name).values():
            query = made["spec"].get("readiness", {}).get("celQuery")
            if query:
                found.setdefault(made["spec"]["forProvider"]["manifest"]["kind"], set()).add(query)
    return {kind: query for kind, (query,) in found.items()}


@pytest.fixture(scope="module")
def verdicts(validator: Path) -> list[bool]:
    asked, of = queries(), {"metadata": {"generation": 2}, "spec": {"generation": "b", "replicas": 3}}
    return evaluate(
        validator, ((asked[kind], of | ({"status": status} if status else {})) for kind, status, _ in TABLE)
    )


@pytest.mark.parametrize("row", range(len(TABLE)), ids=lambda row: f"{TABLE[row][0]}-{row}")
def test_ready_is_what_the_table_says(verdicts: list[bool], row: int) -> None:
    assert verdicts[row] is TABLE[row][2], TABLE[row]


def test_every_query_is_in_the_table() -> None:
    assert queries().keys() == {kind for kind, _, _ in TABLE}
