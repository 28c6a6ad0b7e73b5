"""Argo's own linter takes templates and golden Workflows together; skipped where `argo` is not on PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.golden.scenarios import SCENARIOS, told
from tests.workflows.rehearsal import FILES

if TYPE_CHECKING:
    from pathlib import Path

ARGO = shutil.which("argo")
pytestmark = pytest.mark.skipif(ARGO is None, reason="argo is not on PATH: its own linter is not run")


def lint(folder: Path, *files: str) -> subprocess.CompletedProcess[str]:
    """Run `argo lint --offline`; without a kubeconfig, so that it asks no cluster."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "NO_COLOR": "1"}
    command = [str(ARGO), "lint", "--offline", "--no-color", "-o", "simple", *files]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, env=environment)


def test_templates_and_all_golden_workflows_pass(tmp_path: Path) -> None:
    files = [str(path) for path in FILES]
    for name, story in SCENARIOS.items():
        for number, (_, body) in enumerate(told(story())):
            file = tmp_path / f"{name}-{number}.json"
            file.write_bytes(body)
            files.append(str(file))
    result = lint(tmp_path, *files)
    assert result.returncode == 0, result.stdout + result.stderr


def test_it_can_fail(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    text = (
        FILES[0].read_text(encoding="utf-8").replace("{{inputs.parameters.namespace}}", "{{inputs.parameters.naem}}", 1)
    )
    broken.write_text(text, encoding="utf-8")
    assert lint(tmp_path, str(broken)).returncode == 1
