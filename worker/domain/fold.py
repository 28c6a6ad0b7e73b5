"""What an observed Workflow means for the record: the only place where a component becomes ``applied`` or is forgotten.

Pure: the observer loads a record, folds one observation into it, publishes the statuses, writes the record and then
acts. Folding the same observation again changes nothing more, and statuses have deterministic ids, so any of these
steps may be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from worker.domain.classify import TYPES
from worker.domain.decide import confirm
from worker.domain.model import Action, Reference, ReferenceKind, Task
from worker.domain.observed import ObservedRun
from worker.domain.record import ComponentRecord, Phase, Record, Run, StaleRun, State
from worker.domain.references import outputs_for
from worker.domain.run_result import Result, Vanished, component_lines, result_of, succeeded
from worker.domain.status import ComponentStatus, RunStatus, Status, StatusKind

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A current run that is still suspended after so many seconds has lost its event: the observer starts it.
SUSPENDED_GRACE = 60.0

_KINDS = {
    Phase.SUCCEEDED: StatusKind.SUCCEEDED,
    Phase.FAILED: StatusKind.FAILED,
    Phase.SUPERSEDED: StatusKind.SUPERSEDED,
}


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop the Workflow ``run``: it must not go on, because ``superseded_by`` is newer (``""``: nothing is)."""

    run: str
    superseded_by: str


@dataclass(frozen=True, slots=True)
class Start:
    """Start the suspended Workflow ``run``, after all stops before it in the list are done."""

    run: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Publish a disposition that is true only once the record is written; another event may have been faster."""

    status: Status


Effect = Stop | Start | Tell


@dataclass(frozen=True, slots=True)
class Folded:
    """What follows from one observation.

    Attributes:
        record: The record as it must be written; equal to the one given if there is nothing to write.
        statuses: To be published before the record is written.
        actions: To be carried out in this order after the record is written.
        ended: Verdict on the current run, if this observation was its end.
    """

    record: Record
    statuses: tuple[Status, ...] = ()
    actions: tuple[Effect, ...] = ()
    ended: Result | None = None


def fold(record: Record, run: ObservedRun | Vanished, now: float) -> Folded:
    """Fold one observation of a Workflow of ``record``'s application into the record.

    Args:
        record: The record, loaded **after** the observation was made: the intent is written before its Workflow is
            created, so a Workflow that the record does not know is superseded and not too new.
        run: The Workflow, or the fact that it is gone; that must have been seen after the record said that the run was
            created, else it may only not be there yet.
        now: Seconds since the epoch.
    """
    current = record.run
    if current is not None and current.name == run.name and not current.phase.finished:
        return _fold_current(record, current, run, now)
    if isinstance(run, Vanished) or run.finished:
        stale = next((s for s in record.stale_runs if s.name == run.name), None)
        return Folded(record) if stale is None else _fold_stale(record, stale, run)
    if record.order is None:
        return Folded(record)  # nothing is recorded: lost state is rebuilt from such runs, they are not stopped
    if run.shutdown and not run.suspended:
        return Folded(record)  # stopped already, only not over yet
    return Folded(record, actions=(Stop(run.name, _successor(record, run.name)),))


def _successor(record: Record, run: str) -> str:
    """Name what a run must give way to: the current run, or without one the delivery that left nothing to do."""
    if record.run is not None and record.run.name != run:
        return record.run.name
    return f"{record.order.incarnation}:{record.order.sequence}" if record.order else ""


def _fold_current(record: Record, current: Run, run: ObservedRun | Vanished, now: float) -> Folded:
    if isinstance(run, Vanished):
        # An intended run may not exist yet: its event is redelivered and creates it.
        return Folded(record) if current.phase is Phase.INTENDED else _end(record, current, run)
    if run.finished:
        return _end(record, current, run)
    if run.suspended:
        return _fold_suspended(record, current, run, now)
    if run.nodes and current.phase is not Phase.RUNNING:
        current = replace(current, phase=Phase.RUNNING)
        return Folded(replace(record, run=current), (_running(record, current),))
    return Folded(record)


def _fold_suspended(record: Record, current: Run, run: ObservedRun, now: float) -> Folded:
    if run.shutdown:  # a stop that forgot to release it would hang for ever
        return Folded(record, actions=(Stop(run.name, run.superseded_by),))
    if now - run.created_at < SUSPENDED_GRACE:
        return Folded(record)
    record = confirm(record, current) or record
    current = record.run or current
    stops = (Stop(stale.name, current.name) for stale in record.stale_runs)
    # The worker that should have told it may have died, and its event with the stream; a repetition is harmless.
    accepted = _status(record, StatusKind.ACCEPTED, current, component_lines(current.tasks, Vanished(run.name)), None)
    return Folded(record, actions=(*stops, Tell(accepted), Start(run.name)))


def _end(record: Record, current: Run, run: ObservedRun | Vanished) -> Folded:
    """Fold the end of the current run: per component, then the verdict on the whole."""
    result = result_of(current.tasks, run)
    components = _outdated(_fold_components(record.components, current, run))
    ended = replace(current, phase=result.phase, tasks=(), message=result.message)
    after = replace(record, run=ended, components=components)
    lines = component_lines(current.tasks, run)
    statuses = [_status(after, _KINDS[result.phase], ended, lines, result)]
    if isinstance(run, ObservedRun) and run.nodes and current.phase is not Phase.RUNNING:
        statuses.insert(0, _running(record, replace(current, phase=Phase.RUNNING)))
    if result.phase is Phase.SUCCEEDED and current.deletes and _nothing_left(after):
        statuses.append(_status(after, StatusKind.DELETED, ended, (*lines, *_retained(after)), result))
    return Folded(after, tuple(statuses), ended=result)


def _fold_components(
    components: tuple[ComponentRecord, ...], current: Run, run: ObservedRun | Vanished
) -> tuple[ComponentRecord, ...]:
    if isinstance(run, Vanished):
        return components
    done = {task.identity: task for task in current.tasks if succeeded(run.nodes, task)}
    folded = []
    for component in components:
        task = done.get(component.identity)
        if task is None or component.run != current.name:
            folded.append(component)
        elif task.action is not Action.REMOVE:
            folded.append(
                replace(
                    component,
                    state=State.APPLIED,
                    digest=task.digest,
                    outputs=dict(run.nodes[task.name].outputs),
                    resolved=_resolved(task, component, run),
                )
            )
    return tuple(folded)


def _given(component: ComponentRecord) -> Iterator[tuple[Reference, str, str]]:
    """Yield (reference, parameter, output) for each value that ``component`` is given by another component."""
    for name, provides in TYPES[component.identity.type].references:
        reference = component.spec.references.get(name)
        if reference is not None and reference.kind in {ReferenceKind.SIBLING, ReferenceKind.FOREIGN}:
            for parameter, output in outputs_for(name, provides).items():
                yield reference, parameter, output


def _resolved(task: Task, component: ComponentRecord, run: ObservedRun) -> dict[str, str]:
    """Return the parameter values of ``task`` that were outputs: of this run's nodes, or recorded ones as literals."""
    values = {name: task.parameters[name] for _, name, _ in _given(component) if name in task.parameters}
    for name, source in task.outputs_of.items():
        node = run.nodes.get(source.task)
        if node is not None and source.output in node.outputs:
            values[name] = node.outputs[source.output]
    return values


