"""The documents whose plans are kept as golden files: every valid example of the contract that says what is desired."""

from __future__ import annotations

from pathlib import Path

import contracts

EXAMPLES = Path(contracts.__file__).parent / "examples" / "valid"
GOLDEN = Path(__file__).parent / "golden"
_TYPES = ("io.platform.oam.application.changed.v1", "io.platform.provisioning.requested.v1")


def documents() -> dict[str, Path]:
    """Return the example files by the name of their golden file."""
    return {path.stem: path for kind in _TYPES for path in sorted((EXAMPLES / kind).glob("*.json"))}
