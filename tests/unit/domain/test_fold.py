"""Folding, rule by rule: what a Workflow that ended, vanished, hangs or strays means for the record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.domain.folding import (
    API,
    APP,
    CAUSE,
    DB,
    NOW,
    OLD,
    OLD_CAUSE,
    ORDER,
    RUN,
    api_task,
    component,
    node,
    record,
    run,
    stale,
    task,
    workflow,
)
from worker.domain.fold import SUSPENDED_GRACE, Folded, Start, Stop, Tell, fold
from worker.domain.model import Action, Identity, Reference, ReferenceKind
from worker.domain.record import ComponentRecord, Disposition, Phase, Record, State
from worker.domain.run_result import Vanished
from worker.domain.status import StatusKind

if TYPE_CHECKING:
    from worker.domain.observed import ObservedNode, ObservedRun

SECRET = {"connection_secret": "orders-db-1-connection", "endpoint": "db.shop:5432"}


def two(phase: Phase = Phase.RUNNING) -> Record:
    """A run that makes a database and a service which is given the database's secret."""
    return record(run(task(DB), api_task(), phase=phase), component(DB), component(API))


def both(**changes: ObservedNode) -> dict[str, ObservedNode]:
    nodes = {"c-db": node(**SECRET), "c-api": node(repository="git/api")}
    return {**nodes, **{f"c-{name}": changed for name, changed in changes.items()}}


def states(folded: Folded) -> dict[str, State]:
    return {c.identity.name: c.state for c in folded.record.components}


def kinds(folded: Folded) -> list[str]:
    return [status.kind.value for status in folded.statuses]


def part(folded: Folded, name: str) -> ComponentRecord:
    found = folded.record.component(name)
    assert found is not None
    return found


