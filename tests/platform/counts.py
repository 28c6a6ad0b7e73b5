"""Says at the end of a test run how many claims, golden renders and local lanes of the platform APIs were checked.

A suite that silently checks nothing looks like one that passes; the count is what tells them apart.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _pytest.terminal import TerminalReporter

#: What is counted, and how the ids of the tests begin that count for it.
COUNTED = {
    "schema cases: claims that validate-claim.sh judged as it should": ("test_claims.py::test_validate_claim_agrees_",),
    "schema cases: claims that the API server judged alike": ("test_claims.py::test_the_api_server_",),
    "golden renders that belong to what is there now": ("test_goldens.py::test_the_golden_belongs_",),
    "golden renders made anew by Crossplane": ("test_goldens.py::test_crossplane_renders_",),
    "local lanes: shell tests in clusters of their own": (
        "test_shell_lanes.py::test_the_local_lane_",
        "test_worker_lanes.py::test_",
    ),
}
#: In `record_property`: how many cases one test stands for.
CASES = "cases"


def counts(passed: Iterable[pytest.TestReport]) -> Counter[str]:
    """Return the number of cases by what is counted; without what has none."""
    found: Counter[str] = Counter()
    for report in passed:
        for title, tests in COUNTED.items():
            if any(f"tests/platform/{test}" in report.nodeid for test in tests):
                found[title] += next((int(str(value)) for name, value in report.user_properties if name == CASES), 1)
    return found


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print the counts of what passed, if any of it ran."""
    found = counts(terminalreporter.stats.get("passed", []))
    if found:
        terminalreporter.section("platform APIs")
        for title in filter(found.__contains__, COUNTED):
            terminalreporter.write_line(f"{found[title]:6d} {title}")
