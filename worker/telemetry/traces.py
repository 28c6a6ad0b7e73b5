"""Traces: one span per event, with decode, plan and submit inside, in the trace that its sender began.

Off unless OpenTelemetry's own variables name an exporter or endpoint; then the SDK is imported, which otherwise would
cost a tenth of a second of start and ten megabytes for nothing. While off, a span is one shared object that does
nothing, but the sender's trace id still goes to the log lines.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from worker.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span, Tracer

SERVICE = "platform-worker"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_TRACE_ID_PARTS = 4
_NOTHING: AbstractContextManager[None] = nullcontext()


@dataclass(slots=True)
class _Early:
    """Spans that ended before it was known which trace they belong to: an event names its trace inside its body."""

    ended: list[tuple[str, int, int, Mapping[str, Any]]] = field(default_factory=list)


_tracer: Tracer | None = None
_early: ContextVar[_Early | None] = ContextVar("early_spans", default=None)


def wanted(environment: Mapping[str, str]) -> bool:
    """Tell whether OpenTelemetry's variables ask for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    return exporter != "none" and (exporter != "" or any(environment.get(name) for name in _ENDPOINTS))


def configure(version: str, *, instance: str = "", processor: SpanProcessor | None = None) -> Callable[[], None]:
    """Begin to export traces if the environment asks for it.

    Args:
        version: Of the worker, as ``service.version``.
        instance: Of the installation, as ``service.namespace``.
        processor: What gets the spans, instead of what the environment names.

    Returns:
        What flushes and ends the export.

    Raises:
        ValueError: the environment names an exporter that is not supported.
    """
    global _tracer  # noqa: PLW0603 - tracing is on or off for the process
    if processor is None and not wanted(os.environ):
        return lambda: None
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - only when traces are on
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    names = {"service.name": os.environ.get("OTEL_SERVICE_NAME", SERVICE), "service.version": version}
    provider = TracerProvider(resource=Resource.create(names | ({"service.namespace": instance} if instance else {})))
    provider.add_span_processor(processor or _exporting())
    _tracer = provider.get_tracer("worker", version)

    def end() -> None:
        global _tracer  # noqa: PLW0603
        _tracer = None
        provider.shutdown()

    return end


def _exporting() -> SpanProcessor:
    from opentelemetry.sdk.trace.export import (  # noqa: PLC0415
        BatchSpanProcessor,
        ConsoleSpanExporter,
        SimpleSpanProcessor,
    )

    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "otlp") or "otlp"
    if exporter == "console":
        return SimpleSpanProcessor(ConsoleSpanExporter())
    if exporter != "otlp":
        raise ValueError(f"OTEL_TRACES_EXPORTER: {exporter!r} is not supported: use otlp, console or none")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    return BatchSpanProcessor(OTLPSpanExporter())


def span(name: str, **attributes: Any) -> AbstractContextManager[None]:
    """Measure one step. Costs a comparison while traces are off."""
    return _NOTHING if _tracer is None else _span(_tracer, name, attributes)


def continued(traceparent: str, tracestate: str = "", **attributes: Any) -> AbstractContextManager[None]:
    """Handle one event in the trace that ``traceparent`` names (a new one if it names none).

    Steps that ended before in this task become part of it. Its trace id goes to every log line inside.
    """
    if _tracer is None:
        trace_id = _trace_id(traceparent)
        return logs.context(trace=trace_id) if trace_id else _NOTHING
    return _continued(_tracer, traceparent, tracestate, attributes)


def outgoing() -> dict[str, str]:
    """Return ``traceparent`` and ``tracestate`` of the current span, for what it causes elsewhere; empty while off."""
    if _tracer is None:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier


@contextmanager
def _span(tracer: Tracer, name: str, attributes: Mapping[str, Any]) -> Iterator[None]:
    from opentelemetry import trace  # noqa: PLC0415

    if trace.get_current_span().get_span_context().is_valid:
        current = tracer.start_span(name, attributes=dict(attributes))
        with (
            trace.use_span(current, end_on_exit=True, record_exception=False, set_status_on_exception=False),
            _failing(current),
        ):
            yield
        return
    start = time.time_ns()
    try:
        yield
    finally:
        early = _early.get()
        if early is None:
            early = _Early()
            _early.set(early)
        early.ended.append((name, start, time.time_ns(), attributes))


@contextmanager
def _continued(tracer: Tracer, traceparent: str, tracestate: str, attributes: Mapping[str, Any]) -> Iterator[None]:
    from opentelemetry import trace  # noqa: PLC0415

    early, parent = _early.get() or _Early(), _remote(traceparent, tracestate)
    _early.set(None)
    start = min((begun for _, begun, _, _ in early.ended), default=None)
    kind = trace.SpanKind.CONSUMER
    whole = tracer.start_span("handle event", context=parent, kind=kind, attributes=dict(attributes), start_time=start)
    with trace.use_span(whole, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        for name, begun, ended, details in early.ended:
            tracer.start_span(name, start_time=begun, attributes=dict(details)).end(ended)
        with logs.context(trace=f"{whole.get_span_context().trace_id:032x}"), _failing(whole):
            yield


@contextmanager
def _failing(current: Span) -> Iterator[None]:
    """Mark the span if the block raises, with the exception's type only: its text may quote a payload."""
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415

    try:
        yield
    except BaseException as error:
        current.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise


def _remote(traceparent: str, tracestate: str) -> Context:
    from opentelemetry.context import Context  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    carrier = {"traceparent": traceparent, "tracestate": tracestate}
    return TraceContextTextMapPropagator().extract({name: value for name, value in carrier.items() if value}, Context())


def _trace_id(traceparent: str) -> str:
    parts = traceparent.split("-")
    return parts[1] if len(parts) >= _TRACE_ID_PARTS else ""
