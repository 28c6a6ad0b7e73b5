"""What one delivery of one event means, given what is recorded: the state machine of the worker, as one pure function.

A delivery that is known already resumes or repeats; it is never judged anew, or an accepted event could turn into an
unchanged one after a crash. Everything else follows from the order of events, the owner of the name, and the plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from worker.domain.events import AppKey, Event, EventKind, OwnerKind
from worker.domain.model import Problem
from worker.domain.names import workflow_name
from worker.domain.orchestrator import ORCHESTRATOR
from worker.domain.plan import Plan
from worker.domain.planner import NotYetProvided, PlanContext
from worker.domain.record import Disposition, Owner, PastDisposition, Phase, Record, Run
from worker.domain.succession import (
    abandon,
    accept,
    advance,
    cause_of,
    confirm,
    next_attempt,
    order_after,
    retire_run,
    without_stale_runs,
)
from worker.domain.wish import Wish, wish_of

__all__ = [
    "Decision",
    "Launch",
    "Postpone",
    "Repeat",
    "Resume",
    "Settle",
    "Supersede",
    "abandon",
    "cause_of",
    "confirm",
    "decide",
    "empty",
    "give_up",
    "without_stale_runs",
]

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
    """Write ``record``, tell the disposition, stop the runs that nobody wants any more.

    Attributes:
        relies_on: The run that does what the event wants, as far as the record knows; ``""`` if none has to.
    """

    record: Record
    disposition: Disposition
    plan: Plan
    problems: tuple[Problem, ...] = ()
    stop: tuple[str, ...] = ()
    relies_on: str = ""


@dataclass(frozen=True, slots=True)
class Supersede:
    """A newer event was there first: tell it, and stop the run that this delivery may have left behind."""

    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeat:
    """This delivery was disposed of before: tell the same again, and stop what was to be stopped then."""

    past: PastDisposition
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Postpone:
    """Not yet: something outside of the application has to happen first."""

    reason: str
    message: str


Decision = Launch | Resume | Settle | Supersede | Repeat | Postpone


def decide(
    record: Record, event: Event, neighbours: Mapping[str, Record], instance: str, *, hopeless: str = ""
) -> Decision:
    """Decide what happens to one delivery.

    Args:
        record: What is recorded of the event's application; an empty record if nothing is.
        event: The event, decoded.
        neighbours: Records of the other applications of the namespace; needed if ``needs_neighbours`` says so.
        instance: Id of this installation of the worker.
        hopeless: Name of a run that the record takes for unfinished and that will not succeed any more.
    """
    known = _known_delivery(record, event)
    if known is not None:
        return known
    if _stale(record, event):
        return Supersede(_own_runs(record, event))
    refusal = _foreign_owner(record, event)
    if refusal is not None:
        return _reject(record, event, [refusal], Plan(event.app))
    wish = wish_of(record, event, neighbours)
    if wish.notes.problems:
        notes = Plan(event.app, skipped=tuple(wish.notes.skipped), warnings=tuple(wish.notes.warnings))
        return _reject(advance(record, event), event, wish.notes.problems, notes)
    return _compare(wish, event, neighbours, instance, hopeless)


def give_up(record: Record, event: Event, problem: Problem) -> Settle | Repeat | Supersede:
    """Decide how a delivery ends that cannot be carried out, however often it is tried.

    The record has the last word here too: what was accepted stays accepted, and what a newer event has overtaken is
    superseded, because another delivery of the same message may have been told so already.
    """
    known = _known_delivery(record, event)
    if isinstance(known, Repeat):
        return known
    if isinstance(known, Resume):
        if known.run.phase is Phase.CONFIRMED:
            return Repeat(PastDisposition(event.delivery.key, Disposition.ACCEPTED, known.run.name))
    elif _stale(record, event):
        return Supersede(_own_runs(record, event))
    elif _foreign_owner(record, event) is None:
        record = advance(record, event)
    plan = Plan(event.app, problems=(problem,))
    return Settle(abandon(record, event.delivery.key, problem), Disposition.REJECTED, plan, (problem,))


def empty(app: AppKey) -> Record:
    """Return the record of an application that nothing is known of."""
    return Record(app)


def _known_delivery(record: Record, event: Event) -> Decision | None:
    key = event.delivery.key
    run = record.run if record.run is not None and record.run.cause.delivery == key else None
    if run is not None and run.phase in {Phase.INTENDED, Phase.CONFIRMED}:
        return Resume(run)
    past = record.past(key)
    if past is not None:
        stops = past.disposition is Disposition.UNCHANGED
        return Repeat(past, tuple(stale.name for stale in record.stale_runs) if stops else ())
    if run is not None and run.phase is not Phase.SUPERSEDED:
        return Repeat(PastDisposition(key, Disposition.ACCEPTED, run.name))
    return None  # an intent that was overtaken before it was confirmed: it is stale like any other late event


def _own_runs(record: Record, event: Event) -> tuple[str, ...]:
    """Name the runs that this delivery may have left behind."""
    return tuple(run.name for run in record.stale_runs if run.delivery == event.delivery.key)


def _stale(record: Record, event: Event) -> bool:
    if event.order.uid and any(stone.uid == event.order.uid for stone in record.tombstones):
        return True
    return record.order is not None and not event.order.newer_than(record.order)


def _foreign_owner(record: Record, event: Event) -> Problem | None:
    """An Application and requests cannot both manage a name; write-back's Application takes a request's name over."""
    owner = record.owner
    if owner is None or owner.kind is event.owner or event.kind is EventKind.RETRY:
        return None
    if event.owner is OwnerKind.APPLICATION:
        if event.settings.source.lower() in _SOURCES_OF_WRITE_BACK:
            return _incomplete_takeover(record, event)
        fix = (
            "remove the request first, or annotate the Application with webservice.oam.dev/source: api-driven to take "
            "it over"
        )
    elif event.kind is EventKind.REMOVAL:
        fix = "delete the Application itself"
    else:
        fix = "change the Application instead, or choose another name"
    return Problem("managed-by-other", f"{event.app} is already managed by {_describe(owner)}", "$.data", fix=fix)


def _incomplete_takeover(record: Record, event: Event) -> Problem | None:
    """What is written back was requested before: an Application that lacks a part of it must not take it away."""
    if event.kind is not EventKind.CHANGED:
        return None
    present = {component.name for component in event.components}
    lacking = [c.identity.name for c in record.components if c.wanted and c.identity.name not in present]
    if not lacking:
        return None
    return Problem(
        "incomplete-takeover",
        f"the Application would take {event.app} over from a provisioning request, but lacks {', '.join(lacking)}",
        event.path,
        lacking[0],
        "add what it lacks, or remove that by a removal request first",
    )


def _describe(owner: Owner) -> str:
    if owner.kind is OwnerKind.APPLICATION:
        return f"an Application (uid {owner.uid or 'unknown'})"
    return f"a provisioning request (source {owner.source})"


def _compare(wish: Wish, event: Event, neighbours: Mapping[str, Record], instance: str, hopeless: str) -> Decision:
    record = wish.record
    order = order_after(record, event)
    attempt = next_attempt(record, order)
    name = workflow_name(instance, event.app, order, attempt)
    context = PlanContext(instance, event.app, name, wish.settings, wish.reconcile, wish.only, wish.notes.digests)
    try:
        plan = ORCHESTRATOR.plan(record, wish.specs, neighbours, context)
    except NotYetProvided as missing:
        return Postpone("waiting-for-provider", str(missing))
    if wish.notes.skipped or wish.notes.warnings:
        plan = replace(plan, skipped=tuple(wish.notes.skipped), warnings=tuple(wish.notes.warnings))
    if not plan.tasks:
        return _nothing_to_run(wish, event, plan)
    if not wish.reconcile and _in_progress(record, plan, hopeless):
        return _let_it_go_on(wish, event, plan)
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
    intent = retire_run(accept(record, event, wish.settings))
    return Launch(replace(intent, run=run, components=plan.components), run, plan)


def _nothing_to_run(wish: Wish, event: Event, plan: Plan) -> Settle:
    """Everything is as wanted; a run that is still doing something else is not wanted any more."""
    run = wish.record.run
    stop = (run.name,) if run is not None and wish.record.unfinished else ()
    settled = accept(retire_run(wish.record) if stop else wish.record, event, wish.settings)
    settled = replace(settled, components=plan.components)
    past = PastDisposition(event.delivery.key, Disposition.UNCHANGED)
    return Settle(settled.remembering(past), Disposition.UNCHANGED, plan, stop=stop)


def _let_it_go_on(wish: Wish, event: Event, plan: Plan) -> Settle:
    record = accept(wish.record, event, wish.settings)
    run = record.run
    if run is not None:
        record = replace(record, run=replace(run, deletes=run.deletes or wish.deletes))
        plan = replace(plan, tasks=(), warnings=(*plan.warnings, f"{run.name} is carrying this out already"))
    past = PastDisposition(event.delivery.key, Disposition.UNCHANGED)
    name = run.name if run is not None else ""
    return Settle(record.remembering(past), Disposition.UNCHANGED, plan, relies_on=name)


def _in_progress(record: Record, plan: Plan, hopeless: str) -> bool:
    """Tell whether the current run leads to exactly what ``plan`` wants, so that starting it over would only lose time.

    Senders repeat themselves (a watcher that relists, a controller that writes status), and each repetition has a newer
    resourceVersion: starting over each time, provisioning would never end.
    """
    run = record.run
    if run is None or run.name == hopeless or run.phase not in {Phase.CONFIRMED, Phase.RUNNING}:
        return False
    if {(t.identity, t.entry, t.digest) for t in run.tasks} != {(t.identity, t.entry, t.digest) for t in plan.tasks}:
        return False
    touched = {t.identity for t in run.tasks}
    before = {c.identity: (c.wanted, c.state, c.run) for c in record.components}
    return all(
        before.get(c.identity) == (c.wanted, c.state, run.name if c.identity in touched else c.run)
        for c in plan.components
    )


def _reject(record: Record, event: Event, problems: Sequence[Problem], plan: Plan) -> Settle:
    past = PastDisposition(event.delivery.key, Disposition.REJECTED, problems=tuple(problems))
    plan = replace(plan, problems=tuple(problems))
    return Settle(record.remembering(past), Disposition.REJECTED, plan, tuple(problems))
