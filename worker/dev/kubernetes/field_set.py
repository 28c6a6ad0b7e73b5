"""Sets of field paths, as ``managedFields`` stores them: trees in which a node may itself be a member.

Inside this package a member has the key ``"."``; the wire form (FieldsV1) writes a member without children as ``{}``.
Set operations on the expanded form need no special cases. Rules of paths: structured-merge-diff, ``fieldpath``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from worker.dev.kubernetes.schema import ANY, Schema

if TYPE_CHECKING:
    from worker.dev.kubernetes.objects import JsonObject

FieldSet: TypeAlias = dict[str, Any]

MEMBER = "."


def leaf() -> FieldSet:
    """Return a node that is a member and has no children."""
    return {MEMBER: {}}


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the paths that are in either set."""
    merged = dict(left)
    for key, child in right.items():
        merged[key] = {} if key == MEMBER else union(merged.get(key, {}), child)
    return merged


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the paths of the left set that are not in the right one."""
    kept: FieldSet = {}
    for key, child in left.items():
        if key not in right:
            kept[key] = child
        elif key != MEMBER and (rest := difference(child, right[key])):
            kept[key] = rest
    return kept


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the paths that are in both sets."""
    kept: FieldSet = {}
    for key, child in left.items():
        if key not in right:
            continue
        if key == MEMBER:
            kept[key] = {}
        elif common := intersection(child, right[key]):
            kept[key] = common
    return kept


def to_wire(fields: FieldSet) -> JsonObject:
    """Return the FieldsV1 form."""
    return {
        key: {} if key == MEMBER or child.keys() == {MEMBER} else to_wire(child)
        for key, child in sorted(fields.items())
    }


def from_wire(fields: JsonObject) -> FieldSet:
    """Return the expanded form of a FieldsV1."""
    return {key: {} if key == MEMBER else (from_wire(child) or leaf()) for key, child in fields.items()}


def item_key(schema: Schema, item: Any) -> str:
    """Return the path element of a list item: by value in a set, by its keys in a map."""
    if schema.list_type == "map" and isinstance(item, dict):
        keys = {name: item.get(name, _default(schema, name)) for name in sorted(schema.list_keys)}
        return "k:" + json.dumps(keys, separators=(",", ":"))
    return "v:" + json.dumps(item, separators=(",", ":"))


def _default(schema: Schema, name: str) -> Any:
    child = schema.items.child(name) if schema.items else None
    return child.default if child is not None and child.has_default else None


def is_granular(schema: Schema, value: Any) -> bool:
    """Tell whether the parts of a value are owned one by one."""
    if isinstance(value, dict):
        return not schema.atomic
    return isinstance(value, list) and schema.list_type != "atomic"


def children(schema: Schema, value: Any) -> dict[str, tuple[Schema, Any]]:
    """Return the parts of a granular value by path element, each with its schema."""
    if isinstance(value, dict):
        return {f"f:{name}": (schema.child(name) or ANY, item) for name, item in value.items()}
    return {item_key(schema, item): (schema.items or ANY, item) for item in value}


def of_value(schema: Schema, value: Any) -> FieldSet:
    """Return the paths that an applied configuration owns.

    Fields that a schema names own only their leaves; entries of open maps and list items are members themselves.
    """
    if not is_granular(schema, value):
        return leaf()
    fields: FieldSet = {}
    for element, (below, item) in children(schema, value).items():
        node = of_value(below, item)
        known = element.startswith("f:") and element[2:] in schema.properties
        if not known or item is None or item in ({}, []):
            node = union(node, leaf())
        fields[element] = node
    return fields


def describe(fields: FieldSet, prefix: str = "") -> list[str]:
    """Return the member paths as people read them: ``.spec.size``, ``.spec.ports[port=80]``."""
    found: list[str] = []
    for key, child in sorted(fields.items()):
        if key == MEMBER:
            continue
        path = prefix + _element(key)
        if MEMBER in child:
            found.append(path)
        found += describe(child, path)
    return found


def _element(key: str) -> str:
    kind, _, rest = key.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        pairs = ",".join(f"{name}={json.dumps(value)}" for name, value in json.loads(rest).items())
        return f"[{pairs}]"
    return f"[={rest}]"
