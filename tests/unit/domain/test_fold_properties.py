"""Folding holds its promises for any record and Workflow: nothing is applied or forgotten without a succeeded node."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.domain.folding import CAUSE, NOW, OLD, ORDER, RUN, record, run, spec, stale, task, workflow
from worker.domain.fold import Start, Stop, fold
from worker.domain.model import Action, Identity, OutputOf
from worker.domain.observed import ObservedNode, ObservedRun
from worker.domain.record import ComponentRecord, Phase, Record, State
from worker.domain.run_result import Vanished
from worker.domain.status import StatusKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from worker.domain.model import Task

_IDENTITIES = [
    Identity("db", "postgresql"),
    Identity("db", "mongodb"),
    Identity("cache", "redis"),
    Identity("api", "webservice"),
    Identity("web", "webservice", "edge"),
    Identity("cluster", "vcluster"),
]
_NODE_PHASES = ["Pending", "Running", "Succeeded", "Failed", "Error", "Skipped", "Omitted"]
_ENDS = {StatusKind.SUCCEEDED, StatusKind.FAILED, StatusKind.SUPERSEDED}

outputs = st.dictionaries(st.sampled_from(["connection_secret", "endpoint"]), st.sampled_from(["a", "b"]))
nodes = st.builds(ObservedNode, st.sampled_from(_NODE_PHASES), st.sampled_from(["", "why"]), outputs)


@st.composite
def tasks(draw: st.DrawFn) -> tuple[Task, ...]:
    chosen = draw(st.lists(st.sampled_from(_IDENTITIES), unique=True))
    made = []
    for number, identity in enumerate(chosen):
        action = draw(st.sampled_from([Action.CREATE, Action.CHANGE, Action.REMOVE]))
        gives = {"database_secret": OutputOf("c-0", "connection_secret")} if number and draw(st.booleans()) else {}
        made.append(task(identity, action, name=f"c-{number}", outputs_of=gives))
    return tuple(made)


@st.composite
def components(draw: st.DrawFn) -> tuple[ComponentRecord, ...]:
    chosen = draw(st.lists(st.sampled_from(_IDENTITIES), unique=True))
    return tuple(
        ComponentRecord(
            spec(identity, **({"database": "db"} if identity.type == "webservice" else {})),
            wanted=draw(st.booleans()),
            state=draw(st.sampled_from(State)),
            digest="before",
            outputs=draw(outputs),
            resolved=draw(st.dictionaries(st.just("database_secret"), st.sampled_from(["a", "b"]))),
            run=draw(st.sampled_from([RUN, OLD, "later"])),
        )
        for identity in chosen
    )


@st.composite
def situations(draw: st.DrawFn) -> tuple[Record, ObservedRun | Vanished]:
    work = draw(tasks())
    current = run(*work, phase=draw(st.sampled_from(Phase)), deletes=draw(st.booleans()))
    known = [stale(), stale(name="x", cause=None)]
    if current.phase.finished:  # an event that left nothing to do retires the current run
        known.append(stale(name=RUN, cause=CAUSE))
    remembered = draw(st.lists(st.sampled_from(known)))
    before = record(
        draw(st.sampled_from([current, current, current, None])),
        *draw(components()),
        stale_runs=tuple(dict.fromkeys(remembered)),
        order=draw(st.sampled_from([ORDER, ORDER, None])),
    )
    name = draw(st.sampled_from([RUN, RUN, RUN, OLD, "x", "unknown"]))
    if draw(st.integers(0, 4)) == 0:
        return before, Vanished(name)
    seen = draw(st.dictionaries(st.sampled_from([*(t.name for t in work), "c-other"]), nodes))
    phase = draw(st.sampled_from(["", "Pending", "Running", "Succeeded", "Failed", "Error"]))
    return before, workflow(
        phase,
        seen,
        name=name,
        suspended=draw(st.booleans()),
        shutdown=draw(st.sampled_from(["", "Stop", "Terminate"])),
        superseded_by=draw(st.sampled_from(["", "later"])),
        created_at=NOW - draw(st.integers(0, 120)),
    )


def always(test: Callable[[tuple[Record, ObservedRun | Vanished]], None]) -> Callable[[], None]:
    """Check ``test`` for many situations; how long one takes says nothing on a busy machine."""
    checked: Callable[[], None] = settings(deadline=None)(given(situations())(test))
    return checked


def parts(of: Record) -> dict[Identity, ComponentRecord]:
    return {c.identity: c for c in of.components}


def carried_out(before: Record, seen: ObservedRun | Vanished, component: ComponentRecord, removal: bool) -> bool:
    """Whether the recorded run, which is the component's, has a succeeded node for it."""
    current = before.run
    if isinstance(seen, Vanished) or current is None or not (seen.name == current.name == component.run):
        return False
    return seen.finished and any(
        t.identity == component.identity
        and (t.action is Action.REMOVE) is removal
        and t.name in seen.nodes
        and seen.nodes[t.name].phase == "Succeeded"
        for t in current.tasks
    )


