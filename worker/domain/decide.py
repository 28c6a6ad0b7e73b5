"""What one delivery of one event means, given what is recorded: the state machine of the worker, as one pure function.

A delivery that is known already resumes or repeats; it is never judged anew, or an accepted event could turn into an unchanged one
after a crash. Everything else follows from the order of events, the owner of the name, and the plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from worker.domain.events import AppKey, Event, EventKind, Order, OwnerKind, Settings
from worker.domain.model import ComponentSpec, Problem
from worker.domain.names import workflow_name
from worker.domain.normalise import Normalised, normalise
from worker.domain.plan import Plan
from worker.domain.planner import NotYetProvided, PlanContext, make_plan
from worker.domain.record import (
    TOMBSTONE_SECONDS,
    Cause,
    ComponentRecord,
    Disposition,
    Owner,
    PastDisposition,
    Phase,
    Record,
    Run,
    StaleRun,
    State,
    Tombstone,
)

_SOURCES_OF_WRITE_BACK = frozenset({"api-driven"})


@dataclass(frozen=True, slots=True)
class Launch:
    """Write ``record`` (the intent), create ``run``, confirm, stop the others, start, tell, acknowledge."""

    record: Record
    run: Run
    plan: Plan


@dataclass(frozen=True, slots=True)
class Resume:
    """The intent of this very delivery stands: go on from wherever it got to."""

    run: Run


@dataclass(frozen=True, slots=True)
class Settle:
    """Write ``record``, tell the disposition, stop the runs that nobody wants any more."""

    record: Record
    disposition: Disposition
    plan: Plan
    problems: tuple[Problem, ...] = ()
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Supersede:
    """A newer event was there first: tell it, and stop the run that this delivery may have left behind."""

    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeat:
    """This delivery was disposed of before: tell the same again."""

    past: PastDisposition


@dataclass(frozen=True, slots=True)
class Postpone:
    """Not yet: something outside of the application has to happen first."""

    reason: str
    message: str


Decision = Launch | Resume | Settle | Supersede | Repeat | Postpone


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the event wants, and the record that it wants it of."""

    record: Record
    specs: Sequence[ComponentSpec] = ()
    settings: Settings = field(default_factory=Settings)
    notes: Normalised = field(default_factory=Normalised)
    reconcile: bool = False
    deletes: bool = False


def decide(record: Record, event: Event, neighbours: Mapping[str, Record], instance: str) -> Decision:
    """Decide what happens to one delivery.

    Args:
        record: What is recorded of the event's application; an empty record if nothing is.
        neighbours: Records of the other applications of the namespace; needed if ``needs_neighbours`` says so.
        instance: Id of this installation of the worker.
    """
    known = _known_delivery(record, event)
    if known is not None:
        return known
    if _stale(record, event):
        return Supersede(tuple(run.name for run in record.stale_runs if run.delivery == event.delivery.key))
    refusal = _foreign_owner(record, event)
    if refusal is not None:
        return _reject(record, event, [refusal], Plan(event.app))
    wish = _wish(record, event, neighbours)
    notes = Plan(event.app, skipped=tuple(wish.notes.skipped), warnings=tuple(wish.notes.warnings))
    if wish.notes.problems:
        return _reject(record, event, wish.notes.problems, notes)
    return _compare(wish, event, neighbours, instance)


def confirm(record: Record, run: Run) -> Record | None:
    """Return the record that makes ``run`` the one that may start, or ``None`` if a newer one has taken its place."""
    current = record.run
    if current is None or current.name != run.name:
        return None
    phase = Phase.CONFIRMED if current.phase is Phase.INTENDED else current.phase
    accepted = PastDisposition(run.cause.delivery, Disposition.ACCEPTED, run.name)
    return replace(record, run=replace(current, phase=phase)).remembering(accepted)


def without_stale_runs(record: Record, stopped: Sequence[str]) -> Record:
    """Return the record without those stopped runs whose end nobody is owed; the observer tells the others' end."""
    return replace(
        record, stale_runs=tuple(r for r in record.stale_runs if r.name not in stopped or r.cause is not None)
    )


def abandon(record: Record, delivery: str, problem: Problem) -> Record:
    """Return the record after the delivery was dead-lettered: its disposition is known, an intent of it is given up."""
    past = PastDisposition(delivery, Disposition.REJECTED, problems=(problem,))
    run = record.run
    if run is not None and run.cause.delivery == delivery and run.phase is Phase.INTENDED:
        given_up = replace(run, phase=Phase.FAILED, message=problem.message, tasks=())
        stale = StaleRun(run.name, delivery, run.attempt, run.order)
        record = replace(record, run=given_up, stale_runs=(*record.stale_runs, stale))
    return record.remembering(past)


def cause_of(event: Event) -> Cause:
    """Return how statuses and runs name ``event``."""
    return Cause(event.id, event.source, event.key, event.delivery.key)


