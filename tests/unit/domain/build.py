"""Short words for events, records and observed runs, so that each test shows only what it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from worker.domain.decide import Decision, Launch, Settle, confirm, decide
from worker.domain.events import (
    AppKey,
    Delivery,
    DesiredComponent,
    Event,
    EventKind,
    Order,
    Settings,
)
from worker.domain.fold import fold
from worker.domain.observed import ObservedNode, ObservedRun
from worker.domain.record import Record, Run

APP = AppKey("shop", "orders")
INSTANCE = "default"


def component(name: str, kind: str, needs: Iterable[str] = (), **properties: Any) -> DesiredComponent:
    return DesiredComponent(name, kind, properties, depends_on=tuple(needs))


def event(
    seq: int,
    *components: DesiredComponent,
    kind: EventKind = EventKind.CHANGED,
    uid: str = "",
    generation: int = 0,
    created: str = "",
    version: int = 0,
    app: AppKey = APP,
    settings: Settings | None = None,
    only: tuple[str, ...] = (),
    reconcile: bool = False,
    incarnation: str = "2026-01-01T00:00:00Z",
    timestamp: float | None = None,
) -> Event:
    requests = kind in {EventKind.REQUESTED, EventKind.REMOVAL, EventKind.RETRY}
    return Event(
        id=f"event-{seq}",
        key=f"key-{seq}",
        source="urn:test",
        kind=kind,
        app=app,
        order=Order(incarnation, seq, uid, created, generation, version, kind is EventKind.DELETED),
        delivery=Delivery("PLATFORM_EVENTS", incarnation, seq, 1000.0 + seq if timestamp is None else timestamp),
        components=components,
        settings=settings or Settings(source="api-driven" if requests else "oam-driven"),
        path="$.data.application.spec.components",
        only=only,
        reconcile=reconcile,
    )


def judge(record: Record, one: Event, neighbours: Mapping[str, Record] | None = None) -> Decision:
    return decide(record, one, neighbours or {}, INSTANCE)


def launch(record: Record, one: Event, neighbours: Mapping[str, Record] | None = None) -> Launch:
    decision = judge(record, one, neighbours)
    assert isinstance(decision, Launch), decision
    return decision


def settle(record: Record, one: Event, neighbours: Mapping[str, Record] | None = None) -> Settle:
    decision = judge(record, one, neighbours)
    assert isinstance(decision, Settle), decision
    return decision


def started(launched: Launch) -> Record:
    """The record once the run of ``launched`` is confirmed."""
    record = confirm(launched.record, launched.run)
    assert record is not None
    return record


#: What a task of the embedded platform yields; names come from its claim, so they are the same each time.
def outputs_of(parameters: Mapping[str, str], template: str) -> dict[str, str]:
    from contracts.templates import TEMPLATES

    claim = parameters["claim_name"]
    values = {
        "connection_secret": f"{claim}-connection",
        "mqtt_secret": f"{claim}-mqtt",
        "endpoint": f"http://{claim}.{parameters['namespace']}.svc.cluster.local",
        "repository": f"https://git.example/{claim}",
    }
    return {name: values[name] for name in TEMPLATES[template].outputs}


def observed(
    run: Run, phase: str = "Succeeded", failed: Iterable[str] = (), app: AppKey = APP, superseded_by: str = ""
) -> ObservedRun:
    """The Workflow of ``run`` after its end; components named in ``failed`` and what waits for them did not succeed."""
    bad = {task.name for task in run.tasks if task.component in set(failed)}
    nodes: dict[str, ObservedNode] = {}
    for task in run.tasks:
        if task.name in bad:
            nodes[task.name] = ObservedNode("Failed", "boom")
        elif any(needed not in nodes or nodes[needed].phase != "Succeeded" for needed in task.depends_on):
            nodes[task.name] = ObservedNode("Omitted")
        else:
            outputs = outputs_of(task.parameters, task.template) if task.entry == "main" else {}
            nodes[task.name] = ObservedNode("Succeeded", outputs=outputs)
    return ObservedRun(
        run.name,
        app.namespace,
        app.name,
        run.cause.delivery,
        phase="Failed" if bad else phase,
        finished=True,
        nodes={} if superseded_by else nodes,
        superseded_by=superseded_by,
    )


def finished(launched: Launch, failed: Iterable[str] = (), app: AppKey = APP) -> Record:
    """The record after the run of ``launched`` came to its end."""
    return fold(started(launched), observed(launched.run, failed=failed, app=app), 0.0).record


def applied(*components: DesiredComponent, seq: int = 1, app: AppKey = APP, **more: Any) -> Record:
    """The record of an application whose components are all applied."""
    return finished(launch(Record(app), event(seq, *components, app=app, **more)), app=app)


def actions(decision: Launch) -> dict[str, str]:
    return {task.component: task.action.value for task in decision.plan.tasks}


def states(record: Record) -> dict[str, str]:
    return {c.identity.name: c.state.value for c in record.components}


def without_owner(record: Record) -> Record:
    return replace(record, owner=None)
