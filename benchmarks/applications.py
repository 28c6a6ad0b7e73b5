"""Applications, events and records that the benchmarks feed: small on purpose, so that the worker's own cost shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from contracts import names, strict_json
from worker.domain.decide import Launch, confirm, decide
from worker.domain.decode import Review, decode
from worker.domain.events import Delivery, Event, InboundMessage
from worker.domain.fold import fold
from worker.domain.observed import ObservedNode, ObservedRun
from worker.domain.record import Record

NAMESPACE = "bench"
INSTANCE = "default"
HEADERS = {"Content-Type": names.CLOUDEVENTS_JSON}
_OUTPUTS = {"connection_secret": "secret", "endpoint": "host:1"}


def application(name: str, components: int = 4, generation: int = 1) -> dict[str, Any]:
    """Return an Application: databases and services that refer to them, half of each."""
    half = max(1, components // 2)
    parts: list[dict[str, Any]] = [
        {"name": f"db-{i}", "type": "postgresql", "properties": {"size": "small", "version": "16", "storage": "10Gi"}}
        for i in range(half)
    ]
    parts += [
        {
            "name": f"api-{i}",
            "type": "webservice",
            "properties": {"image": "api:1", "language": "python", "database": f"db-{i % half}"},
        }
        for i in range(components - half)
    ]
    return {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-{name}",
            "generation": generation,
            "resourceVersion": str(1000 + generation),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app-container": "bench"},
        },
        "spec": {"components": parts},
    }


def body(name: str, generation: int, components: int = 4) -> bytes:
    """Return the CloudEvent that ``name`` has reached ``generation``."""
    return strict_json.dumps(
        {
            "specversion": "1.0",
            "id": f"{name}-{generation}",
            "source": "benchmarks",
            "type": names.InboundType.APPLICATION_CHANGED.value,
            "data": {"application": application(name, components, generation)},
        }
    )


def message(
    name: str, generation: int, components: int = 4, *, incarnation: str = "2026", sequence: int = 1
) -> InboundMessage:
    """Return the event as the handler gets it."""
    subject = names.oam_subject(NAMESPACE, name)
    return InboundMessage(
        subject, HEADERS, body(name, generation, components), Delivery(names.EVENTS_STREAM, incarnation, sequence)
    )


def event(name: str, generation: int, components: int = 4, **place: Any) -> Event:
    """Return the decoded event."""
    decoded = decode(message(name, generation, components, **place))
    assert not isinstance(decoded, Review)
    return decoded


def applied(name: str, components: int = 4, incarnation: str = "2026") -> Record:
    """Return the record of an application whose first generation is provisioned, made by the worker's own rules."""
    first = event(name, 1, components, incarnation=incarnation, sequence=0)
    launch = decide(Record(first.app), first, {}, INSTANCE)
    assert isinstance(launch, Launch)
    confirmed = confirm(launch.record, launch.run)
    assert confirmed is not None
    nodes = {task.name: ObservedNode("Succeeded", outputs=_OUTPUTS) for task in launch.run.tasks}
    seen = ObservedRun(
        launch.run.name, NAMESPACE, name, launch.run.cause.delivery, "Succeeded", finished=True, nodes=nodes
    )
    return replace(fold(confirmed, seen, now=1.0).record)
