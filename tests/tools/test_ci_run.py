"""`.ci/run` and the Makefile: what they run, what they say, and that no failure gets lost on the way."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = {"demo", "dev", "test", "test-cluster", "check", "bench", "tools", "generate", "lock"}


def _run_ci(tmp_path: Path, make: str) -> subprocess.CompletedProcess[str]:
    """Run `.ci/run` with a `make` of our own."""
    fake = tmp_path / "make"
    fake.write_text(f"#!/bin/sh\n{make}\n")
    fake.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        [ROOT / ".ci/run"], env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
    )


def test_it_runs_the_three_commands_in_order_and_closes_with_their_results(tmp_path: Path) -> None:
    result = _run_ci(tmp_path, 'echo "== 7 passed by $1 =="')
    assert result.returncode == 0
    assert re.findall(r"^==> (.*)$", result.stdout, re.MULTILINE) == [
        "make check",
        "make test",
        "make test-cluster",
        "Summary",
    ]
    summary = result.stdout.partition("==> Summary\n")[2]
    assert re.search(r"make test-cluster +passed +\d+ s +7 passed by test-cluster", summary)


@pytest.mark.parametrize("failing", ["check", "test", "test-cluster"])
def test_one_failure_fails_the_run_but_hides_nothing_after_it(tmp_path: Path, failing: str) -> None:
    script = f'echo "closing line of $1"; [ "$1" != {failing} ] || {{ echo "make: *** Error 1" >&2; exit 2; }}'
    result = _run_ci(tmp_path, script)
    assert result.returncode == 1
    summary = result.stdout.partition("==> Summary\n")[2]
    assert summary.count("passed") == 2
    assert re.search(rf"make {failing} +FAILED +\d+ s +closing line of {failing}\n", summary)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_alone_lists_every_command() -> None:
    listing = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  make ([a-z-]+)", listing, re.MULTILINE)) >= TARGETS


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_a_python_that_is_missing_is_named_before_anything_else(tmp_path: Path) -> None:
    command = ["make", "-s", "demo", "PYTHON=", f"VENV={tmp_path / 'venv'}"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "Python 3.11 or newer is needed" in result.stderr
