"""The counts at the end of a run are those of what passed, and what they count is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.platform.counts import CASES, COUNTED, counts

HERE = Path(__file__).parent


def report(test: str, **properties: object) -> pytest.TestReport:
    nodeid = f"tests/platform/{test}"
    given = list(properties.items())
    return pytest.TestReport(nodeid, (nodeid, 0, test), {}, "passed", None, "call", user_properties=given)


def test_a_test_counts_once_or_for_as_many_as_it_says() -> None:
    found = counts(
        [
            report("test_claims.py::test_validate_claim_agrees_with_every_fixture", **{CASES: 157}),
            report("test_goldens.py::test_the_golden_belongs_to_what_is_there_now[full]"),
            report("test_goldens.py::test_the_golden_belongs_to_what_is_there_now[minimal]"),
            report("test_worker_lanes.py::test_an_event_becomes_a_workflow"),
            report("test_renders.py::test_all", **{CASES: 9}),
        ]
    )
    assert sorted(found.values()) == [1, 2, 157]


@pytest.mark.parametrize("test", [test for tests in COUNTED.values() for test in tests])
def test_what_is_counted_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    assert f"\ndef {name}" in (HERE / file).read_text(encoding="utf-8")
