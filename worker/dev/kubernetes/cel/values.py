"""Values of objects as expressions see them: maps with escaped names, numbers and formats of the schema's type.

What ``UnstructuredToVal`` of k8s.io/apiserver makes of an object, in values that cel-expr-python converts further.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import TYPE_CHECKING, Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from worker.dev.kubernetes import formats
from worker.dev.kubernetes.cel.names import escaped

if TYPE_CHECKING:
    from worker.dev.kubernetes.schema import Schema

_INTEGERS = range(-(2**63), 2**63)
#: Half of a surrogate pair, and NUL: the one has no UTF-8, the other ends a string in the library's C++.
_UNFIT = re.compile("[\ud800-\udfff\0]")


def view(schema: Schema, value: Any) -> Any:
    """Return a value as expressions see it; values that do not fit their schema stay what they are."""
    if isinstance(value, dict):
        return _map_view(schema, value)
    if isinstance(value, list):
        items = schema.items
        return [view(items, item) for item in value] if items is not None else [_plain(item) for item in value]
    if isinstance(value, str) and schema.format and schema.type == "string":
        return _formatted(schema.format, value)
    if schema.type == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return _plain(value)


def aligned(schema: Schema, old: Any, new: Any) -> Any:
    """Return an old value with its sets and maps in the order of the new one's, for their order means nothing.

    Kubernetes compares such lists without regard to order; here they are lists like any other to an expression.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        children = {name: schema.child(name) for name in old}
        return {
            name: item if (child := children[name]) is None else aligned(child, item, new.get(name))
            for name, item in old.items()
        }
    if not (isinstance(old, list) and isinstance(new, list) and schema.items is not None):
        return old
    if schema.list_type == "atomic":
        return old
    places = {_identity(schema, item): place for place, item in enumerate(new)}
    ordered = sorted(old, key=lambda item: places.get(_identity(schema, item), len(new)))
    found = {_identity(schema, item): item for item in new}
    return [aligned(schema.items, item, found.get(_identity(schema, item))) for item in ordered]


def _identity(schema: Schema, item: Any) -> str:
    if schema.list_type == "map" and isinstance(item, dict):
        item = [item.get(name) for name in schema.list_keys]
    return json.dumps(item, sort_keys=True)


def _map_view(schema: Schema, value: dict[str, Any]) -> dict[str, Any]:
    if schema.additional is not None:
        return {_text(name): view(schema.additional, item) for name, item in value.items()}
    seen: dict[str, Any] = {}
    for name, item in value.items():
        child = schema.properties.get(name)
        if child is not None:
            seen[escaped(name) or _text(name)] = view(child, item)
        elif schema.preserve:
            seen[_text(name)] = _plain(item)
    return seen


def _plain(value: Any) -> Any:
    """Return a value about which no schema says anything, fit for the library."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {_text(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, int) and value not in _INTEGERS:
        return float(value)  # as Go's decoder reads it
    return value


def _text(value: str) -> str:
    return value if value.isascii() and "\0" not in value else _UNFIT.sub("\ufffd", value)


def _formatted(name: str, value: str) -> Any:
    try:
        parsed = formats.parse(name, value)
    except ValueError:
        return _text(value)  # which the schema refuses
    if isinstance(parsed, dt.datetime):
        moment = Timestamp()
        moment.FromDatetime(parsed)
        return moment
    if isinstance(parsed, dt.timedelta):
        duration = Duration()
        duration.FromTimedelta(parsed)
        return duration
    return _text(value) if parsed is None else parsed
