"""Strings with a format: what a schema's ``format`` demands, and what the text then stands for.

Only the formats that change what a CEL expression sees, and refuse on a real server what they cannot read, are here:
those of go-openapi's strfmt for bytes, durations, dates and moments.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Formatted: TypeAlias = bytes | dt.timedelta | dt.datetime
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)?")


def parse(name: str, text: str) -> Formatted | None:
    """Return what a text of a format stands for, or None for a format that means nothing here.

    Raises:
        ValueError: the text is not of that format.
    """
    parser = _PARSERS.get(name)
    if parser is None:
        return None
    try:
        return parser(text)
    except (binascii.Error, OverflowError) as error:
        raise ValueError(f"{text!r} is no {name}") from error


def _duration(text: str) -> dt.timedelta:
    """Read Go's notation: ``1h30m``."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text)
    parts = _PART.findall(rest)
    if not parts or "".join(number + unit for number, unit in parts) != rest:
        raise ValueError(f"{text!r} is no duration")
    return dt.timedelta(seconds=sign * sum(float(number) * _SECONDS[unit] for number, unit in parts))


def _date(text: str) -> dt.datetime:
    if not _DATE.fullmatch(text):
        raise ValueError(f"{text!r} is no date")
    return dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), dt.UTC)


def _moment(text: str) -> dt.datetime:
    if not _MOMENT.fullmatch(text):
        raise ValueError(f"{text!r} is no date-time")
    found = dt.datetime.fromisoformat(text.upper())
    return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)


_PARSERS: dict[str, Callable[[str], Formatted]] = {
    "byte": lambda text: base64.b64decode(text, validate=True),
    "duration": _duration,
    "date": _date,
    "date-time": _moment,
}
