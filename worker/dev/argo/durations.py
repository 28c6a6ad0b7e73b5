"""Durations as templates write them: a number of seconds, or Go's `1m30s`, with days."""

from __future__ import annotations

import re

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(value: str | int) -> float:
    """Return a duration in seconds.

    Raises:
        ValueError: it is none.
    """
    text = str(value)
    if re.fullmatch(r"\d+", text):
        return float(text)
    parts = list(_PART.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text:
        raise ValueError(f"{text!r} is no duration such as 30s or 5m")
    return sum(float(part[1]) * _UNITS[part[2]] for part in parts)
