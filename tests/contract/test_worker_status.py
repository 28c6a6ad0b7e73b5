"""What the worker really writes is what the contract promises to readers."""

from __future__ import annotations

import jsonschema
import pytest

from contracts import strict_json
from contracts.cloudevents import from_message
from contracts.names import OutboundType
from contracts.status import STATUS
from tests.contract.library import schema
from worker.domain.events import AppKey, Order
from worker.domain.model import Problem, Skipped
from worker.domain.record import Cause, Phase
from worker.domain.status import ComponentStatus, RunStatus, Status, StatusKind
from worker.outbound.ledger import cloud_event

APP = AppKey("shop", "orders")
CAUSE = Cause("6f1c-3", "urn:example", "f277bf095b5ab746", "incarnation:41")
LEGACY_CAUSE = Cause("PLATFORM_EVENTS:41", "", "f277bf095b5ab746", "incarnation:41")
ORDER = Order("2025-08-01T00:00:00Z", 41, "6f1c", "2025-08-12T09:00:00Z", 3, 184_467)
REQUEST_ORDER = Order("2025-08-01T00:00:00Z", 41)
PROBLEM = Problem("not-allowed", '"tiny" is not allowed for size', "$.data.x", "db", "use small")
DB = ComponentStatus("db", "postgresql", 3, "create", "dirty", "", {"endpoint": "db.shop.svc"})


def run(phase: Phase) -> RunStatus:
    return RunStatus("orders-3-1-5d41402abc", 1, phase.value)


KIND = StatusKind
STATUSES = [
    Status(KIND.ACCEPTED, APP, CAUSE, ORDER, "accepted", run(Phase.CONFIRMED), (DB,), warnings=("w",)),
    Status(
        KIND.UNCHANGED, APP, CAUSE, REQUEST_ORDER, "unchanged", unchanged=("db",), skipped=(Skipped("a", "b", "c"),)
    ),
    Status(KIND.UNCHANGED, APP, CAUSE, disposition="unchanged", warnings=("a dry run",)),
    Status(KIND.SUPERSEDED, APP, CAUSE, ORDER, "superseded"),
    Status(KIND.SUPERSEDED, APP, CAUSE, ORDER, "accepted", run(Phase.SUPERSEDED)),
    Status(KIND.REJECTED, APP, LEGACY_CAUSE, None, "rejected", problems=(PROBLEM,)),
    Status(
        KIND.RUNNING,
        APP,
        CAUSE,
        ORDER,
        "accepted",
        run(Phase.RUNNING),
        traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01",
    ),
    Status(KIND.SUCCEEDED, APP, CAUSE, ORDER, "accepted", run(Phase.SUCCEEDED), (DB,)),
    Status(KIND.FAILED, APP, CAUSE, ORDER, "accepted", run(Phase.FAILED), (DB,), problems=(PROBLEM,)),
    Status(KIND.DELETED, APP, CAUSE, ORDER, "accepted", run(Phase.SUCCEEDED)),
]


@pytest.mark.parametrize("status", STATUSES, ids=lambda status: f"{status.kind}-{status.disposition}")
def test_published_status_is_as_the_contract_says(status: Status) -> None:
    document = cloud_event(status, 1_754_991_001.5)
    event_type = document["type"]
    jsonschema.validate(document, schema("events", event_type), jsonschema.Draft202012Validator)
    event = from_message(None, strict_json.dumps(document))
    read = STATUS[OutboundType(event_type)].model_validate(event.data)
    assert read.application.name == "orders"
    assert event_type == f"io.platform.provisioning.{status.kind}.v1"


def test_every_kind_of_the_worker_is_a_type_of_the_contract() -> None:
    assert {f"io.platform.provisioning.{kind}.v1" for kind in StatusKind} == set(OutboundType)
    assert {status.kind for status in STATUSES} == set(StatusKind)