def _outdated(components: tuple[ComponentRecord, ...]) -> tuple[ComponentRecord, ...]:
    """Mark applied components dirty whose provider yields other outputs now than they were given."""
    applied = {c.identity.name: c for c in components if c.wanted and c.state is State.APPLIED}

    def outdated(component: ComponentRecord) -> bool:
        for reference, parameter, output in _given(component):
            provider = applied.get(reference.name) if reference.kind is ReferenceKind.SIBLING else None
            given = component.resolved.get(parameter)
            if provider is not None and given is not None and provider.outputs.get(output) != given:
                return True
        return False

    return tuple(replace(c, state=State.DIRTY) if c.state is State.APPLIED and outdated(c) else c for c in components)


def _fold_stale(record: Record, stale: StaleRun, run: ObservedRun | Vanished) -> Folded:
    """Forget a replaced run that is over: what it left is dirty in newer hands, so only its end is still to be told."""
    result = result_of((), run, replaced=True)
    after = replace(record, stale_runs=tuple(s for s in record.stale_runs if s.name != stale.name))
    if stale.cause is None:
        return Folded(after)
    status = Status(
        _KINDS[result.phase],
        record.app,
        stale.cause,
        stale.order,
        "accepted",
        RunStatus(stale.name, stale.attempt, result.phase.value),
        problems=result.problems,
        warnings=(result.message,) if result.phase is Phase.SUPERSEDED and result.message else (),
    )
    return Folded(after, (status,))


def _nothing_left(record: Record) -> bool:
    return not record.alive and all(c.state is State.RETAINED for c in record.components)


def _retained(record: Record) -> tuple[ComponentStatus, ...]:
    return tuple(
        ComponentStatus(
            c.identity.name,
            c.identity.type,
            int(TYPES[c.identity.type].pattern),
            Action.RETAIN.value,
            c.state.value,
            f"still used by {', '.join(c.referrers)}" if c.referrers else "",
            dict(c.outputs),
        )
        for c in record.components
    )


def _running(record: Record, run: Run) -> Status:
    return _status(record, StatusKind.RUNNING, run, component_lines(run.tasks, Vanished(run.name)), None)


def _status(
    record: Record, kind: StatusKind, run: Run, lines: tuple[ComponentStatus, ...], result: Result | None
) -> Status:
    return Status(
        kind,
        record.app,
        run.cause,
        run.order,
        "accepted",
        RunStatus(run.name, run.attempt, run.phase.value),
        lines,
        problems=result.problems if result else (),
        warnings=(result.message,) if result and result.phase is Phase.SUPERSEDED else (),
        traceparent=run.traceparent,
        tracestate=run.tracestate,
    )
