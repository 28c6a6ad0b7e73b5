"""Status events on a real nats-server: in the contract's form, once per id, found again by event."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from contracts.cloudevents import from_message
from contracts.names import STATUS_STREAM, OutboundType, status_subject
from contracts.status import STATUS as MODELS
from tests.support.records import CAUSE, ORDER
from worker.domain.events import AppKey
from worker.domain.model import Problem, Skipped
from worker.domain.status import ComponentStatus, RunStatus, Status, StatusKind
from worker.errors import Misconfigured, Unavailable
from worker.outbound.jetstream import JetStream
from worker.outbound.ledger import StatusLedger, cloud_event

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext

    from tests.support.nats import NatsServer

SHOP = AppKey("default", "shop")
RUN = RunStatus("shop-3-1-0123456789", 1, "confirmed")
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PROBLEM = Problem("unknown-type", "no such type", "$.data.x", "db", "write postgresql")


def status(kind: StatusKind, **fields: Any) -> Status:
    run_kinds = {StatusKind.RUNNING, StatusKind.SUCCEEDED, StatusKind.FAILED, StatusKind.DELETED}
    disposition = StatusKind.ACCEPTED if kind in run_kinds else kind
    full = Status(
        kind,
        SHOP,
        CAUSE,
        ORDER,
        disposition.value,
        RUN if kind is StatusKind.ACCEPTED or kind in run_kinds else None,
        (ComponentStatus("db", "postgresql", 3, "create", "applied", "fine", {"connection_secret": "x"}),),
        unchanged=("cache",),
        skipped=(Skipped("x", "cron", "not ours"),),
        problems=(PROBLEM,) if kind in {StatusKind.REJECTED, StatusKind.FAILED} else (),
        warnings=("beware",),
        traceparent=TRACEPARENT,
        tracestate="a=b",
    )
    return replace(full, **fields)


@pytest.mark.parametrize("kind", StatusKind)
def test_every_kind_is_a_cloudevent_with_valid_data(kind: StatusKind) -> None:
    event = cloud_event(status(kind), 1_790_000_000.25)
    read = from_message({"content-type": "application/cloudevents+json"}, json.dumps(event).encode())
    assert read.type == OutboundType[kind.name]
    assert read.time == "2026-09-21T14:13:20.250Z"
    assert read.id == status(kind).id
    data = MODELS[OutboundType[kind.name]].model_validate(event["data"])
    assert data.to_json() | {"order": None} == {**event["data"], "order": None}, "nothing is lost or null"


@pytest.mark.parametrize("kind", StatusKind)
def test_the_barest_status_is_valid_too(kind: StatusKind) -> None:
    bare = status(kind, components=(), unchanged=(), skipped=(), warnings=(), traceparent="", tracestate="")
    event = cloud_event(replace(bare, cause=replace(CAUSE, source="")), 0.0)
    MODELS[OutboundType[kind.name]].model_validate(event["data"])
    assert "traceparent" not in event


def test_a_rejected_message_that_could_not_be_read_has_no_order() -> None:
    event = cloud_event(status(StatusKind.REJECTED, order=None), 0.0)
    assert "order" not in MODELS[OutboundType.REJECTED].model_validate(event["data"]).to_json()
    assert "uid" not in event["data"]["application"]


def test_a_replaced_run_is_told_again_in_a_valid_form() -> None:
    event = cloud_event(status(StatusKind.ACCEPTED, run=RunStatus("shop-1-1-x", 0, "")), 0.0)
    MODELS[OutboundType.ACCEPTED].model_validate(event["data"])


async def test_a_status_is_stored_once_however_often_it_is_told(
    jetstream: JetStream, context: JetStreamContext
) -> None:
    ledger = StatusLedger(jetstream)
    for _ in range(3):
        await ledger.publish(status(StatusKind.ACCEPTED))

    info = await context.stream_info(STATUS_STREAM)
    assert info.state.messages == 1
    stored = await context.get_last_msg(STATUS_STREAM, status_subject("default", "shop", CAUSE.key))
    assert stored.headers is not None
    assert stored.headers["Content-Type"] == "application/cloudevents+json"
    assert stored.headers["traceparent"] == TRACEPARENT
    assert stored.headers["tracestate"] == "a=b"
    assert stored.headers["Nats-Msg-Id"].endswith(status(StatusKind.ACCEPTED).id)


async def test_the_disposition_of_a_delivery_is_found_again(jetstream: JetStream) -> None:
    ledger = StatusLedger(jetstream)
    assert await ledger.disposition_of(SHOP, CAUSE.key, CAUSE.delivery) is None

    await ledger.publish(status(StatusKind.UNCHANGED))

    assert await ledger.disposition_of(SHOP, CAUSE.key, CAUSE.delivery) == "unchanged"
    assert await ledger.disposition_of(SHOP, CAUSE.key, "another:delivery") is None
    assert await ledger.disposition_of(SHOP, "other-event", CAUSE.delivery) is None
    assert await ledger.disposition_of(AppKey("default", "other"), CAUSE.key, CAUSE.delivery) is None


async def test_the_end_of_a_run_still_tells_the_disposition(jetstream: JetStream) -> None:
    ledger = StatusLedger(jetstream)
    for kind in (StatusKind.ACCEPTED, StatusKind.RUNNING, StatusKind.SUCCEEDED):
        await ledger.publish(status(kind))

    assert await ledger.disposition_of(SHOP, CAUSE.key, CAUSE.delivery) == "accepted"


async def test_a_missing_stream_is_configuration(nats_client: Client) -> None:
    with pytest.raises(Misconfigured) as caught:
        await StatusLedger(JetStream(nats_client, timeout=1)).publish(status(StatusKind.UNCHANGED))
    assert "streams apply" in caught.value.fix


async def test_without_an_acknowledgement_it_is_not_told(nats_server: NatsServer, jetstream: JetStream) -> None:
    ledger = StatusLedger(JetStream(jetstream._client, timeout=0.3))
    nats_server.freeze()
    with pytest.raises(Unavailable):
        await ledger.publish(status(StatusKind.UNCHANGED))
