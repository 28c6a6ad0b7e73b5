"""The functions that expressions may call: builtins of expr-lang, Argo's own, and a part of sprig.

Arguments come in the order of the original; sprig's text comes last because sprig was made for pipes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def go_json(value: Any) -> str:
    """Return JSON as Go's encoder writes it: compact, keys sorted, `<`, `>` and `&` escaped."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def go_text(value: Any) -> str:
    """Return what Go's `%v` prints of a value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "<nil>"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return go_json(value) if isinstance(value, dict | list) else str(value)


def _int(value: Any) -> int:
    return int(value, 10) if isinstance(value, str) else int(value)


def _empty(value: Any) -> bool:
    return not value


def _atoi(text: str) -> int:
    return int(text) if re.fullmatch(r"[-+]?\d+", text) else 0


def _b64dec(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        return str(error)  # sprig hands the error's text out as the value


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    return text.split(separator, limit - 1 if limit > 0 else -1)


def _replace(text: str, old: str, new: str, limit: int = -1) -> str:
    return text.replace(old, new, limit)


def _trunc(length: int, text: str) -> str:
    return text[length:] if length < 0 else text[:length]


def _from_json(text: str) -> Any:
    return json.loads(text)


BUILTINS: Mapping[str, Callable[..., Any]] = {
    "asFloat": float,
    "asInt": _int,
    "float": float,
    "first": lambda items: items[0] if items else None,
    "fromBase64": lambda text: base64.b64decode(text).decode(),
    "fromJSON": _from_json,
    "get": lambda values, key: values.get(key) if isinstance(values, dict) else None,
    "hasPrefix": str.startswith,
    "hasSuffix": str.endswith,
    "indexOf": str.find,
    "int": _int,
    "join": lambda items, separator="": separator.join(items),
    "keys": list,
    "last": lambda items: items[-1] if items else None,
    "len": len,
    "lower": str.lower,
    "max": max,
    "min": min,
    "repeat": lambda text, count: text * count,
    "replace": _replace,
    "split": _split,
    "string": go_text,
    "toBase64": lambda text: base64.b64encode(text.encode()).decode(),
    "toJSON": go_json,
    "toJson": go_json,
    "trim": lambda text, letters=None: text.strip(letters),
    "trimPrefix": str.removeprefix,
    "trimSuffix": str.removesuffix,
    "upper": str.upper,
    "values": lambda value: list(value.values()),
}

SPRIG: Mapping[str, Callable[..., Any]] = {
    "add": lambda *numbers: sum(map(_int, numbers)),
    "atoi": _atoi,
    "b64dec": _b64dec,
    "b64enc": lambda text: base64.b64encode(text.encode()).decode(),
    "coalesce": lambda *values: next((value for value in values if not _empty(value)), None),
    "contains": lambda part, text: part in text,
    "default": lambda fallback, value=None: fallback if _empty(value) else value,
    "dict": lambda *pairs: dict(zip(pairs[::2], pairs[1::2], strict=True)),
    "empty": _empty,
    "fromJson": _from_json,
    "get": lambda values, key: values.get(key, ""),
    "hasKey": lambda values, key: key in values,
    "hasPrefix": lambda prefix, text: text.startswith(prefix),
    "hasSuffix": lambda suffix, text: text.endswith(suffix),
    "int": _int,
    "join": lambda separator, items: separator.join(map(go_text, items)),
    "list": lambda *items: list(items),
    "lower": str.lower,
    "mustFromJson": _from_json,
    "mustToJson": go_json,
    "nospace": lambda text: re.sub(r"\s", "", text),
    "quote": lambda *values: " ".join(go_json(go_text(value)) for value in values if value is not None),
    "regexMatch": lambda pattern, text: re.search(pattern, text) is not None,
    "replace": lambda old, new, text: text.replace(old, new),
    "sha256sum": lambda text: hashlib.sha256(text.encode()).hexdigest(),
    "splitList": lambda separator, text: text.split(separator),
    "substr": lambda start, end, text: text[max(start, 0) :] if end < 0 else text[max(start, 0) : end],
    "ternary": lambda yes, no, test: yes if test else no,
    "toJson": go_json,
    "toString": go_text,
    "trim": str.strip,
    "trimAll": lambda letters, text: text.strip(letters),
    "trimPrefix": lambda prefix, text: text.removeprefix(prefix),
    "trimSuffix": lambda suffix, text: text.removesuffix(suffix),
    "trunc": _trunc,
    "upper": str.upper,
}