def _known_delivery(record: Record, event: Event) -> Decision | None:
    run = record.run
    if run is not None and run.cause.delivery == event.delivery.key:
        if run.phase in {Phase.INTENDED, Phase.CONFIRMED}:
            return Resume(run)
        return Repeat(PastDisposition(run.cause.delivery, Disposition.ACCEPTED, run.name))
    past = record.past(event.delivery.key)
    return Repeat(past) if past is not None else None


def _stale(record: Record, event: Event) -> bool:
    if event.order.uid and any(stone.uid == event.order.uid for stone in record.tombstones):
        return True
    return record.order is not None and not event.order.newer_than(record.order)


def _foreign_owner(record: Record, event: Event) -> Problem | None:
    """An Application and requests cannot both manage a name; the Application that write-back creates takes a request over."""
    owner = record.owner
    if owner is None or owner.kind is event.owner or event.kind is EventKind.RETRY:
        return None
    if event.owner is OwnerKind.APPLICATION:
        if event.settings.source.lower() in _SOURCES_OF_WRITE_BACK:
            return None
        fix = "remove the request first, or annotate the Application with webservice.oam.dev/source: api-driven to take it over"
    elif event.kind is EventKind.REMOVAL:
        fix = "delete the Application itself"
    else:
        fix = "change the Application instead, or choose another name"
    return Problem("managed-by-other", f"{event.app} is already managed by {_describe(owner)}", "$.data", fix=fix)


def _describe(owner: Owner) -> str:
    if owner.kind is OwnerKind.APPLICATION:
        return f"an Application (uid {owner.uid or 'unknown'})"
    return f"a provisioning request (source {owner.source})"


def _wish(record: Record, event: Event, neighbours: Mapping[str, Record]) -> _Wish:
    current = [c.spec for c in record.components if c.wanted]
    if event.kind is EventKind.RETRY:
        if record.order is None:
            nothing = Problem(
                "nothing-recorded",
                f"nothing is recorded of {event.app}",
                "$.data",
                fix="check the namespace and the name",
            )
            return _Wish(record, notes=Normalised(problems=[nothing]))
        return _Wish(record, current, record.settings, reconcile=event.reconcile, deletes=not current)
    if event.kind is EventKind.REMOVAL:
        return _removal(record, event, current)
    if event.kind is EventKind.DELETED:
        settings = event.settings if event.settings.delete else replace(event.settings, delete=record.settings.delete)
        if record.order is None:
            record = _from_deleted_body(record, event)
        return _Wish(record, (), settings, deletes=True)
    notes = normalise(event, record, neighbours)
    if not notes.specs and not notes.problems and current and not event.settings.allow_empty:
        notes.problems.append(
            Problem(
                "would-empty",
                f"the update would remove all {len(current)} components of {event.app}",
                event.path,
                fix='annotate the Application with platform.io/allow-empty: "true" if that is meant, or delete it',
            )
        )
    return _Wish(record, notes.specs, event.settings, notes)


def _removal(record: Record, event: Event, current: Sequence[ComponentSpec]) -> _Wish:
    settings = replace(record.settings, delete=event.settings.delete or record.settings.delete)
    names = {spec.name for spec in current}
    unknown = [name for name in event.only if name not in names]
    if unknown:
        problem = Problem(
            "unknown-component",
            f"{event.app} has no component {', '.join(unknown)}",
            "$.data.components",
            unknown[0],
            f"its components are {', '.join(sorted(names)) or 'none'}",
        )
        return _Wish(record, notes=Normalised(problems=[problem]))
    rest = [spec for spec in current if event.only and spec.name not in event.only]
    return _Wish(record, rest, settings, deletes=not event.only)


def _from_deleted_body(record: Record, event: Event) -> Record:
    """Nothing is recorded, but the deleted object says what it had: treat that as present with unknown content."""
    said = normalise(event, record, {})
    parts = tuple(ComponentRecord(spec, wanted=False, state=State.DIRTY) for spec in said.specs)
    return replace(record, components=parts)


def _compare(wish: _Wish, event: Event, neighbours: Mapping[str, Record], instance: str) -> Decision:
    record = wish.record
    order = _order_after(record, event)
    attempt = _attempt(record, order)
    name = workflow_name(instance, event.app, order, attempt)
    context = PlanContext(instance, event.app, name, wish.settings, wish.reconcile)
    try:
        plan = make_plan(record, wish.specs, neighbours, context)
    except NotYetProvided as missing:
        return Postpone("waiting-for-provider", str(missing))
    plan = replace(plan, skipped=tuple(wish.notes.skipped), warnings=tuple(wish.notes.warnings))
    if wish.reconcile is False and _in_progress(record, plan):
        note = f"{record.run.name} is carrying this out already" if record.run else ""
        plan = replace(plan, tasks=(), warnings=(*plan.warnings, note))
        return Settle(_advance(record, event, wish.settings, Disposition.UNCHANGED), Disposition.UNCHANGED, plan)
    if not plan.tasks:
        return _nothing_to_run(wish, event, plan)
    run = Run(
        name=name,
        attempt=attempt,
        order=order,
        cause=cause_of(event),
        deletes=wish.deletes,
        tasks=plan.tasks,
        accepted_at=event.delivery.timestamp,
        traceparent=event.traceparent,
        tracestate=event.tracestate,
    )
    intent = _retire_run(_advance(record, event, wish.settings, None))
    return Launch(replace(intent, run=run, components=plan.components), run, plan)


