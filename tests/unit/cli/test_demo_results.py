"""The demo's comparison: every way in which an event can deviate is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from worker.cli.dead_letter import DeadLetter
from worker.cli.demo_results import Result
from worker.cli.ledger_view import Entry
from worker.dev.demo_scenario import SHIPPED, Expectation, ScenarioError, Step, failure, load

BODY = b"{}"


def entry(kind: str, sequence: int = 1, **data: Any) -> Entry:
    disposition = kind if kind in {"unchanged", "superseded", "rejected"} else "accepted"
    return Entry(kind, sequence, "", {"delivery": "2026:7", "data": {"disposition": disposition, **data}})


def component(name: str, pattern: int = 3, action: str = "create", state: str = "applied") -> dict[str, Any]:
    return {"name": name, "type": "x", "pattern": pattern, "action": action, "state": state}


def letter(error_class: str = "bad", body: bytes = BODY) -> DeadLetter:
    return DeadLetter(1, "a", "b", error_class, "", "", "", "", 7, "", "", "", {}, body)


def result(*entries: Entry, letters: tuple[DeadLetter, ...] = (), stored: bool = True, **expected: Any) -> Result:
    step = Step(name="s", title="S", file="f", expect=Expectation(**expected))
    return Result(step, "a/b", "id", BODY, 7, stored, list(entries), list(letters))


GOOD = (
    entry("accepted", 1, components=[component("db", state="dirty"), component("api", 1, state="dirty")]),
    entry("succeeded", 2, components=[component("db"), component("api", 1)]),
)


def test_what_became_what_it_had_to_become_does_not_deviate() -> None:
    actions = {"db": "create", "api": "create"}
    made = result(*GOOD, disposition="accepted", end="succeeded", actions=actions, order=("db", "api"))
    assert made.deviations() == []


def rejected(**data: Any) -> Entry:
    return entry("rejected", errors=[{"path": "$.x", "component": "db"}], **data)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: result(*GOOD, stored=False), "it was not stored"),
        (lambda: result(*GOOD, disposition="unchanged"), "disposition: accepted instead of unchanged"),
        (lambda: result(*GOOD, end="failed"), "end: succeeded instead of failed"),
        (lambda: result(GOOD[0], end="succeeded"), "end: nothing instead of succeeded"),
        (lambda: result(*GOOD, actions={"db": "create"}), "actions: db: create, api: create instead of db: create"),
        (lambda: result(*GOOD, order=("api", "db")), "order: db, api instead of api, db"),
        (lambda: result(*GOOD, skipped=("x",)), "skipped: nothing instead of x"),
        (lambda: result(rejected(), errors=("$.y",)), "paths of errors: $.x instead of $.y"),
        (lambda: result(entry("failed", errors=[]), failing=("db",)), "failing: nothing instead of db"),
        (lambda: result(entry("accepted", components=[component("a", 1), component("b", 3)])), "order of patterns"),
        (lambda: result(GOOD[0], entry("unchanged", 2)), "dispositions: accepted, unchanged instead of exactly one"),
        (result, "dispositions: nothing instead of exactly one"),
        (lambda: result(entry("succeeded", components=[component("db", state="dirty")])), "states: db dirty"),
        (lambda: result(*GOOD, letters=(letter(),)), "dead letters: bad instead of nothing"),
        (lambda: result(rejected(), dead_letter="bad"), "dead letters: nothing instead of bad"),
        (lambda: result(rejected(), letters=(letter("other"),), dead_letter="bad"), "dead letters: other instead"),
        (lambda: result(rejected(), letters=(letter(body=b"x"),), dead_letter="bad"), "not have the original bytes"),
    ],
)  # fmt: skip
def test_each_deviation_is_named(make: Callable[[], Result], says: str) -> None:
    assert any(says in deviation for deviation in make().deviations())


def test_a_duplicate_that_was_stored_deviates() -> None:
    made = result(*GOOD)
    made.step = made.step.model_copy(update={"expect": Expectation(stored=False)})
    assert made.deviations() == ["it was stored"]


def test_a_deletion_has_not_ended_before_it_is_told_as_deleted() -> None:
    assert not result(*GOOD, end="deleted").ended
    assert result(*GOOD, entry("deleted", 3), end="deleted").ended
    assert result(*GOOD, end="succeeded").ended


def test_entries_know_which_delivery_they_are_about() -> None:
    assert GOOD[0].delivered == 7
    assert replace(GOOD[0], event={}).delivered == 0


def test_the_shipped_scenario_has_what_the_demo_promises() -> None:
    steps = {step.name: step.expect for step in load(SHIPPED).steps}
    assert len(steps["mixed"].actions or {}) == 16
    assert {step.disposition for step in steps.values()} == {
        "accepted", "unchanged", "superseded", "rejected", None,
    }  # fmt: skip
    assert [name for name, step in steps.items() if not step.stored] == ["duplicate"]
    assert steps["delete"].end == "deleted"
    assert steps["update"].actions == {"user-cache": "change"}


def test_the_failing_scenario_needs_a_component_that_is_there() -> None:
    assert list(failure("user-db").failing) == ["user-db"]
    with pytest.raises(ScenarioError, match="user-db, user-cache"):
        failure("nobody")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stages: [[{name: a, title: A, expect: {}}]]", "give a file"),
        ("stages: [[{name: a, title: A, file: x, expect: {dispositon: accepted}}]]", "dispositon"),
        ("nonsense", "is no scenario"),
    ],
)
def test_a_scenario_with_an_error_is_refused(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(text)
    with pytest.raises(ScenarioError, match=says):
        load(file)
