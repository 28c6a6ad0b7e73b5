"""The one exception of this package: input that breaks the contract, said so that the sender can repair it.

A rejection is read by a person who did not write the worker. So each one names the place as a JSON path, says why, and
says what to write instead. Rejected values are quoted only when they are short scalars that cannot be secrets.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails

Location: TypeAlias = tuple[int | str, ...]

_SHOWN_CHARACTERS: Final = 80
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_URL_USER: Final = re.compile(r"://[^/\s]*@")
_SECRET_NAME: Final = re.compile(
    r"(password|passwd|passphrase|secretkey|clientsecret|token|apikey|privatekey|accesskey|credentials?"
    r"|connectionstring|databaseurl)$"
)

# Pydantic's error types → the stable codes of this contract. Types that are not here are `wrong-type` when they end in
# `_type` or `_parsing`, else `invalid`.
_CODES: Final[Mapping[str, str]] = {
    "missing": "missing-field",
    "extra_forbidden": "unknown-field",
    "literal_error": "not-allowed",
    "enum": "not-allowed",
    "string_pattern_mismatch": "bad-format",
    "string_too_long": "too-long",
    "string_too_short": "too-short",
    "too_long": "too-many",
    "too_short": "too-few",
    "greater_than": "out-of-range",
    "greater_than_equal": "out-of-range",
    "less_than": "out-of-range",
    "less_than_equal": "out-of-range",
    "int_from_float": "wrong-type",
    "model_attributes_type": "wrong-type",
}
_EXPECTED: Final[Mapping[str, str]] = {
    "string": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "an object",
    "model": "an object",
    "mapping": "an object",
}
_pattern_fixes: dict[str, str] = {}


class ContractViolation(Exception):
    """Input that the contract does not allow.

    Attributes:
        code: Stable kebab-case identifier, for programs.
        path: JSON path of the offending place, from the root of the event, e.g. `$.data.components[2].properties.size`.
        message: What is wrong and why; never contains a secret.
        fix: What to do instead.
    """

    def __init__(self, code: str, path: str, message: str, fix: str) -> None:
        super().__init__(code, path, message, fix)
        self.code = code
        self.path = path
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.path}: {self.message}; {self.fix}"

    def under(self, base: str) -> ContractViolation:
        """Return the same violation with its path moved below `base` (`$.x` under `$.data` is `$.data.x`)."""
        return ContractViolation(self.code, base + self.path[1:], self.message, self.fix)


def name_of(key: str) -> str:
    """Show a property's name: as it is if it is a short identifier, else quoted and cut."""
    return key if len(key) <= _SHOWN_CHARACTERS and _IDENTIFIER.fullmatch(key) else quote(key)


def looks_secret(name: str) -> bool:
    """Tell whether a property of this name usually holds a secret (`dbPassword`, `api-key`), not the name of one."""
    return _is_secret_short(name) if len(name) <= _SHOWN_CHARACTERS else _is_secret(name)


def fold(name: str) -> str:
    """Return the spelling-independent form of a property name: `highAvailability` = `high_availability`."""
    return _fold_short(name) if len(name) <= _SHOWN_CHARACTERS else _fold(name)


def path_of(location: Iterable[int | str], base: str = "$") -> str:
    """Write a location as a JSON path below `base`; names that are no identifiers are quoted and cut."""
    parts = [base]
    for step in location:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        else:
            shown = name_of(step)
            parts.append(f"[{shown}]" if shown.startswith('"') else f".{shown}")
    return "".join(parts)


def quote(value: object) -> str:
    """Show a scalar on one line: escaped, at most 80 characters, without user names and passwords of URLs.

    Lists and objects are only named, never shown: they may hold secrets at any depth.
    """
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, str):
        value = without_user(value[: 4 * _SHOWN_CHARACTERS])
    shown = json.dumps(value, ensure_ascii=True, default=repr).replace("\\u2026", "…")
    return shown if len(shown) <= _SHOWN_CHARACTERS else shown[: _SHOWN_CHARACTERS - 2] + '…"'


def has_user(text: str) -> bool:
    """Tell whether a URL in a text carries a user name or password."""
    return "://" in text and _URL_USER.search(text) is not None