class TestEnd:
    def test_success_applies_each_component_with_digest_outputs_and_what_it_was_given(self) -> None:
        folded = fold(two(), workflow("Succeeded", both()), NOW)

        assert states(folded) == {"db": State.APPLIED, "api": State.APPLIED}
        assert part(folded, "db").digest == "digest-of-db"
        assert part(folded, "db").outputs == SECRET
        assert part(folded, "db").resolved == {}
        assert part(folded, "api").resolved == {"database_secret": "orders-db-1-connection"}
        assert kinds(folded) == ["succeeded"]
        assert folded.statuses[0].problems == ()
        assert [(c.name, c.state) for c in folded.statuses[0].components] == [("db", "applied"), ("api", "applied")]
        assert folded.actions == ()

    def test_a_finished_run_keeps_its_name_and_cause_but_not_its_tasks(self) -> None:
        ended = fold(two(), workflow("Succeeded", both()), NOW).record.run
        assert ended == replace(run(phase=Phase.SUCCEEDED), tasks=())

    def test_a_recorded_output_that_was_given_as_a_literal_counts_as_given(self) -> None:
        change = task(API, Action.CHANGE, parameters={"database_secret": "s-1", "service_name": "api"})
        before = record(
            run(change), component(DB, State.APPLIED, run=OLD, outputs={"connection_secret": "s-1"}), component(API)
        )
        folded = fold(before, workflow("Succeeded", {"c-api": node()}), NOW)
        assert part(folded, "api").resolved == {"database_secret": "s-1"}

    def test_an_output_of_another_application_that_was_given_as_a_literal_counts_as_given(self) -> None:
        foreign = component(API)
        reference = Reference(ReferenceKind.FOREIGN, "db", "billing")
        foreign = replace(foreign, spec=replace(foreign.spec, references={"database": reference}))
        before = record(run(task(API, parameters={"database_secret": "s-9"})), foreign)
        folded = fold(before, workflow("Succeeded", {"c-api": node()}), NOW)
        assert part(folded, "api").resolved == {"database_secret": "s-9"}
        assert part(folded, "api").state is State.APPLIED

    def test_a_failed_run_applies_what_succeeded_and_names_the_first_culprit(self) -> None:
        failed = workflow("Failed", both(api=node("Failed", "image\n not found")), message="child failed")
        folded = fold(two(), failed, NOW)

        assert states(folded) == {"db": State.APPLIED, "api": State.DIRTY}
        assert kinds(folded) == ["failed"]
        (problem,) = folded.statuses[0].problems
        assert (problem.component, problem.message) == ("api", "image not found")
        assert problem.path == "$.status.nodes[?(@.displayName=='c-api')]"
        assert folded.record.run is not None
        assert folded.record.run.phase is Phase.FAILED
        assert folded.record.run.message == "image not found"
        assert folded.ended is not None
        assert folded.ended.component == "api"

    def test_the_first_failed_node_in_execution_order_is_named_whatever_the_order_of_nodes(self) -> None:
        nodes = {"c-api": node("Failed", "second"), "c-db": node("Error", "first")}
        assert fold(two(), workflow("Failed", nodes), NOW).statuses[0].problems[0].component == "db"

    @pytest.mark.parametrize("phase", ["Failed", "Error", "Omitted", "Skipped", "Pending", "Running", "Daemoned", ""])
    def test_a_node_that_did_not_succeed_leaves_its_component_dirty(self, phase: str) -> None:
        folded = fold(two(), workflow("Failed", both(api=node(phase))), NOW)
        assert states(folded) == {"db": State.APPLIED, "api": State.DIRTY}

    def test_a_long_message_is_cut(self) -> None:
        folded = fold(two(), workflow("Failed", both(db=node("Failed", "x" * 5000))), NOW)
        assert len(folded.statuses[0].problems[0].message) == 256
        assert len(folded.statuses[0].components[0].message) == 256

    def test_a_workflow_that_succeeded_without_nodes_applied_nothing(self) -> None:
        """Argo ends a waiting Workflow that is terminated as Succeeded."""
        folded = fold(two(Phase.CONFIRMED), workflow("Succeeded"), NOW)
        assert set(states(folded).values()) == {State.DIRTY}
        assert kinds(folded) == ["failed"]
        assert "db, api" in folded.statuses[0].problems[0].message

    def test_a_workflow_that_succeeded_but_lacks_one_node_failed(self) -> None:
        folded = fold(two(), workflow("Succeeded", {"c-db": node(**SECRET)}), NOW)
        assert states(folded) == {"db": State.APPLIED, "api": State.DIRTY}
        assert kinds(folded) == ["failed"]

    def test_a_failed_workflow_whose_nodes_all_succeeded_failed_with_its_own_message(self) -> None:
        folded = fold(two(), workflow("Error", both(), message="exit handler"), NOW)
        assert states(folded) == {"db": State.APPLIED, "api": State.APPLIED}
        assert folded.statuses[0].problems[0].message == "exit handler"

    def test_a_run_that_we_stopped_is_superseded_and_its_components_stay_as_far_as_they_got(self) -> None:
        stopped = workflow("Failed", both(api=node("Failed", "Stopped")), shutdown="Stop", superseded_by="orders-4-1-c")
        folded = fold(two(), stopped, NOW)
        assert kinds(folded) == ["superseded"]
        assert folded.statuses[0].problems == ()
        assert folded.statuses[0].warnings == ("stopped in favour of orders-4-1-c",)
        assert states(folded) == {"db": State.APPLIED, "api": State.DIRTY}

    def test_a_run_that_somebody_else_stopped_failed(self) -> None:
        stopped = workflow("Failed", both(api=node("Failed", "Stopped with strategy 'Stop'")), shutdown="Stop")
        assert kinds(fold(two(), stopped, NOW)) == ["failed"]

    def test_a_stop_that_came_too_late_is_a_success(self) -> None:
        late = workflow("Succeeded", both(), shutdown="Stop", superseded_by="orders-4-1-c")
        assert kinds(fold(two(), late, NOW)) == ["succeeded"]

    def test_an_end_that_was_not_seen_running_is_told_with_its_running(self) -> None:
        folded = fold(two(Phase.CONFIRMED), workflow("Succeeded", both()), NOW)
        assert kinds(folded) == ["running", "succeeded"]
        assert folded.statuses[0].id == fold(two(Phase.CONFIRMED), workflow("Running", both()), NOW).statuses[0].id

    def test_folding_twice_changes_and_tells_nothing(self) -> None:
        ended = workflow("Failed", both(api=node("Failed")))
        once = fold(two(), ended, NOW)
        assert fold(once.record, ended, NOW) == Folded(once.record)

    def test_a_component_of_a_later_run_is_not_touched(self) -> None:
        later = replace(component(DB), run="orders-4-1-c")
        folded = fold(record(run(task(DB)), later), workflow("Succeeded", {"c-db": node(**SECRET)}), NOW)
        assert folded.record.components == (later,)

    def test_the_same_name_under_another_type_is_another_component(self) -> None:
        other = component(Identity("db", "mongodb"))
        folded = fold(record(run(task(DB)), other, component(DB)), workflow("Succeeded", {"c-db": node()}), NOW)
        assert folded.record.components[0] == other
        assert folded.record.components[1].state is State.APPLIED


