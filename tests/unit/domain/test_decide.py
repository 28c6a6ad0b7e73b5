"""What one delivery means: every branch of ``decide``, and what the corridor asks the record afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from worker.domain.decide import (
    Launch,
    Repeat,
    Resume,
    Settle,
    Supersede,
    abandon,
    cause_of,
    confirm,
    decide,
    empty,
    give_up,
    without_stale_runs,
)
from worker.domain.events import AppKey, Event, EventKind, Order, Settings
from worker.domain.fold import fold
from worker.domain.links import linked, links_of
from worker.domain.model import Problem
from worker.domain.plan import Link
from worker.domain.record import (
    REMEMBERED_DISPOSITIONS,
    TOMBSTONE_SECONDS,
    Disposition,
    PastDisposition,
    Phase,
    Record,
    State,
)

from .build import (
    APP,
    INSTANCE,
    actions,
    applied,
    component,
    event,
    finished,
    judge,
    launch,
    observed,
    settle,
    started,
    states,
)

DB = component("db", "postgresql")
BIG_DB = component("db", "postgresql", size="large")
API = component("api", "webservice", database="db", language="go")
WEB = component("web", "webservice", language="go")
PURGE = Settings(delete=("*",))
EMPTY_OK = Settings(allow_empty=True)
TROUBLE = Problem("workflow-too-large", "too large", "$")


def codes(decision: Settle) -> list[str]:
    assert decision.disposition is Disposition.REJECTED
    assert decision.problems == decision.plan.problems
    return [problem.code for problem in decision.problems]


class TestOrder:
    @pytest.mark.parametrize(
        ("older", "newer"),
        [
            (Order("a", 9, "u", generation=1), Order("a", 1, "u", generation=2)),
            (
                Order("a", 9, "u", generation=2, resource_version=5),
                Order("a", 1, "u", generation=2, resource_version=6),
            ),
            (Order("a", 1, "u", generation=2), Order("a", 9, "u", generation=2)),
            (Order("a", 9, "u", generation=9), Order("a", 1, "u", generation=1, deleted=True)),
            (Order("a", 9, "u", "2026-01-01", 9), Order("a", 1, "v", "2026-01-02", 1)),
            (Order("a", 9, "u", "2026-01-01", 9, 10), Order("a", 1, "v", "2026-01-01", 1, 11)),
            (Order("a", 9, "u", resource_version=9), Order("a", 1, "v", resource_version=10)),
            (Order("a", 1, "u"), Order("a", 9, "v")),
            (Order("a", 1), Order("a", 2)),
            (Order("a", 99), Order("b", 1)),
            (Order("a", 1, "u", "2026-01-01", 5, 5), Order("a", 2)),
            (Order("a", 9, "u", "2026-01-01", 9, 9, deleted=True), Order("a", 1, "v", "2026-01-02", 1)),
        ],
    )
    def test_newer(self, older: Order, newer: Order) -> None:
        assert newer.newer_than(older)
        assert not older.newer_than(newer)
        assert not newer.newer_than(newer)


class TestKnownDeliveries:
    def test_an_intent_resumes_with_the_same_run(self) -> None:
        launched = launch(empty(APP), event(1, DB))
        assert judge(launched.record, event(1, DB)) == Resume(launched.run)

    def test_a_confirmed_run_resumes(self) -> None:
        decision = judge(started(launch(empty(APP), event(1, DB))), event(1, DB))
        assert isinstance(decision, Resume)
        assert decision.run.phase is Phase.CONFIRMED

    @pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.SUCCEEDED, Phase.FAILED])
    def test_a_run_that_has_come_further_is_told_again(self, phase: Phase) -> None:
        record = launch(empty(APP), event(1, DB)).record
        assert record.run is not None
        decision = judge(replace(record, run=replace(record.run, phase=phase)), event(1, DB))
        assert isinstance(decision, Repeat)
        assert (decision.past.disposition, decision.past.run) == (Disposition.ACCEPTED, record.run.name)

    def test_unchanged_is_told_again_and_stops_what_it_had_to_stop(self) -> None:
        settled = settle(started(launch(empty(APP), event(1, DB))), event(2, settings=EMPTY_OK))
        assert settled.stop
        again = judge(settled.record, event(2, settings=EMPTY_OK))
        assert again == Repeat(PastDisposition(event(2).delivery.key, Disposition.UNCHANGED), settled.stop)

    def test_rejected_is_told_again_with_the_same_problems(self) -> None:
        bad = event(1, component("db", "postgresql", size="huge"))
        settled = settle(empty(APP), bad)
        again = judge(settled.record, bad)
        assert isinstance(again, Repeat)
        assert again.past.problems == settled.problems

    def test_an_accepted_event_stays_accepted_after_a_newer_one(self) -> None:
        record = launch(started(launch(empty(APP), event(1, DB))), event(2, BIG_DB)).record
        again = judge(record, event(1, DB))
        assert isinstance(again, Repeat)
        assert again.past.disposition is Disposition.ACCEPTED

    def test_an_intent_that_was_never_confirmed_is_superseded_by_a_newer_one(self) -> None:
        first = launch(empty(APP), event(1, DB))
        newer = launch(first.record, event(2, BIG_DB)).record
        assert judge(newer, event(1, DB)) == Supersede((first.run.name,))
        nothing_to_run = settle(first.record, event(2, settings=EMPTY_OK)).record
        assert judge(nothing_to_run, event(1, DB)) == Supersede((first.run.name,))

    def test_the_last_sixteen_are_remembered(self) -> None:
        record = applied(DB)
        for seq in range(2, 2 + REMEMBERED_DISPOSITIONS):
            record = settle(record, event(seq, DB)).record
        assert len(record.dispositions) == REMEMBERED_DISPOSITIONS
        assert isinstance(judge(record, event(2, DB)), Repeat)


class TestStale:
    def test_an_older_event_is_superseded(self) -> None:
        record = applied(DB, seq=5)
        assert judge(record, event(4, BIG_DB)) == Supersede()
        assert judge(applied(DB, uid="u", generation=5), event(9, BIG_DB, uid="u", generation=4)) == Supersede()

    def test_rejected_and_unchanged_advance_the_order(self) -> None:
        bad = settle(applied(DB), event(3, component("db", "postgresql", size="huge"))).record
        assert judge(bad, event(2, BIG_DB)) == Supersede()
        same = settle(applied(DB), event(3, DB)).record
        assert judge(same, event(2, BIG_DB)) == Supersede()

    def test_a_recreated_stream_is_newer(self) -> None:
        assert isinstance(judge(applied(DB, seq=900), event(1, BIG_DB, incarnation="2027-01-01T00:00:00Z")), Launch)

    def test_a_deleted_uid_stays_deleted(self) -> None:
        gone = launch(applied(WEB, uid="u", generation=1), event(2, kind=EventKind.DELETED, uid="u", generation=1))
        assert judge(gone.record, event(3, WEB, uid="u", generation=7)) == Supersede()

    def test_the_delete_of_a_past_uid_does_nothing(self) -> None:
        old = applied(WEB, uid="old", generation=9, created="2026-01-01T00:00:00Z")
        new = settle(old, event(2, WEB, uid="new", generation=1, created="2026-01-02T00:00:00Z")).record
        assert [stone.uid for stone in new.tombstones] == ["old"]
        assert judge(new, event(3, kind=EventKind.DELETED, uid="old", generation=9)) == Supersede()

    def test_recreation_under_the_same_name(self) -> None:
        gone = finished(launch(applied(WEB, uid="old"), event(2, kind=EventKind.DELETED, uid="old")))
        assert not gone.components
        assert gone.owner is None
        again = launch(gone, event(3, WEB, uid="new", created="2026-02-01T00:00:00Z", generation=1))
        assert actions(again) == {"web": "create"}
        assert again.run.attempt == 1
        assert judge(finished(again), event(4, kind=EventKind.DELETED, uid="old")) == Supersede()

    def test_tombstones_are_dropped_after_their_time(self) -> None:
        record = applied(WEB, uid="a")
        record = settle(record, event(2, WEB, uid="b", created="2026-01-02")).record
        record = settle(record, event(3, WEB, uid="b", generation=2, timestamp=2000.0 + TOMBSTONE_SECONDS)).record
        assert record.tombstones == ()

    def test_a_rejected_recreation_buries_the_old_uid_too(self) -> None:
        bad = component("db", "postgresql", size="huge")
        record = settle(applied(WEB, uid="a"), event(2, bad, uid="b", created="2026-01-02")).record
        assert [stone.uid for stone in record.tombstones] == ["a"]


class TestOwner:
    def test_an_application_does_not_take_a_requests_name(self) -> None:
        record = applied(WEB, kind=EventKind.REQUESTED)
        settled = settle(record, event(2, WEB, uid="u"))
        assert codes(settled) == ["managed-by-other"]
        assert "already managed by a provisioning request" in settled.problems[0].message
        assert (settled.record.order, settled.record.owner) == (record.order, record.owner)

    @pytest.mark.parametrize("source", ["api-driven", "API-Driven"])
    def test_what_write_back_creates_takes_the_record_over_unchanged(self, source: str) -> None:
        settled = settle(applied(WEB, kind=EventKind.REQUESTED), event(2, WEB, uid="u", settings=Settings(source)))
        assert settled.disposition is Disposition.UNCHANGED
        assert settled.record.owner is not None
        assert settled.record.owner.uid == "u"

    def test_what_write_back_creates_must_have_all_that_was_requested(self) -> None:
        """What the claim of one service can write back is that service: the others must not go for that."""
        record = applied(WEB, DB, kind=EventKind.REQUESTED)
        settled = settle(record, event(2, WEB, uid="u", settings=Settings("api-driven")))
        assert codes(settled) == ["incomplete-takeover"]
        assert "lacks db" in settled.problems[0].message
        assert (settled.record.order, settled.record.owner) == (record.order, record.owner)

    def test_write_back_may_add_to_what_was_requested(self) -> None:
        taken = launch(
            applied(WEB, kind=EventKind.REQUESTED), event(2, WEB, DB, uid="u", settings=Settings("api-driven"))
        )
        assert [task.component for task in taken.run.tasks] == ["db"]

    @pytest.mark.parametrize("kind", [EventKind.REQUESTED, EventKind.REMOVAL])
    def test_a_request_does_not_take_an_applications_name(self, kind: EventKind) -> None:
        settled = settle(applied(WEB, uid="u"), event(2, WEB, kind=kind))
        assert codes(settled) == ["managed-by-other"]
        assert "an Application (uid u)" in settled.problems[0].message

    def test_a_retry_may_come_for_anybodys_name(self) -> None:
        assert settle(applied(WEB, uid="u"), event(2, kind=EventKind.RETRY)).disposition is Disposition.UNCHANGED

    def test_a_name_that_was_given_up_is_free(self) -> None:
        gone = finished(launch(applied(WEB, uid="u"), event(2, kind=EventKind.DELETED, uid="u")))
        assert isinstance(judge(gone, event(3, WEB, kind=EventKind.REQUESTED)), Launch)


class TestDesiredState:
    def test_an_update_that_would_remove_everything_must_say_so(self) -> None:
        settled = settle(applied(DB, API), event(2))
        assert codes(settled) == ["would-empty"]
        assert "platform.io/allow-empty" in settled.problems[0].fix
        assert actions(launch(applied(DB, API), event(2, settings=EMPTY_OK))) == {"api": "remove"}
        only_others = settle(applied(DB), event(2, component("x", "helm")))
        assert codes(only_others) == ["would-empty"]

    def test_a_request_that_would_remove_everything_is_pointed_to_removal(self) -> None:
        settled = settle(applied(WEB, kind=EventKind.REQUESTED), event(2, kind=EventKind.REQUESTED))
        assert "removal request" in settled.problems[0].fix

    def test_an_application_without_components_of_ours(self) -> None:
        settled = settle(empty(APP), event(1, component("x", "helm")))
        assert settled.disposition is Disposition.UNCHANGED
        assert [skipped.component for skipped in settled.plan.skipped] == ["x"]

    def test_all_problems_are_told_at_once(self) -> None:
        settled = settle(empty(APP), event(1, component("a", "redis", size=1), component("b", "redis", ["zz"])))
        assert codes(settled) == ["not-allowed", "unknown-dependency"]
        assert settled.record.components == ()


class TestDelete:
    def test_tears_down_and_retains(self) -> None:
        launched = launch(applied(DB, API), event(2, kind=EventKind.DELETED))
        assert launched.run.deletes
        assert actions(launched) == {"api": "remove"}
        assert states(launched.record) == {"db": "retained", "api": "removing"}
        assert launched.record.owner is None

    def test_keeps_the_policy_of_the_application(self) -> None:
        record = applied(DB, API, settings=PURGE)
        assert actions(launch(record, event(2, kind=EventKind.DELETED))) == {"api": "remove", "db": "remove"}

    def test_without_a_record_is_planned_from_its_own_body(self) -> None:
        gone = event(1, DB, API, component("x", "helm"), kind=EventKind.DELETED)
        assert actions(launch(empty(APP), gone)) == {"api": "remove"}
        everything = event(1, DB, API, kind=EventKind.DELETED, settings=PURGE)
        assert actions(launch(empty(APP), everything)) == {"api": "remove", "db": "remove"}

    def test_without_a_record_forgives_what_was_wrong_in_it(self) -> None:
        parts = [
            component("api", "webservice", language=1, targetEnvironment="edge"),
            component("n", "neon-postgres", credentials={"a": "b"}),
        ]
        launched = launch(empty(APP), event(1, *parts, kind=EventKind.DELETED, settings=PURGE))
        assert {(t.component, t.identity.target) for t in launched.plan.tasks} == {("api", "edge"), ("n", "")}

    def test_without_anything(self) -> None:
        assert settle(empty(APP), event(1, kind=EventKind.DELETED)).disposition is Disposition.UNCHANGED


class TestRemoval:
    def test_of_everything(self) -> None:
        record = applied(DB, API, kind=EventKind.REQUESTED)
        launched = launch(record, event(2, kind=EventKind.REMOVAL))
        assert launched.run.deletes
        assert actions(launched) == {"api": "remove"}
        assert launched.record.owner is None

    def test_of_named_components(self) -> None:
        record = applied(DB, API, WEB, kind=EventKind.REQUESTED)
        launched = launch(record, event(2, kind=EventKind.REMOVAL, only=("web",)))
        assert not launched.run.deletes
        assert actions(launched) == {"web": "remove"}
        assert launched.record.owner is not None

    def test_of_an_unknown_name(self) -> None:
        settled = settle(applied(WEB, kind=EventKind.REQUESTED), event(2, kind=EventKind.REMOVAL, only=("wbe",)))
        assert codes(settled) == ["unknown-component"]

    def test_of_what_is_still_used(self) -> None:
        settled = settle(applied(DB, API, kind=EventKind.REQUESTED), event(2, kind=EventKind.REMOVAL, only=("db",)))
        assert codes(settled) == ["still-referenced"]

    def test_with_a_policy_deletes_only_what_it_names_for_good(self) -> None:
        other = component("cache", "redis")
        record = applied(DB, other, WEB, kind=EventKind.REQUESTED)
        purge = event(2, kind=EventKind.REMOVAL, only=("db",), settings=Settings("api-driven", delete=("*",)))
        first = launch(record, purge)
        assert actions(first) == {"db": "remove"}
        second = settle(finished(first), event(3, kind=EventKind.REMOVAL, only=("cache",)))
        assert states(second.record)["cache"] == "retained"


class TestRetry:
    def test_of_nothing_recorded(self) -> None:
        settled = settle(empty(APP), event(1, kind=EventKind.RETRY))
        assert codes(settled) == ["nothing-recorded"]
        assert settled.record.order is None

    def test_plans_from_the_record_with_the_next_attempt(self) -> None:
        failed = finished(launch(empty(APP), event(1, DB, API)), failed=["api"])
        again = launch(failed, event(2, kind=EventKind.RETRY))
        assert actions(again) == {"api": "change"}
        assert (again.run.attempt, again.run.order) == (2, failed.order)
        assert again.run.name != failed.run.name  # type: ignore[union-attr]
        assert states(finished(again)) == {"db": "applied", "api": "applied"}

    def test_goes_on_with_a_failed_teardown(self) -> None:
        failed = finished(launch(applied(WEB), event(2, kind=EventKind.DELETED)), failed=["web"])
        again = launch(failed, event(3, kind=EventKind.RETRY))
        assert actions(again) == {"web": "remove"}
        assert again.run.deletes

    def test_with_nothing_to_do(self) -> None:
        record = applied(DB, uid="u", generation=3)
        settled = settle(record, event(2, kind=EventKind.RETRY))
        assert settled.disposition is Disposition.UNCHANGED
        assert (settled.record.order, settled.record.owner) == (record.order, record.owner)

    def test_of_an_unknown_component(self) -> None:
        settled = settle(applied(DB), event(2, kind=EventKind.RETRY, only=("bd",)))
        assert codes(settled) == ["unknown-component"]

    def test_that_was_published_before_the_newest_event_is_superseded(self) -> None:
        assert judge(applied(DB, seq=5), event(4, kind=EventKind.RETRY)) == Supersede()


class TestRepetition:
    def test_of_what_a_run_is_doing_lets_it_go_on(self) -> None:
        running = started(launch(empty(APP), event(1, DB, API)))
        settled = settle(running, event(2, DB, API))
        assert settled.disposition is Disposition.UNCHANGED
        assert settled.stop == ()
        assert settled.record.run == running.run
        assert "carrying this out already" in settled.plan.warnings[0]
        assert settled.record.order == event(2).order

    @pytest.mark.parametrize("other", [(DB,), (BIG_DB, API), (DB, API, WEB)])
    def test_of_something_else_starts_over(self, other: tuple[object, ...]) -> None:
        running = started(launch(empty(APP), event(1, DB, API)))
        assert isinstance(judge(running, event(2, *other)), Launch)  # type: ignore[arg-type]

    def test_of_an_intent_starts_over(self) -> None:
        assert isinstance(judge(launch(empty(APP), event(1, DB)).record, event(2, DB)), Launch)

    def test_a_delete_of_what_is_being_emptied_waits_for_its_end(self) -> None:
        emptying = started(launch(applied(WEB), event(2, settings=EMPTY_OK)))
        settled = settle(emptying, event(3, kind=EventKind.DELETED))
        assert settled.record.run is not None
        assert settled.record.run.deletes

    @pytest.mark.parametrize("kind", [EventKind.CHANGED, EventKind.RETRY])
    def test_of_what_a_hopeless_run_is_doing_starts_over(self, kind: EventKind) -> None:
        running = started(launch(empty(APP), event(1, DB, API)))
        again = event(2, DB, API, kind=kind)
        settled = settle(running, again)
        assert running.run is not None
        assert settled.relies_on == running.run.name
        decision = decide(running, again, {}, INSTANCE, hopeless=settled.relies_on)
        assert isinstance(decision, Launch)
        assert decision.run.attempt == 2
        assert [stale.name for stale in decision.record.stale_runs] == [running.run.name]

    def test_relies_on_a_run_only_while_it_is_unfinished(self) -> None:
        assert settle(applied(DB), event(2, DB)).relies_on == ""

    def test_reconciliation_starts_over(self) -> None:
        running = started(launch(empty(APP), event(1, DB)))
        assert isinstance(judge(running, event(2, kind=EventKind.RETRY, reconcile=True)), Launch)


class TestSuccession:
    def test_a_newer_event_replaces_the_run_and_remembers_it_as_stale(self) -> None:
        first = launch(empty(APP), event(1, DB))
        second = launch(started(first), event(2, BIG_DB))
        assert [(s.name, s.cause) for s in second.record.stale_runs] == [(first.run.name, cause_of(event(1)))]
        assert second.run.attempt == 2

    def test_attempts_count_until_a_run_succeeds(self) -> None:
        record = empty(APP)
        for seq in (1, 2, 3):
            launched = launch(record, event(seq, DB))
            assert launched.run.attempt == seq
            record = finished(launched, failed=["db"])
        assert launch(finished(launch(record, event(4, DB))), event(5, BIG_DB)).run.attempt == 1

    def test_confirm(self) -> None:
        launched = launch(empty(APP), event(1, DB))
        confirmed = confirm(launched.record, launched.run)
        assert confirmed is not None
        assert confirmed.run is not None
        assert confirmed.run.phase is Phase.CONFIRMED
        assert confirm(confirmed, launched.run) == confirmed
        newer = launch(confirmed, event(2, BIG_DB)).record
        assert confirm(newer, launched.run) is None
        assert confirm(empty(APP), launched.run) is None

    def test_confirm_does_not_bring_back_what_was_given_up_or_stopped(self) -> None:
        launched = launch(empty(APP), event(1, DB))
        assert confirm(abandon(launched.record, event(1).delivery.key, TROUBLE), launched.run) is None
        stopped = settle(launched.record, event(2, settings=EMPTY_OK)).record
        assert confirm(stopped, launched.run) is None

    def test_confirm_accepts_a_run_that_was_faster(self) -> None:
        launched = launch(empty(APP), event(1, DB))
        over = fold(launched.record, observed(launched.run), 0.0).record
        confirmed = confirm(over, launched.run)
        assert confirmed is not None
        assert confirmed.run is not None
        assert confirmed.run.phase is Phase.SUCCEEDED

    def test_without_stale_runs_keeps_those_whose_end_is_still_to_be_told(self) -> None:
        first, second = launch(empty(APP), event(1, DB)), event(2, BIG_DB)
        intended = launch(first.record, second).record
        confirmed = launch(started(first), second).record
        assert without_stale_runs(intended, [first.run.name]).stale_runs == ()
        assert without_stale_runs(confirmed, [first.run.name]) == confirmed


class TestGivingUp:
    def test_an_intent_is_given_up_and_what_it_left_is_to_be_stopped(self) -> None:
        launched = launch(empty(APP), event(1, DB))
        given = give_up(launched.record, event(1, DB), TROUBLE)
        assert isinstance(given, Settle)
        assert codes(given) == ["workflow-too-large"]
        assert given.record == abandon(launched.record, event(1).delivery.key, TROUBLE)
        assert given.record.run is not None
        assert given.record.run.phase is Phase.FAILED
        assert [stale.name for stale in given.record.stale_runs] == [launched.run.name]
        again = judge(given.record, event(1, DB))
        assert isinstance(again, Repeat)
        assert again.past.disposition is Disposition.REJECTED

    def test_what_was_accepted_stays_accepted(self) -> None:
        record = started(launch(empty(APP), event(1, DB)))
        for known in (record, fold(record, observed(record.run), 0.0).record):  # type: ignore[arg-type]
            given = give_up(known, event(1, DB), TROUBLE)
            assert isinstance(given, Repeat)
            assert given.past.disposition is Disposition.ACCEPTED

    def test_what_is_stale_is_superseded(self) -> None:
        first = launch(empty(APP), event(1, DB))
        newer = launch(first.record, event(2, BIG_DB)).record
        assert give_up(newer, event(1, DB), TROUBLE) == Supersede((first.run.name,))

    def test_what_was_never_intended_advances_the_order(self) -> None:
        given = give_up(applied(DB), event(3, BIG_DB), TROUBLE)
        assert isinstance(given, Settle)
        assert judge(given.record, event(2, BIG_DB)) == Supersede()

    def test_a_foreign_event_does_not(self) -> None:
        record = applied(WEB, kind=EventKind.REQUESTED)
        given = give_up(record, event(3, WEB, uid="u"), TROUBLE)
        assert isinstance(given, Settle)
        assert given.record.order == record.order

    def test_the_same_message_has_one_end_whoever_comes_first(self) -> None:
        one = event(1, DB)
        record = launch(empty(APP), one).record
        rejected = give_up(record, one, TROUBLE)
        assert isinstance(rejected, Settle)
        again = give_up(rejected.record, one, TROUBLE)
        assert isinstance(again, Repeat)
        assert again.past.problems == (TROUBLE,)


class TestLinks:
    OTHER = AppKey("shop", "billing")

    def user(self) -> Event:
        return event(1, component("api", "webservice", database="orders/db"), app=self.OTHER)

    def test_are_those_of_the_components_of_the_run(self) -> None:
        launched = launch(Record(self.OTHER), self.user(), {"orders": applied(DB)})
        assert links_of(launched.record) == launched.plan.links == (Link("api", "orders", "db"),)
        over = finished(launched, app=self.OTHER)
        more = launch(over, event(2, *self.user().components, WEB, app=self.OTHER), {"orders": applied(DB)})
        assert links_of(more.record) == ()

    def test_are_written_once(self) -> None:
        provider = applied(DB, WEB)
        known = linked(provider, Link("api", "orders", "db"), "billing")
        assert known is not None
        assert [c.referrers for c in known.components] == [("billing/api",), ()]
        assert linked(known, Link("api", "orders", "db"), "billing") is known

    @pytest.mark.parametrize("state", [State.REMOVING, State.DIRTY])
    def test_break_where_the_component_is_leaving_or_gone(self, state: State) -> None:
        provider = applied(DB)
        leaving = replace(provider, components=(replace(provider.components[0], wanted=False, state=state),))
        assert linked(leaving, Link("api", "orders", "db"), "billing") is None
        assert linked(Record(APP), Link("api", "orders", "db"), "billing") is None


class TestSequences:
    """The sequences that the product must survive, each from the first event to the record at rest."""

    def test_g1_adds_db_and_api_and_is_stopped_by_g2_which_drops_db(self) -> None:
        first = launch(empty(APP), event(1, DB, API))
        for settings, state in ((Settings(), "retained"), (PURGE, "removing")):
            second = launch(started(first), event(2, WEB, settings=settings))
            assert states(second.record)["db"] == state
            assert {s.name for s in second.record.stale_runs} == {first.run.name}
            stopped = fold(started(second), observed(first.run, superseded_by=second.run.name), 0.0).record
            at_rest = fold(stopped, observed(second.run), 0.0).record
            assert states(at_rest) == {"web": "applied"} | ({"db": "retained"} if state == "retained" else {})

    def test_v1_then_v2_running_then_v1(self) -> None:
        v1 = applied(DB)
        v2 = launch(v1, event(2, BIG_DB))
        back = launch(started(v2), event(3, DB))
        assert actions(back) == {"db": "change"}
        at_rest = finished(back)
        assert at_rest.components[0].digest == v1.components[0].digest
        assert settle(at_rest, event(4, DB)).disposition is Disposition.UNCHANGED

    def test_failed_run_then_retry_then_success(self) -> None:
        failed = finished(launch(empty(APP), event(1, DB)), failed=["db"])
        assert failed.run is not None
        assert failed.run.phase is Phase.FAILED
        assert states(finished(launch(failed, event(2, kind=EventKind.RETRY)))) == {"db": "applied"}

    def test_two_namespaces_with_equal_names_and_one_is_deleted(self) -> None:
        theirs = AppKey("other", APP.name)
        mine, other = launch(empty(APP), event(1, WEB)), launch(empty(theirs), event(2, WEB, app=theirs))
        assert mine.run.name != other.run.name
        claims = {launched.plan.tasks[0].parameters["claim_name"] for launched in (mine, other)}
        assert len(claims) == 2
        gone = launch(finished(other, app=theirs), event(3, kind=EventKind.DELETED, app=theirs))
        assert gone.plan.tasks[0].parameters["claim_name"] in claims
        assert gone.plan.tasks[0].parameters["claim_name"] != mine.plan.tasks[0].parameters["claim_name"]
        assert gone.plan.tasks[0].parameters["namespace"] == "other"

    def test_a_typo_in_the_type_of_an_applied_component_tears_nothing_down(self) -> None:
        record = applied(DB, API)
        settled = settle(record, event(2, component("db", "postgresq"), API))
        assert "unknown-type" in codes(settled)
        assert settled.record.components == record.components
        assert settled.record.run == record.run

    def test_a_run_that_vanished_is_done_again(self) -> None:
        from worker.domain.run_result import Vanished

        launched = launch(empty(APP), event(1, DB))
        gone = fold(started(launched), Vanished(launched.run.name), 0.0).record
        assert states(gone) == {"db": "dirty"}
        assert launch(gone, event(2, DB)).run.attempt == 2