def without_user(text: str) -> str:
    """Return a text without user names and passwords of URLs in it."""
    return _URL_USER.sub("://…@", text) if "://" in text else text


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` was probably meant to be, or None."""
    matches = difflib.get_close_matches(word.lower()[:_SHOWN_CHARACTERS], list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def one_of(value: object, allowed: Iterable[str]) -> str:
    """Write the fix for a value outside a closed set: the set, and the likely intention."""
    choices = list(allowed)
    if len(choices) == 1:
        return f"use {choices[0]}"
    guess = did_you_mean(value, choices) if isinstance(value, str) else None
    hint = f" (did you mean {quote(guess)}?)" if guess is not None else ""
    return f"use one of {', '.join(choices)}{hint}"


def explain_pattern(pattern: str, fix: str) -> str:
    """Register the sentence that a sender reads when a value does not match `pattern`; return the pattern."""
    _pattern_fixes[pattern] = fix
    return pattern


def from_validation_error(
    error: ValidationError,
    raw: object,
    base: str = "$",
    fields: Iterable[str] = (),
    is_secret: Callable[[Location], bool] | None = None,
    same: Callable[[str, str], bool] = lambda key, field: fold(key) == fold(field),
) -> ContractViolation:
    """Turn pydantic's findings into one violation: the first one in full, the others as a number.

    Args:
        error: What pydantic found.
        raw: The value that was validated; the path is written with the sender's own spelling of each name.
        base: JSON path of `raw` within the event.
        fields: Names known at the root, for "did you mean" on unknown ones.
        is_secret: Tells whether the value at a location (in the sender's spelling) must not be shown.
        same: Tells whether a sender's key means a field.
    """
    errors = error.errors(include_url=False)
    # A misspelt name shows up twice, as unknown and as missing; the unknown one is what the sender can see.
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    kind = first["type"]
    location = _locate(raw, first["loc"], same, absent=kind == "missing")
    code = _CODES.get(kind) or (
        "wrong-type" if kind.endswith(("_type", "_parsing")) else kind if "-" in kind else "invalid"
    )
    secret = any(isinstance(step, str) and looks_secret(step) for step in location)
    if is_secret is not None:
        secret = secret or is_secret(location)
    message, fix = _sentence(code, first, location, secret, fields)
    more = len(errors) - 1
    if more:
        message += f" (and {more} more)"
    return ContractViolation(code, path_of(location, base), message, fix)


def _fold(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(fold(name)) is not None


# Names repeat from event to event. Only short ones are remembered: a hostile sender must not fill the memory.
_fold_short = lru_cache(maxsize=4096)(_fold)
_is_secret_short = lru_cache(maxsize=4096)(_is_secret)


def _locate(raw: object, loc: Location, same: Callable[[str, str], bool], *, absent: bool) -> Location:
    """Rewrite pydantic's location in the sender's spelling, without the labels that unions add."""
    found: list[int | str] = []
    here = raw
    last = len(loc) - 1
    for position, step in enumerate(loc):
        if isinstance(step, int):
            if isinstance(here, (list, tuple)) and step < len(here):
                here = here[step]
                found.append(step)
        elif isinstance(here, Mapping):
            key = step if step in here else next((k for k in here if isinstance(k, str) and same(k, step)), None)
            if key is not None:
                here = here[key]
                found.append(key)
            elif absent and position == last:
                found.append(step)
    return tuple(found)


def _sentence(
    code: str, error: ErrorDetails, location: Location, secret: bool, fields: Iterable[str]
) -> tuple[str, str]:
    context: Mapping[str, Any] = error.get("ctx", {})
    key = next((step for step in reversed(location) if isinstance(step, str)), None)
    name = "the document" if key is None else name_of(key)
    if "message" in context:
        text = str(context["message"])
        return (f"{name}: {text}" if location else text), str(context["fix"])
    value = "the given value" if secret else quote(error["input"])
    match code:
        case "missing-field":
            return f"{name} is missing", f"add {name}"
        case "unknown-field":
            guess = did_you_mean(key or "", fields)
            return f"{name} is not known here", f"write {guess} instead" if guess else f"remove {name}"
        case "not-allowed":
            allowed = re.findall(r"'([^']*)'", str(context.get("expected", "")))
            return f"{value} is not allowed for {name}", one_of(None if secret else error["input"], allowed)
        case "bad-format":
            pattern = str(context.get("pattern", ""))
            return f"{value} has the wrong form for {name}", _pattern_fixes.get(pattern, f"match {pattern}")
        case "wrong-type":
            expected = _EXPECTED.get(error["type"].split("_")[0], "another type")
            return f"{name} is {_kind(error['input'])}, expected is {expected}", f"give {expected}"
        case "out-of-range":
            bound = _bound(context)
            return f"{value} is out of range for {name}", f"give a number {bound}"
        case "too-long" | "too-short" | "too-many" | "too-few":
            limit = context.get("max_length", context.get("min_length"))
            unit = "entries" if code in {"too-many", "too-few"} else "characters"
            bound = "at most" if "max_length" in context else "at least"
            return f"{name} is {code.replace('-', ' ')}", f"give {bound} {limit} {unit}"
        case _:
            return f"{name} is not as expected: {error['msg']}", "correct the value"


def _bound(context: Mapping[str, Any]) -> str:
    words = {"ge": "of at least", "gt": "above", "le": "of at most", "lt": "below"}
    return " and ".join(f"{word} {context[key]}" for key, word in words.items() if key in context)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, (list, tuple)) else "an object"
