"""Spans in the sender's trace; nothing at all while tracing is off."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from worker.telemetry import logs, traces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    end = traces.configure("1.2.3", instance="here", processor=SimpleSpanProcessor(exporter))
    yield exporter
    end()


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def context_of(span: ReadableSpan) -> SpanContext:
    context: SpanContext | None = span.context
    assert context is not None
    return context


def parent_of(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id


def times_of(span: ReadableSpan) -> tuple[int, int]:
    assert span.start_time is not None
    assert span.end_time is not None
    return span.start_time, span.end_time


def test_all_steps_of_an_event_are_in_the_senders_trace_even_what_ended_before_it_was_known(
    exporter: InMemorySpanExporter,
) -> None:
    with traces.span("decode", size=12):
        time.sleep(0.002)
    with traces.continued(PARENT, "vendor=1"):
        with traces.span("plan"):
            pass
        with traces.span("submit"):
            outgoing = traces.outgoing()
    spans = by_name(exporter)
    assert set(spans) == {"decode", "plan", "submit", "handle event"}
    whole = spans["handle event"]
    assert {f"{context_of(span).trace_id:032x}" for span in spans.values()} == {TRACE}
    assert parent_of(whole) == int("b7ad6b7169203331", 16)
    assert {parent_of(spans[name]) for name in ("decode", "plan", "submit")} == {context_of(whole).span_id}
    decoded, planned = times_of(spans["decode"]), times_of(spans["plan"])
    assert times_of(whole)[0] == decoded[0] < decoded[1] <= planned[0]
    assert outgoing["traceparent"] == f"00-{TRACE}-{context_of(spans['submit']).span_id:016x}-01"
    assert outgoing["tracestate"] == "vendor=1"
    assert whole.resource.attributes["service.name"] == "platform-worker"
    assert whole.resource.attributes["service.version"] == "1.2.3"


def test_without_a_sender_a_trace_begins(exporter: InMemorySpanExporter) -> None:
    for garbage in ("", "garbage", "00-00000000000000000000000000000000-0000000000000000-01"):
        with traces.continued(garbage), traces.span("plan"):
            assert logs.bound()["trace"] == traces.outgoing()["traceparent"].split("-")[1]
    assert len({span.context.trace_id for span in exporter.get_finished_spans()}) == 3


def test_a_failed_step_is_marked_with_the_type_of_its_error_only(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="hunter2"), traces.continued(PARENT), traces.span("plan"):
        raise ValueError("hunter2")
    spans = by_name(exporter)
    assert spans["plan"].status.description == "ValueError"
    assert not spans["plan"].status.is_ok
    assert "hunter2" not in "".join(span.to_json() for span in spans.values())


def test_while_off_nothing_is_imported_and_the_log_has_the_senders_trace_id() -> None:
    code = (
        "import sys, os\n"
        "from worker.telemetry import traces, logs\n"
        "traces.configure('1')()\n"
        "with traces.span('decode'): pass\n"
        f"with traces.continued({PARENT!r}), traces.span('plan'):\n"
        f"    assert logs.bound() == {{'trace': {TRACE!r}}}\n"
        "    assert traces.outgoing() == {}\n"
        "assert 'opentelemetry' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": "."})


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "TRUE"}, False),
    ],
)
def test_when_traces_are_on(environment: dict[str, str], wanted: bool) -> None:
    assert traces.wanted(environment) == wanted


def test_an_exporter_that_is_not_supported_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    with pytest.raises(ValueError, match="OTEL_TRACES_EXPORTER: 'zipkin' is not supported: use otlp, console or none"):
        traces.configure("1")


def test_a_span_is_no_new_object_while_off() -> None:
    assert traces.span("plan", size=1) is traces.span("submit") is traces.continued("")
