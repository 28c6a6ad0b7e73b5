"""What is told of each disposition, and that the same statement always has the same id."""

from __future__ import annotations

from worker.domain import report
from worker.domain.decide import cause_of
from worker.domain.model import Problem
from worker.domain.record import Disposition, PastDisposition, Record
from worker.domain.status import StatusKind

from .build import APP, applied, component, event, launch, settle

DB = component("db", "postgresql")
API = component("api", "webservice", database="db")
WEB = component("web", "webservice")


def test_accepted_lists_every_component_with_its_action() -> None:
    one = event(2, WEB, API, component("cache", "redis"), component("db", "postgresql", size="large"))
    launched = launch(applied(DB, API), one)
    status = report.accepted(launched.record, launched.run, launched.plan, one)
    assert status.kind is StatusKind.ACCEPTED
    assert {line.name: line.action for line in status.components} == {
        "db": "change",
        "cache": "create",
        "web": "create",
    }
    assert status.unchanged == ("api",)


def test_unchanged_names_what_stays() -> None:
    one = event(2, component("cache", "redis"), component("x", "helm"))
    settled = settle(applied(DB, component("cache", "redis")), one)
    status = report.settled(settled.record, one, cause_of(one), settled.disposition, settled.plan)
    assert [(line.name, line.action, line.state) for line in status.components] == [("db", "retain", "retained")]
    assert status.unchanged == ("cache",)
    assert [skipped.component for skipped in status.skipped] == ["x"]
    assert status.warnings


def test_a_repetition_has_the_same_id_and_says_the_same() -> None:
    one = event(1, component("db", "postgresql", size="huge"))
    settled = settle(Record(APP), one)
    first = report.settled(settled.record, one, cause_of(one), settled.disposition, settled.plan)
    past = settled.record.past(one.delivery.key)
    assert past is not None
    again = report.repeated(past, settled.record, one, cause_of(one))
    assert (again.id, again.kind, again.problems) == (first.id, first.kind, first.problems)
    launched = launch(Record(APP), event(1, DB))
    accepted = report.accepted(launched.record, launched.run, launched.plan, event(1, DB))
    known = PastDisposition(event(1).delivery.key, Disposition.ACCEPTED, launched.run.name)
    assert report.repeated(known, launched.record, event(1, DB), cause_of(event(1))).id == accepted.id


def test_statements_about_different_deliveries_or_dispositions_have_different_ids() -> None:
    first, second = event(1, DB), event(2, DB)
    ids = {
        report.superseded(APP, first, cause_of(first)).id,
        report.superseded(APP, second, cause_of(second)).id,
        report.rejected(APP, cause_of(first), Problem("x", "x", "$")).id,
    }
    assert len(ids) == 3
