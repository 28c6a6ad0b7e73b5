"""`make check`: every step runs, a failure is shown and counted, and shell scripts are found wherever they are."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tools import check, crds
from tools.check import Step

if TYPE_CHECKING:
    import pytest


def _step(title: str, code: int) -> Step:
    return Step(title, (sys.executable, "-c", f"print('output of {title}'); raise SystemExit({code})"), "mend it so")


def test_a_failure_is_shown_with_its_output_and_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "steps", lambda: [_step("first", 0), _step("second", 1), _step("third", 0)])
    assert check.main() == 1
    output = capsys.readouterr().out
    assert [line.split()[:2] for line in output.splitlines() if line.startswith(("ok", "FAIL"))] == [
        ["ok", "first"],
        ["FAIL", "second"],
        ["ok", "third"],
    ]
    assert "output of second" in output
    assert "mend it so" in output
    assert "output of first" not in output
    assert output.endswith("check: failed: second\n")


def test_all_passed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(check, "steps", lambda: [_step("only", 0)])
    assert check.main() == 0
    assert capsys.readouterr().out.endswith("check: all passed\n")


def test_a_missing_program_is_a_failure_that_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "steps", lambda: [Step("gone", ("no-such-program",))])
    assert check.main() == 1
    assert "installs requirements/dev.txt" in capsys.readouterr().out


def test_scripts_without_a_suffix_are_checked_too() -> None:
    assert ".ci/run" in check.shell_scripts()


def test_drift_of_the_definitions_is_noticed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(sys, "argv", ["crds", "--check"])
    assert crds.main() == 0
    folder = tmp_path_factory.mktemp("crds")
    monkeypatch.setattr(crds, "FOLDER", folder)
    assert crds.main() == 1
    assert "workflows.yaml" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["crds"])
    assert crds.main() == 0
    (folder / "workflows.yaml").write_text("changed")
    monkeypatch.setattr(sys, "argv", ["crds", "--check"])
    assert crds.main() == 1
