"""JSON as the wire allows it: bounded before it is parsed, unambiguous, and always writable again.

Python's own parser keeps the last of duplicate keys, accepts NaN and lone surrogates, and recurses as deep as the
sender likes. Each of these has been used to make two readers of one message see different things, so each is refused
here, with the path where it is. The checks run on C loops; the path is searched only after something was found.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

from contracts.violations import ContractViolation, path_of

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 32
MAX_INTEGER_DIGITS: Final = 19  # every signed 64-bit integer, which is what Kubernetes and most readers can hold

_ESCAPES: Final = re.compile(rb"\\.", re.DOTALL)
_STRINGS: Final = re.compile(rb'"[^"]*+"?')
_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_NOT_STRUCTURE: Final = bytes(set(range(256)) - set(b'[]{}"'))
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


class _FoundError(ValueError):
    """Something refused was met while parsing; where it is will be searched in a second, slower pass."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _FoundError
    return made


def _constant(_: str) -> NoReturn:
    raise _FoundError


def _integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS + (digits[0] == "-"):
        raise _FoundError
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise _FoundError
    return value


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_number
)
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False)


def loads(raw: bytes) -> Any:
    """Parse one JSON document.

    Args:
        raw: The message body: UTF-8, at most 256 KiB, nested at most 32 levels.

    Returns:
        dict, list, str, int, float, bool or None; what `dumps` can write again.

    Raises:
        ContractViolation: `too-large`, `bad-encoding`, `too-deep`, `malformed-json`, `duplicate-key`, `not-a-number`,
            `number-too-large` or `bad-unicode`.
    """
    if len(raw) > MAX_BYTES:
        raise ContractViolation(
            "too-large", "$", f"the message has {len(raw)} bytes, the limit is {MAX_BYTES}", "send less, or a reference"
        )
    _check_depth(raw)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ContractViolation(
            "bad-encoding", "$", f"byte {error.start} is not UTF-8", "encode the message as UTF-8"
        ) from error
    try:
        value = _DECODER.decode(text)
    except _FoundError:
        _refuse(text)
    except json.JSONDecodeError as error:
        raise ContractViolation(
            "malformed-json",
            "$",
            f"the message is not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            "send one JSON object",
        ) from error
    if _SURROGATE.search(raw):
        _check_surrogates(value)
    return value


def dumps(value: object) -> bytes:
    """Write a JSON document as compact UTF-8.

    Raises:
        ValueError: A NaN, an infinity or a lone surrogate is in it.
        TypeError: Something in it has no JSON form.
    """
    return _ENCODER.encode(value).encode("utf-8")


def _check_depth(raw: bytes) -> None:
    """Refuse deep nesting without recursion: each pass over the bare brackets removes the innermost level."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    if b"\\" in raw:
        raw = _ESCAPES.sub(b"", raw)
    # Two adjacent quotes may go, whether they are one string or the seam of two: it does not change what is quoted.
    brackets = raw.translate(_SQUARE, _NOT_STRUCTURE).replace(b'""', b"")
    if b'"' in brackets:
        brackets = _STRINGS.sub(b"", brackets)
    for _ in range(MAX_DEPTH):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")
    # What is left over is deeper than allowed or not balanced; a few unbalanced brackets are the parser's to report.
    if brackets.count(b"[") > MAX_DEPTH or b"[]" in brackets:
        raise ContractViolation(
            "too-deep", "$", f"the message is nested deeper than {MAX_DEPTH} levels", "flatten the document"
        )


class _Pairs(list[tuple[str, Any]]):
    """An object with its duplicate keys still in it."""


class _Refused:
    """A number or constant that is not allowed, standing where it was found."""

    def __init__(self, code: str, message: str, fix: str) -> None:
        self.code, self.message, self.fix = code, message, fix


def _integer_or_refused(digits: str) -> object:
    try:
        return _integer(digits)
    except _FoundError:
        return _Refused(
            "number-too-large",
            f"an integer has {len(digits)} digits, allowed are {MAX_INTEGER_DIGITS}",
            "write it as a string",
        )


def _number_or_refused(digits: str) -> object:
    try:
        return _number(digits)
    except _FoundError:
        return _Refused("number-too-large", "a number is too large for a 64-bit float", "write it as a string")


def _constant_or_refused(name: str) -> object:
    return _Refused("not-a-number", f"{name} is not JSON", "write null or leave the field out")


def _refuse(text: str) -> NoReturn:
    tree = json.loads(
        text,
        object_pairs_hook=_Pairs,
        parse_constant=_constant_or_refused,
        parse_int=_integer_or_refused,
        parse_float=_number_or_refused,
    )
    stack: list[tuple[tuple[int | str, ...], Any]] = [((), tree)]
    while stack:
        location, value = stack.pop()
        if isinstance(value, _Refused):
            raise ContractViolation(value.code, path_of(location), value.message, value.fix)
        if isinstance(value, _Pairs):
            seen: set[str] = set()
            for key, _ in value:
                if key in seen:
                    raise ContractViolation(
                        "duplicate-key",
                        path_of((*location, key)),
                        "the key occurs twice in one object, so readers would disagree",
                        "keep one of the two",
                    )
                seen.add(key)
            stack.extend(((*location, key), inner) for key, inner in reversed(value))
        elif isinstance(value, list):
            stack.extend(((*location, index), inner) for index, inner in reversed(list(enumerate(value))))
    raise AssertionError("the second pass must find what the first one found")


def _check_surrogates(value: object) -> None:
    stack: list[tuple[tuple[int | str, ...], object]] = [((), value)]
    while stack:
        location, here = stack.pop()
        if isinstance(here, str):
            _check_text(here, location)
        elif isinstance(here, dict):
            for key, inner in here.items():
                _check_text(key, location)
                stack.append(((*location, key), inner))
        elif isinstance(here, list):
            stack.extend(((*location, index), inner) for index, inner in enumerate(here))


def _check_text(text: str, location: tuple[int | str, ...]) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ContractViolation(
            "bad-unicode",
            path_of(location),
            "a string has half a surrogate pair, which cannot be written again",
            "send the whole character",
        ) from error
