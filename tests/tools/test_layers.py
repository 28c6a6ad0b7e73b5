"""`.importlinter` guards the doors: each planted violation of the layers must be caught, by the rule that is meant."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = "Entry points > bootstrap > adapters > pipeline > ports > domain > errors BROKEN"


@pytest.mark.parametrize(
    ("file", "line", "verdict"),
    [
        ("worker/domain/__init__.py", "import asyncio", "no event loop, no technology BROKEN"),
        ("worker/domain/__init__.py", "import nats", "no event loop, no technology BROKEN"),
        ("worker/domain/__init__.py", "import worker.telemetry", LAYERS),
        ("worker/inbound/__init__.py", "import worker.outbound", LAYERS),
        ("worker/pipeline.py", "import worker.bootstrap", LAYERS),
        ("worker/helpers.py", "", "worker.helpers"),
        ("contracts/__init__.py", "import worker.errors", "The contracts know nothing of the worker BROKEN"),
    ],
)
def test_a_planted_violation_is_caught(tmp_path: Path, file: str, line: str, verdict: str) -> None:
    for name in ("worker", "contracts"):
        shutil.copytree(
            ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "schemas", "examples")
        )
    shutil.copy(ROOT / ".importlinter", tmp_path)
    with (tmp_path / file).open("a") as planted:
        planted.write(f"\n{line}\n")
    program = Path(sys.executable).parent / "lint-imports"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "COLUMNS": "200"}
    result = subprocess.run(
        [program, "--no-cache"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert verdict in result.stdout