class TestRemoval:
    def removing(self, deletes: bool = False, *others: ComponentRecord) -> Record:
        gone = component(DB, State.REMOVING, wanted=False)
        return record(run(task(DB, Action.REMOVE), deletes=deletes), gone, *others)

    def test_only_a_succeeded_teardown_forgets_a_component(self) -> None:
        folded = fold(self.removing(), workflow("Succeeded", {"c-db": node()}), NOW)
        assert folded.record.components == ()
        assert folded.statuses[0].components[0].state == "removed"

    @pytest.mark.parametrize("phase", ["Failed", "Error", "Omitted", "Running"])
    def test_a_teardown_that_did_not_succeed_leaves_it_removing(self, phase: str) -> None:
        folded = fold(self.removing(), workflow("Failed", {"c-db": node(phase)}), NOW)
        assert states(folded) == {"db": State.REMOVING}
        assert folded.statuses[0].components[0].state == "removing"

    def test_a_full_teardown_is_told_as_deleted_with_what_was_retained(self) -> None:
        kept = component(Identity("cache", "redis"), State.RETAINED, wanted=False, run=OLD, referrers=("billing/api",))
        folded = fold(self.removing(True, kept), workflow("Succeeded", {"c-db": node()}), NOW)
        assert kinds(folded) == ["succeeded", "deleted"]
        lines = [(c.name, c.action, c.state, c.message) for c in folded.statuses[1].components]
        assert lines == [
            ("db", "remove", "removed", ""),
            ("cache", "retain", "retained", "still used by billing/api"),
        ]
        assert folded.record.components == (kept,)

    def test_a_teardown_that_is_no_deletion_is_not_told_as_deleted(self) -> None:
        assert kinds(fold(self.removing(), workflow("Succeeded", {"c-db": node()}), NOW)) == ["succeeded"]

    def test_a_deletion_is_not_told_while_something_is_left(self) -> None:
        left = component(API, State.DIRTY, wanted=False, run=OLD)
        assert kinds(fold(self.removing(True, left), workflow("Succeeded", {"c-db": node()}), NOW)) == ["succeeded"]

    def test_a_failed_deletion_is_not_told_as_deleted(self) -> None:
        assert kinds(fold(self.removing(True), workflow("Failed", {"c-db": node("Failed")}), NOW)) == ["failed"]


class TestVanished:
    @pytest.mark.parametrize("phase", [Phase.CONFIRMED, Phase.RUNNING])
    def test_a_run_that_was_created_and_is_gone_failed_and_leaves_its_components_dirty(self, phase: Phase) -> None:
        folded = fold(two(phase), Vanished(RUN), NOW)
        assert kinds(folded) == ["failed"]
        assert folded.statuses[0].problems[0].message.startswith("vanished: ")
        assert set(states(folded).values()) == {State.DIRTY}
        assert folded.record.run is not None
        assert (folded.record.run.phase, folded.record.run.tasks) == (Phase.FAILED, ())

    def test_an_intended_run_is_not_vanished_but_perhaps_not_there_yet(self) -> None:
        assert fold(two(Phase.INTENDED), Vanished(RUN), NOW) == Folded(two(Phase.INTENDED))

    @pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, Phase.SUPERSEDED])
    def test_a_finished_run_may_go(self, phase: Phase) -> None:
        assert fold(two(phase), Vanished(RUN), NOW) == Folded(two(phase))

    def test_a_run_that_nobody_knows_may_go(self) -> None:
        assert fold(two(), Vanished("unknown"), NOW) == Folded(two())


class TestRunning:
    def test_running_is_told_once_a_node_exists(self) -> None:
        folded = fold(two(Phase.CONFIRMED), workflow("Running", {"c-db": node("Running")}), NOW)
        assert kinds(folded) == ["running"]
        assert folded.statuses[0].run is not None
        assert folded.statuses[0].run.phase == "running"
        assert [(c.name, c.state) for c in folded.statuses[0].components] == [("db", "dirty"), ("api", "dirty")]
        assert folded.record.run is not None
        assert folded.record.run.phase is Phase.RUNNING
        assert folded.record.run.tasks == (task(DB), api_task())
        assert fold(folded.record, workflow("Running", both()), NOW) == Folded(folded.record)

    @pytest.mark.parametrize("phase", ["", "Pending", "Running"])
    def test_a_workflow_without_nodes_only_waits(self, phase: str) -> None:
        assert fold(two(Phase.CONFIRMED), workflow(phase), NOW) == Folded(two(Phase.CONFIRMED))

    def test_components_are_folded_only_when_the_run_is_over(self) -> None:
        folded = fold(two(), workflow("Running", both(api=node("Running"))), NOW)
        assert set(states(folded).values()) == {State.DIRTY}