def _nothing_to_run(wish: _Wish, event: Event, plan: Plan) -> Settle:
    record = wish.record
    stop = (record.run.name,) if record.run is not None and record.unfinished else ()
    settled = _retire_run(record) if stop else record
    settled = _advance(replace(settled, components=plan.components), event, wish.settings, Disposition.UNCHANGED)
    return Settle(settled, Disposition.UNCHANGED, plan, stop=stop)


def _in_progress(record: Record, plan: Plan) -> bool:
    """Tell whether the current run leads to exactly what ``plan`` wants, so that starting it over would only lose time.

    Senders repeat themselves (a watcher that relists, a controller that writes status), and each repetition has a newer
    resourceVersion: starting over each time, provisioning would never end.
    """
    run = record.run
    if run is None or run.phase not in {Phase.CONFIRMED, Phase.RUNNING}:
        return False
    doing = {(t.identity, t.entry, t.digest) for t in run.tasks}
    if not plan.tasks or any((t.identity, t.entry, t.digest) not in doing for t in plan.tasks):
        return False
    before = {c.identity: (c.wanted, c.state, c.run) for c in record.components}
    touched = {t.identity for t in run.tasks}
    if touched != {t.identity for t in plan.tasks}:
        return False
    return all(
        before.get(c.identity) == (c.wanted, c.state, run.name if c.identity in touched else c.run)
        for c in plan.components
    )


def _reject(record: Record, event: Event, problems: Sequence[Problem], plan: Plan) -> Settle:
    past = PastDisposition(event.delivery.key, Disposition.REJECTED, problems=tuple(problems))
    keeps_order = event.kind is EventKind.RETRY or _foreign(record, event)
    advanced = record if keeps_order else replace(record, order=_order_after(record, event))
    return Settle(
        advanced.remembering(past), Disposition.REJECTED, replace(plan, problems=tuple(problems)), tuple(problems)
    )


def _foreign(record: Record, event: Event) -> bool:
    return record.owner is not None and record.owner.kind is not event.owner


def _order_after(record: Record, event: Event) -> Order:
    """A retry brings no new desired state, so it takes no new place."""
    if event.kind is EventKind.RETRY and record.order is not None:
        return record.order
    return event.order


def _attempt(record: Record, order: Order) -> int:
    run = record.run
    if run is None:
        return 1
    if run.order == order or run.phase is not Phase.SUCCEEDED:
        return run.attempt + 1
    return 1


def _advance(record: Record, event: Event, settings: Settings, disposition: Disposition | None) -> Record:
    """Return the record after the event took its place: order, owner, settings, tombstone, and what became of it."""
    tombstones = tuple(s for s in record.tombstones if event.delivery.timestamp - s.at < TOMBSTONE_SECONDS)
    before = record.order.uid if record.order else ""
    replaced = bool(event.order.uid) or (record.order is not None and record.order.deleted)
    gone = before if before != event.order.uid and replaced and event.kind is not EventKind.RETRY else ""
    if gone and all(stone.uid != gone for stone in tombstones):
        tombstones = (*tombstones, Tombstone(gone, event.delivery.timestamp))
    owner = record.owner
    if event.kind is not EventKind.RETRY:
        ends = event.kind is EventKind.DELETED or (event.kind is EventKind.REMOVAL and not event.only)
        owner = None if ends else Owner(event.owner, event.order.uid, event.source)
    advanced = replace(record, order=_order_after(record, event), owner=owner, settings=settings, tombstones=tombstones)
    if disposition is None:
        return advanced
    return advanced.remembering(PastDisposition(event.delivery.key, disposition))


def _retire_run(record: Record) -> Record:
    """Return the record without a current run; one that has not been seen to end is remembered as stale.

    A run that was confirmed was accepted: that is remembered, so that a late redelivery of its event says the same.
    """
    run = record.run
    if run is None:
        return record
    if run.phase not in {Phase.INTENDED, Phase.SUPERSEDED} and record.past(run.cause.delivery) is None:
        record = record.remembering(PastDisposition(run.cause.delivery, Disposition.ACCEPTED, run.name))
    if run.phase.finished:
        return record
    # An intent that was never confirmed was never accepted: its own redelivery tells that it was superseded.
    confirmed = run.phase is not Phase.INTENDED
    stale = StaleRun.of(run) if confirmed else StaleRun(run.name, run.cause.delivery, run.attempt, run.order)
    superseded = replace(run, phase=Phase.SUPERSEDED, tasks=())
    return replace(record, run=superseded, stale_runs=(*record.stale_runs, stale))


def empty(app: AppKey) -> Record:
    """Return the record of an application that nothing is known of."""
    return Record(app)
