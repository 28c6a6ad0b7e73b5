"""README.md shows what `make demo` prints today."""

from __future__ import annotations

import pytest

from tools import demo_output


@pytest.mark.xdist_group("demo")
def test_the_readme_shows_the_demos_output() -> None:
    printed = demo_output.run()
    hint = "run: python -m tools.demo_output"
    assert demo_output.comparable(demo_output.shown()) == demo_output.comparable(printed), hint
    assert len(demo_output.shown().splitlines()) > 40


def test_what_differs_from_run_to_run_is_not_compared() -> None:
    first = "x\nRead back from\n ✔ a dead letter 2 ───\n in 9.6 s\n"
    second = "y\nRead back from\n ✔ a dead letter 1 ─────\n in 11.2 s\n"
    assert demo_output.comparable(first) == demo_output.comparable(second)
    assert demo_output.comparable(first) != demo_output.comparable(first.replace("✔", "✘"))