class TestSuspended:
    def held(self, age: float, **more: Any) -> ObservedRun:
        return workflow("", suspended=True, created_at=NOW - age, **more)

    @pytest.mark.parametrize("phase", [Phase.INTENDED, Phase.CONFIRMED])
    def test_a_young_one_is_left_to_its_worker(self, phase: Phase) -> None:
        before = two(phase)
        assert fold(before, self.held(SUSPENDED_GRACE - 1), NOW) == Folded(before)

    @pytest.mark.parametrize("phase", [Phase.INTENDED, Phase.CONFIRMED])
    def test_an_old_one_is_confirmed_and_started_after_the_others_are_stopped(self, phase: Phase) -> None:
        before = replace(two(phase), stale_runs=(stale(),))
        folded = fold(before, self.held(SUSPENDED_GRACE), NOW)
        assert folded.record.run is not None
        assert folded.record.run.phase is Phase.CONFIRMED
        assert folded.statuses == ()
        stop, tell, start = folded.actions
        assert (stop, start) == (Stop(OLD, RUN), Start(RUN))
        assert isinstance(tell, Tell)
        assert (tell.status.kind, tell.status.cause) == (StatusKind.ACCEPTED, CAUSE)

    def test_a_confirmation_is_remembered_as_the_disposition_of_its_event(self) -> None:
        past = fold(two(Phase.INTENDED), self.held(99), NOW).record.past(CAUSE.delivery)
        assert past is not None
        assert (past.disposition, past.run) == (Disposition.ACCEPTED, RUN)

    def test_one_that_was_stopped_without_being_released_is_stopped_properly(self) -> None:
        folded = fold(two(Phase.CONFIRMED), self.held(5, shutdown="Stop", superseded_by="x"), NOW)
        assert folded == Folded(two(Phase.CONFIRMED), actions=(Stop(RUN, "x"),))


class TestStray:
    def old(self, phase: str = "Running", **more: Any) -> ObservedRun:
        return workflow(phase, name=OLD, delivery=OLD_CAUSE.delivery, **more)

    def test_an_unfinished_run_that_is_not_the_current_one_is_stopped(self) -> None:
        assert fold(two(), self.old(suspended=True), NOW) == Folded(two(), actions=(Stop(OLD, RUN),))

    def test_also_if_it_is_remembered_as_stale(self) -> None:
        before = replace(two(), stale_runs=(stale(),))
        assert fold(before, self.old(), NOW) == Folded(before, actions=(Stop(OLD, RUN),))

    def test_also_if_nothing_took_its_place(self) -> None:
        """An event that left nothing to do retires the current run without a new one."""
        retired = replace(two(Phase.SUPERSEDED), stale_runs=(stale(name=RUN, cause=CAUSE),))
        folded = fold(retired, workflow("Running", both()), NOW)
        assert folded.actions == (Stop(RUN, f"{ORDER.incarnation}:{ORDER.sequence}"),)

    def test_one_that_is_stopped_already_is_left_to_end(self) -> None:
        assert fold(two(), self.old(shutdown="Stop"), NOW) == Folded(two())

    def test_one_that_was_stopped_without_being_released_is_stopped_again(self) -> None:
        assert fold(two(), self.old(shutdown="Stop", suspended=True), NOW).actions == (Stop(OLD, RUN),)

    def test_nothing_is_stopped_while_nothing_is_recorded(self) -> None:
        """The record may be lost; what runs is needed to rebuild it."""
        empty = Record(APP)
        assert fold(empty, self.old(), NOW) == Folded(empty)

    def test_a_finished_one_that_nobody_knows_means_nothing(self) -> None:
        assert fold(two(), self.old("Failed"), NOW) == Folded(two())


