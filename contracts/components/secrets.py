"""Taking secrets out of properties, before anything else sees them.

A property model marks the places that it knows. Names that usually hold secrets are taken out at any other place as
well, because nobody can list every chart's options, and a password that was dropped needlessly harms less than one
that travelled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from contracts.violations import fold, looks_secret, path_of

REDACTED: Final = "***"

_Segments = tuple[str, ...]


def segments(path: str) -> _Segments:
    """Split a secret path: `mqttUsers[].password` → folded names, with `[]` for any element of a list."""
    return tuple(part if part == "[]" else fold(part) for part in re.findall(r"\[\]|[^.\[\]]+", path))


def scrub(raw: Any, secret_paths: Iterable[_Segments] = ()) -> tuple[Any, tuple[str, ...]]:
    """Copy a JSON value without its secrets.

    Returns:
        The copy, and the paths of what was left out, in the sender's spelling and without the leading `$.`.
    """
    dropped: list[str] = []
    clean = _copy(raw, list(secret_paths), (), dropped)
    return clean, tuple(dropped)


def _copy(value: Any, paths: Sequence[_Segments], at: tuple[int | str, ...], dropped: list[str]) -> Any:
    if isinstance(value, Mapping):
        named_secret = isinstance(value.get("name"), str) and looks_secret(value["name"])
        copy = {}
        for key, inner in value.items():
            below = [path[1:] for path in paths if path and path[0] == fold(key)]
            marked = (
                () in below or (named_secret and key == "value") or (looks_secret(key) and not isinstance(inner, bool))
            )
            if marked and inner is not None:
                dropped.append(path_of((*at, key))[2:])
            else:
                copy[key] = _copy(inner, below, (*at, key), dropped)
        return copy
    if isinstance(value, (list, tuple)):
        below = [path[1:] for path in paths if path and path[0] == "[]"]
        return [_copy(inner, below, (*at, index), dropped) for index, inner in enumerate(value)]
    return value
