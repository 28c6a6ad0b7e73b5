"""CEL queries of readiness, evaluated by the library that judges claims (see cel.mjs)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_PROGRAM = Path(__file__).with_suffix(".mjs")


def evaluate(validator: Path, tries: Iterable[tuple[str, dict[str, Any]]]) -> list[bool]:
    """Return what each query says of its object.

    Args:
        validator: Folder of the installed validator.
        tries: Pairs of a query and the ``object`` that it is about.
    """
    asked = [{"expression": expression, "object": about} for expression, about in tries]
    command = ["node", str(_PROGRAM), str(validator)]
    result = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    found: list[bool] = json.loads(result.stdout)
    return found