@always
def test_folding_again_changes_and_tells_nothing_more(situation: tuple[Record, ObservedRun | Vanished]) -> None:
    before, seen = situation
    once = fold(before, seen, NOW)
    again = fold(once.record, seen, NOW)
    assert again.record == once.record
    assert again.statuses == ()


@always
def test_a_repetition_after_a_crash_tells_the_same_ids(situation: tuple[Record, ObservedRun | Vanished]) -> None:
    before, seen = situation
    first, second = fold(before, seen, NOW), fold(before, seen, NOW + 3600)
    if first.record != before:  # the statuses were told, the write was lost
        assert [s.id for s in first.statuses] == [s.id for s in second.statuses]
    assert len({s.id for s in first.statuses}) == len(first.statuses)


@always
def test_nothing_becomes_applied_without_a_succeeded_node(situation: tuple[Record, ObservedRun | Vanished]) -> None:
    before, seen = situation
    earlier = parts(before)
    for identity, component in parts(fold(before, seen, NOW).record).items():
        if component.state is State.APPLIED and component != earlier[identity]:
            assert carried_out(before, seen, earlier[identity], removal=False)


@always
def test_nothing_is_forgotten_without_a_succeeded_teardown(situation: tuple[Record, ObservedRun | Vanished]) -> None:
    before, seen = situation
    after = parts(fold(before, seen, NOW).record)
    assert after.keys() <= parts(before).keys()
    for identity, component in parts(before).items():
        if identity not in after:
            assert carried_out(before, seen, component, removal=True)


@always
def test_components_of_other_runs_are_at_most_marked_dirty(situation: tuple[Record, ObservedRun | Vanished]) -> None:
    before, seen = situation
    after = parts(fold(before, seen, NOW).record)
    for identity, component in parts(before).items():
        if component.run != seen.name:
            assert after[identity] in (component, replace(component, state=State.DIRTY))


@always
def test_success_is_told_only_if_every_task_has_a_succeeded_node(
    situation: tuple[Record, ObservedRun | Vanished],
) -> None:
    before, seen = situation
    for status in fold(before, seen, NOW).statuses:
        if status.kind in {StatusKind.SUCCEEDED, StatusKind.DELETED}:
            assert isinstance(seen, ObservedRun)
            assert seen.phase == "Succeeded"
            assert any(node.phase == "Succeeded" for node in seen.nodes.values())
            if before.run is not None and before.run.name == seen.name and not before.run.phase.finished:
                assert all(seen.nodes[t.name].phase == "Succeeded" for t in before.run.tasks)


@always
def test_an_end_is_told_once_and_only_of_what_is_over(situation: tuple[Record, ObservedRun | Vanished]) -> None:
    before, seen = situation
    folded = fold(before, seen, NOW)
    ends = [status for status in folded.statuses if status.kind in _ENDS]
    assert len(ends) <= 1
    if ends:
        assert isinstance(seen, Vanished) or seen.finished
        assert ends[0].run is not None
        assert ends[0].run.name == seen.name


@always
def test_an_unfinished_stray_of_a_recorded_application_is_stopped_or_stopping(
    situation: tuple[Record, ObservedRun | Vanished],
) -> None:
    before, seen = situation
    folded = fold(before, seen, NOW)
    current = before.run is not None and before.run.name == seen.name and not before.run.phase.finished
    if isinstance(seen, Vanished) or seen.finished or current or before.order is None:
        return
    stopping = bool(seen.shutdown) and not seen.suspended
    assert [type(action) for action in folded.actions] == ([] if stopping else [Stop])
    assert folded.record == before


@always
def test_only_the_confirmed_current_run_is_started_after_all_others_are_stopped(
    situation: tuple[Record, ObservedRun | Vanished],
) -> None:
    before, seen = situation
    folded = fold(before, seen, NOW)
    for action in folded.actions:
        if isinstance(action, Start):
            assert folded.record.run is not None
            assert action.run == folded.record.run.name
            assert folded.record.run.phase in {Phase.CONFIRMED, Phase.RUNNING}
            assert _stopped(folded.actions) >= {s.name for s in folded.record.stale_runs}
            assert folded.actions[-1] is action


def _stopped(actions: Sequence[object]) -> set[str]:
    return {action.run for action in actions if isinstance(action, Stop)}


@always
def test_a_finished_run_keeps_no_tasks(situation: tuple[Record, ObservedRun | Vanished]) -> None:
    before, seen = situation
    folded = fold(before, seen, NOW)
    if folded.ended is not None:
        assert folded.record.run is not None
        assert folded.record.run.phase.finished
        assert folded.record.run.tasks == ()
