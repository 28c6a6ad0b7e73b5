"""The corridor in spans: decode, plan, submit in the sender's trace, and what it causes goes on in that trace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.unit.domain.world import Message, Worker, World
from worker.domain.events import AppKey
from worker.domain.record import Run
from worker.telemetry import traces

SHOP = AppKey("team", "shop")
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
CANARY = "hunter2-canary"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    end = traces.configure("1", processor=SimpleSpanProcessor(exporter))
    yield exporter
    end()


def publish(world: World, properties: dict[str, Any], **attributes: str) -> Message:
    data = {"name": SHOP.name, "namespace": SHOP.namespace, "components": [{"name": "db", **properties}]}
    message = world.publish("provisioning.requested", data, f"platform.request.{SHOP.namespace}.{SHOP.name}")
    body = json.dumps({**json.loads(message.inbound.body), **attributes}).encode()
    message.inbound = replace(message.inbound, body=body)
    return message


def handle(world: World, message: Message) -> None:
    worker = Worker(world, world.pipeline())
    worker.take(message)
    worker.finish()


def run_of(world: World) -> Run:
    run = world.stored(SHOP).record.run
    assert run is not None
    return run


DATABASE = {"type": "postgresql", "properties": {"auth": {"password": CANARY}}}


def test_an_event_is_decoded_planned_and_submitted_in_its_trace(exporter: InMemorySpanExporter) -> None:
    world = World()
    handle(world, publish(world, DATABASE, traceparent=PARENT, tracestate="vendor=1"))
    spans = {span.name: span for span in exporter.get_finished_spans()}
    whole = spans["handle event"].context
    assert whole is not None
    assert list(spans) == ["decode", "plan", "submit", "handle event"]
    assert {f"{span.context.trace_id:032x}" for span in spans.values() if span.context} == {TRACE}
    assert run_of(world).traceparent == f"00-{TRACE}-{whole.span_id:016x}-01"  # of the Workflow, and its statuses
    assert run_of(world).tracestate == "vendor=1"
    assert CANARY not in "".join(span.to_json() for span in spans.values())


def test_without_a_sender_the_workflow_is_in_the_trace_that_began_here(exporter: InMemorySpanExporter) -> None:
    world = World()
    handle(world, publish(world, DATABASE))
    [whole] = [span.context for span in exporter.get_finished_spans() if span.name == "handle event"]
    assert whole is not None
    assert run_of(world).traceparent.startswith(f"00-{whole.trace_id:032x}-{whole.span_id:016x}-")


def test_what_cannot_be_read_has_a_trace_too_and_shows_nothing_of_it(exporter: InMemorySpanExporter) -> None:
    world = World()
    message = publish(world, DATABASE)
    message.inbound = replace(message.inbound, body=message.inbound.body.replace(b'"type": "postgresql"', b'"typ": 1'))
    handle(world, message)
    assert message.end == "term"
    assert [span.name for span in exporter.get_finished_spans()] == ["decode", "handle event"]
    assert CANARY not in "".join(span.to_json() for span in exporter.get_finished_spans())


def test_a_resumed_run_is_submitted_in_a_span_and_keeps_its_own_context(exporter: InMemorySpanExporter) -> None:
    world = World()
    message = publish(world, DATABASE, traceparent=PARENT)
    worker = Worker(world, world.pipeline())
    worker.take(message)
    while world.stored(SHOP).record.run is None:
        worker.step()
    worker.crash()
    before = run_of(world).traceparent
    exporter.clear()
    handle(world, message)
    assert run_of(world).traceparent == before
    assert "submit" in [span.name for span in exporter.get_finished_spans()]


def test_while_off_the_senders_context_is_passed_on_as_it_came() -> None:
    world = World()
    handle(world, publish(world, DATABASE, traceparent=PARENT, tracestate="vendor=1"))
    assert (run_of(world).traceparent, run_of(world).tracestate) == (PARENT, "vendor=1")
