"""Checks an object against its structural schema, with the causes and messages that k8s.io/kube-openapi words.

Kept apart from ``schema`` because it is about refusals only: it never changes a value.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from worker.dev.kubernetes import formats
from worker.dev.kubernetes.status import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.dev.kubernetes.schema import Schema

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    for name in ("object", "array", "string", "integer", "number"):
        if isinstance(value, _TYPES[name]):
            return name
    return type(value).__name__


def _has_type(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[wanted])


def _shown(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _bad(path: str, value: Any, rule: str, reason: str = "FieldValueInvalid") -> Cause:
    return Cause(path or "<nil>", reason, f"Invalid value: {_shown(value)}: {path + ' ' if path else ''}in body {rule}")


def _wrong_type(path: str, value: Any, wanted: str) -> Cause:
    name = _type_name(value)
    return _bad(path, name, f'must be of type {wanted}: "{name}"', "FieldValueTypeInvalid")


def validate(schema: Schema, value: Any, path: str = "") -> list[Cause]:
    """Return one cause for each rule that a value breaks; empty when it is valid."""
    return [] if schema.trivial else list(_check(schema, value, path))


def _check(schema: Schema, value: Any, path: str) -> Iterator[Cause]:
    if value is None and (schema.nullable or not schema.type):
        return
    wanted = "integer,string" if schema.int_or_string else schema.type
    if schema.enum is not None and value not in schema.enum:
        allowed = ", ".join(_shown(one) for one in schema.enum)
        yield Cause(path, "FieldValueNotSupported", f"Unsupported value: {_shown(value)}: supported values: {allowed}")
    if wanted and not any(_has_type(value, one) for one in wanted.split(",")):
        yield _wrong_type(path, value, wanted)
        return
    if isinstance(value, dict):
        yield from _check_map(schema, value, path)
    elif isinstance(value, list):
        yield from _check_list(schema, value, path)
    elif isinstance(value, str):
        yield from _check_string(schema, value, path)
    elif not isinstance(value, bool):
        yield from _check_number(schema, value, path)
    yield from _check_logic(schema, value, path)


def _check_map(schema: Schema, value: dict[str, Any], path: str) -> Iterator[Cause]:
    prefix = f"{path}." if path else ""
    for name in schema.required:
        if name not in value:
            yield Cause(prefix + name, "FieldValueRequired", "Required value")
    count, limits = len(value), schema.limits
    if count < limits.get("minProperties", 0):
        yield _bad(path, count, f"should have at least {limits['minProperties']} properties")
    if count > limits.get("maxProperties", count):
        limit = limits["maxProperties"]
        yield Cause(path, "FieldValueTooMany", f"Too many: {count}: must have at most {limit} items")
    for name, item in value.items():
        child = schema.child(name)
        if child is not None and type(item) is not child.scalar:
            yield from validate(child, item, prefix + name)


def _check_list(schema: Schema, value: list[Any], path: str) -> Iterator[Cause]:
    count, limits = len(value), schema.limits
    if count < limits.get("minItems", 0):
        yield _bad(path, count, f"should have at least {limits['minItems']} items")
    if count > limits.get("maxItems", count):
        limit = limits["maxItems"]
        yield Cause(path, "FieldValueTooMany", f"Too many: {count}: must have at most {limit} items")
    if schema.list_type != "atomic":
        yield from _check_duplicates(schema, value, path)
    if schema.items is not None:
        for index, item in enumerate(value):
            yield from validate(schema.items, item, f"{path}[{index}]")


def _check_duplicates(schema: Schema, value: list[Any], path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, item in enumerate(value):
        key: Any = item
        if schema.list_type == "map":
            if not isinstance(item, dict):
                message = f"Invalid value: {_shown(item)}: must be an object for an array of list-type map"
                yield Cause(f"{path}[{index}]", "FieldValueInvalid", message)
                continue
            key = {name: item[name] for name in schema.list_keys if name in item}
        text = json.dumps(key, sort_keys=True, separators=(",", ":"))
        if text in seen:
            yield Cause(f"{path}[{index}]", "FieldValueDuplicate", f"Duplicate value: {text}")
        seen.add(text)


def _check_string(schema: Schema, value: str, path: str) -> Iterator[Cause]:
    """Check a string; of limits and pattern only the first that is broken is told."""
    limits = schema.limits
    if len(value) > limits.get("maxLength", len(value)):
        limit = limits["maxLength"]
        yield Cause(path, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")
    elif len(value) < limits.get("minLength", 0):
        yield _bad(path, value, f"should be at least {limits['minLength']} chars long")
    elif schema.pattern is not None and not schema.pattern.search(value):
        yield _bad(path, value, f"should match '{schema.pattern.pattern}'")
    if schema.format:
        try:
            formats.parse(schema.format, value)
        except ValueError:
            yield _bad(path, value, f"must be of type {schema.format}: {_shown(value)}", "FieldValueTypeInvalid")


def _check_number(schema: Schema, value: float, path: str) -> Iterator[Cause]:
    limits = schema.limits
    low, high = limits.get("minimum"), limits.get("maximum")
    if low is not None:
        if limits.get("exclusiveMinimum") and value <= low:
            yield _bad(path, value, f"should be greater than {low}")
        elif value < low:
            yield _bad(path, value, f"should be greater than or equal to {low}")
    if high is not None:
        if limits.get("exclusiveMaximum") and value >= high:
            yield _bad(path, value, f"should be less than {high}")
        elif value > high:
            yield _bad(path, value, f"should be less than or equal to {high}")
    step = limits.get("multipleOf")
    if step and value % step:
        yield _bad(path, value, f"should be a multiple of {step}")


def _check_logic(schema: Schema, value: Any, path: str) -> Iterator[Cause]:
    for part in schema.all_of:
        yield from validate(part, value, path)
    if schema.any_of and all(validate(part, value, path) for part in schema.any_of):
        yield _bad(path, value, "must validate at least one schema (anyOf)")
    if schema.one_of and sum(not validate(part, value, path) for part in schema.one_of) != 1:
        yield _bad(path, value, "must validate one and only one schema (oneOf)")
    if schema.negated is not None and not validate(schema.negated, value, path):
        yield _bad(path, value, "must not validate the schema (not)")
