"""Status events of dispositions: what is told when an event has come to its end."""

from __future__ import annotations

from collections.abc import Iterable

from worker.domain.events import AppKey, Event, Order
from worker.domain.model import Action, Identity, Problem, Task
from worker.domain.plan import Plan
from worker.domain.record import Cause, ComponentRecord, Disposition, PastDisposition, Record, Run, State
from worker.domain.status import ComponentStatus, RunStatus, Status, StatusKind


def accepted(record: Record, run: Run, plan: Plan | None, event: Event) -> Status:
    """A run was started. ``plan`` is ``None`` when the delivery is told again and only the record knows the run."""
    lines = [_task_line(task, record) for task in run.tasks]
    if plan is not None:
        lines += _retained(plan)
    return Status(
        StatusKind.ACCEPTED,
        record.app,
        run.cause,
        event.order,
        Disposition.ACCEPTED.value,
        RunStatus(run.name, run.attempt, run.phase.value),
        tuple(lines),
        unchanged=_unchanged(plan) if plan else (),
        skipped=plan.skipped if plan else (),
        warnings=plan.warnings if plan else (),
        traceparent=event.traceparent,
        tracestate=event.tracestate,
    )


def settled(record: Record, event: Event, cause: Cause, disposition: Disposition, plan: Plan) -> Status:
    """The event needed no run: it changed nothing, or it was refused."""
    return Status(
        StatusKind(disposition.value),
        record.app,
        cause,
        event.order,
        disposition.value,
        components=tuple(_retained(plan)),
        unchanged=_unchanged(plan),
        skipped=plan.skipped,
        problems=plan.problems,
        warnings=plan.warnings,
        traceparent=event.traceparent,
        tracestate=event.tracestate,
    )


def superseded(app: AppKey, event: Event, cause: Cause) -> Status:
    """A newer event was there first."""
    return _bare(app, cause, Disposition.SUPERSEDED, event.order, event.traceparent, event.tracestate)


def repeated(past: PastDisposition, record: Record, event: Event, cause: Cause) -> Status:
    """The same statement about the same delivery again, under the same id."""
    run = record.run if record.run is not None and record.run.name == past.run else None
    return Status(
        StatusKind(past.disposition.value),
        record.app,
        cause,
        event.order,
        past.disposition.value,
        RunStatus(past.run, run.attempt if run else 0, run.phase.value if run else "") if past.run else None,
        problems=past.problems,
        traceparent=event.traceparent,
        tracestate=event.tracestate,
    )


def ignored(app: AppKey, cause: Cause, why: str) -> Status:
    """The message said nothing that could change anything."""
    disposition = Disposition.UNCHANGED.value
    return Status(StatusKind.UNCHANGED, app, cause, disposition=disposition, warnings=(why,))


def rejected(app: AppKey, cause: Cause, problem: Problem, order: Order | None = None) -> Status:
    """The message was dead-lettered."""
    return Status(StatusKind.REJECTED, app, cause, order, Disposition.REJECTED.value, problems=(problem,))


def _bare(
    app: AppKey, cause: Cause, disposition: Disposition, order: Order, traceparent: str, tracestate: str
) -> Status:
    return Status(
        StatusKind(disposition.value),
        app,
        cause,
        order,
        disposition.value,
        traceparent=traceparent,
        tracestate=tracestate,
    )


def _task_line(task: Task, record: Record) -> ComponentStatus:
    known = _find(record.components, task.identity)
    state = known.state.value if known else ""
    return ComponentStatus(task.component, task.identity.type, int(task.pattern), task.action.value, state, task.reason)


def _retained(plan: Plan) -> list[ComponentStatus]:
    return [
        ComponentStatus(
            kept.identity.name,
            kept.identity.type,
            int(kept.pattern),
            Action.RETAIN.value,
            State.RETAINED.value,
            kept.reason,
        )
        for kept in plan.retained
    ]


def _unchanged(plan: Plan) -> tuple[str, ...]:
    return tuple(identity.name for identity in plan.unchanged)


def _find(components: Iterable[ComponentRecord], identity: Identity) -> ComponentRecord | None:
    return next((c for c in components if c.identity == identity), None)
