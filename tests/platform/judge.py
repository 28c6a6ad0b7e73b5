"""Judges claims by any schemas, in one process of Node, with the modules and the words of `validate-claim.sh`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

_PROGRAM = Path(__file__).with_name("judge.mjs")


def judge(validator: Path, tries: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[list[str]]:
    """Return the complaints about each claim, given with the schema that it is judged by.

    Args:
        validator: Folder of the installed validator.
        tries: Schema and claim; a schema that occurs again (the same object) is compiled once.
    """
    schemas = {id(schema): schema for schema, _ in tries}
    places = {key: place for place, key in enumerate(schemas)}
    cases = [{"schema": places[id(schema)], "claim": claim} for schema, claim in tries]
    result = subprocess.run(
        ["node", _PROGRAM, validator],
        input=json.dumps({"schemas": list(schemas.values()), "cases": cases}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    found: list[list[str]] = json.loads(result.stdout)
    return found