class TestStale:
    def before(self, **more: Any) -> Record:
        return replace(two(), stale_runs=(stale(**more), stale(name="other")))

    def old(self, phase: str = "Failed", **more: Any) -> ObservedRun:
        return workflow(phase, name=OLD, **more)

    def test_its_end_is_told_to_its_own_event_and_it_is_forgotten(self) -> None:
        nodes = {"c-db": node(**SECRET), "c-api": node("Failed", "Stopped")}
        folded = fold(self.before(), self.old(nodes=nodes, shutdown="Stop", superseded_by=RUN), NOW)
        assert [s.name for s in folded.record.stale_runs] == ["other"]
        assert kinds(folded) == ["superseded"]
        assert folded.statuses[0].cause == OLD_CAUSE
        assert folded.record.components == two().components
        assert folded.record.run == two().run
        assert folded.ended is None

    def test_a_stop_without_annotation_supersedes_too(self) -> None:
        assert kinds(fold(self.before(), self.old(shutdown="Stop"), NOW)) == ["superseded"]

    def test_one_that_failed_before_it_was_stopped_failed(self) -> None:
        assert kinds(fold(self.before(), self.old(nodes={"c-db": node("Failed")}), NOW)) == ["failed"]

    def test_one_that_got_to_its_end_in_time_succeeded_but_applies_nothing(self) -> None:
        folded = fold(self.before(), self.old("Succeeded", nodes=both()), NOW)
        assert kinds(folded) == ["succeeded"]
        assert folded.record.components == two().components

    def test_one_that_never_ran_did_not_succeed(self) -> None:
        """Argo ends a waiting Workflow that is terminated as Succeeded."""
        assert kinds(fold(self.before(), self.old("Succeeded", shutdown="Terminate"), NOW)) == ["superseded"]
        assert kinds(fold(self.before(), self.old("Succeeded"), NOW)) == ["failed"]

    def test_one_that_is_gone_was_superseded(self) -> None:
        folded = fold(self.before(), Vanished(OLD), NOW)
        assert kinds(folded) == ["superseded"]
        assert [s.name for s in folded.record.stale_runs] == ["other"]

    def test_one_that_was_never_accepted_is_forgotten_in_silence(self) -> None:
        folded = fold(self.before(cause=None), Vanished(OLD), NOW)
        assert folded.statuses == ()
        assert [s.name for s in folded.record.stale_runs] == ["other"]

    def test_a_retired_current_run_is_told_as_superseded(self) -> None:
        retired = replace(two(Phase.SUPERSEDED), stale_runs=(stale(name=RUN, cause=CAUSE),))
        folded = fold(retired, workflow("Failed", both(), shutdown="Stop"), NOW)
        assert kinds(folded) == ["superseded"]
        assert folded.record.stale_runs == ()


class TestOutdated:
    """A provider whose outputs changed makes those dirty that were given the old ones."""

    def before(self, **given: str) -> Record:
        user = component(API, State.APPLIED, run=OLD, resolved=given)
        return record(run(task(DB, Action.CHANGE)), component(DB, outputs={"connection_secret": "old"}), user)

    def after(self, **outputs: str) -> ObservedRun:
        return workflow("Succeeded", {"c-db": node(**outputs)})

    def test_a_changed_output_makes_its_user_dirty(self) -> None:
        folded = fold(self.before(database_secret="old"), self.after(connection_secret="new"), NOW)
        assert states(folded) == {"db": State.APPLIED, "api": State.DIRTY}

    def test_an_output_that_went_away_makes_its_user_dirty(self) -> None:
        folded = fold(self.before(database_secret="old"), self.after(), NOW)
        assert states(folded)["api"] is State.DIRTY

    def test_the_same_output_changes_nothing(self) -> None:
        folded = fold(self.before(database_secret="old"), self.after(connection_secret="old", endpoint="x"), NOW)
        assert states(folded)["api"] is State.APPLIED

    def test_a_user_that_was_given_nothing_is_left_alone(self) -> None:
        assert states(fold(self.before(), self.after(connection_secret="new"), NOW))["api"] is State.APPLIED

    def test_a_provider_that_failed_decides_nothing(self) -> None:
        failed = workflow("Failed", {"c-db": node("Failed", connection_secret="new")})
        assert states(fold(self.before(database_secret="old"), failed, NOW))["api"] is State.APPLIED

    def test_a_user_of_the_same_run_was_given_the_new_one(self) -> None:
        assert states(fold(two(), workflow("Succeeded", both()), NOW))["api"] is State.APPLIED
