"""The example files of the contract, as test parameters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import contracts
from contracts.violations import ContractViolation

PACKAGE = Path(contracts.__file__).parent
EXAMPLES = PACKAGE / "examples"


def examples(validity: str) -> Iterator[tuple[str, str, Any]]:
    """Yield (type, name, content) of every example file that is `valid` or `invalid`."""
    for path in sorted((EXAMPLES / validity).glob("*/*.json")):
        yield path.parent.name, path.stem, json.loads(path.read_text(encoding="utf-8"))


def schema(kind: str, name: str) -> dict[str, Any]:
    """Return a generated schema: kind is `events`, `data` or `components`."""
    made: dict[str, Any] = json.loads((PACKAGE / "schemas" / kind / f"{name}.json").read_text(encoding="utf-8"))
    return made


def outcome(call: Callable[[], Any]) -> tuple[Any, ContractViolation | None]:
    """Return what the call returns, or the violation that it raises; anything else it raises is a failure."""
    try:
        return call(), None
    except ContractViolation as violation:
        return None, violation
