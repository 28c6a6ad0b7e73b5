"""Server-side apply: merge an intent into the live object, refuse conflicts, drop what its manager no longer wants.

The algorithm of sigs.k8s.io/structured-merge-diff ``merge.Updater.Apply``, over the schema's list and map types.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from worker.dev.kubernetes import field_set, status
from worker.dev.kubernetes.comparison import compare
from worker.dev.kubernetes.field_set import MEMBER, children, is_granular, item_key
from worker.dev.kubernetes.managed_fields import Entry, Manager, ownable, owned_schema, read, take, write
from worker.dev.kubernetes.metadata import go_type
from worker.dev.kubernetes.objects import now
from worker.dev.kubernetes.schema import ANY

if TYPE_CHECKING:
    from worker.dev.kubernetes.field_set import FieldSet
    from worker.dev.kubernetes.managed_fields import Managers
    from worker.dev.kubernetes.objects import JsonObject
    from worker.dev.kubernetes.registry import Resource
    from worker.dev.kubernetes.schema import Schema


_SCALARS: dict[str, tuple[str, tuple[type, ...]]] = {
    "integer": ("numeric (int or float)", (int, float)),
    "number": ("numeric (int or float)", (int, float)),
    "string": ("string", (str,)),
    "boolean": ("boolean", (bool,)),
    "object": ("map", (dict,)),
    "array": ("list", (list,)),
}


def check_typed(resource: Resource, intent: JsonObject) -> None:
    """Refuse an intent that does not fit the schema's shape.

    Unlike other writes, an apply is never pruned: a field that nobody can own cannot be applied.

    Raises:
        ApiError: 500 without a reason, which is how the real server answers here.
    """
    problems = _mistyped(owned_schema(resource), intent, "") if resource.schema is not None else []
    if problems:
        metadata = intent.get("metadata") or {}
        where = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
        kind = f"{intent.get('apiVersion')}, Kind={intent.get('kind')}"
        message = problems[0] if len(problems) == 1 else "errors:\n" + "\n".join(f"  {one}" for one in problems)
        raise status.ApiError(500, "", f"failed to create typed patch object ({where}; {kind}): {message}")


def _mistyped(schema: Schema, value: Any, path: str) -> list[str]:
    if value is None or schema.trivial:
        return []
    expected, types = _SCALARS.get(schema.type, ("", (object,)))
    wrong = not isinstance(value, types) or (isinstance(value, bool) and schema.type not in {"", "boolean"})
    if wrong and not schema.int_or_string:
        return [f"{path}: expected {expected}, got {go_type(value)}"]
    found: list[str] = []
    if isinstance(value, dict):
        for name, item in value.items():
            below = schema.child(name)
            if below is not None:
                found += _mistyped(below, item, f"{path}.{name}")
            elif not schema.preserve and not schema.embedded:
                found.append(f"{path}.{name}: field not declared in schema")
    elif isinstance(value, list) and schema.items is not None:
        for index, item in enumerate(value):
            found += _mistyped(schema.items, item, f"{path}[{index}]")
    return found


def apply(
    resource: Resource, live: JsonObject | None, intent: JsonObject, manager: str, subresource: str, *, force: bool
) -> JsonObject:
    """Return the object that results when a manager applies its intent; the arguments stay as they are.

    Raises:
        ApiError: 409 Conflict with one cause per field that another manager owns, unless forced.
    """
    schema = owned_schema(resource)
    key = Manager(manager, "Apply", resource.api_version, subresource)
    managers = read(live)
    before = managers.get(key, Entry({}, ""))
    wanted = field_set.of_value(schema, ownable(intent, resource, subresource))
    base: JsonObject = live if live is not None else {"metadata": {}}
    result: JsonObject = _merge(schema, base, intent)
    others = {other: entry for other, entry in managers.items() if other != key}
    given_up = field_set.difference(before.fields, wanted)
    for entry in others.values():
        given_up = field_set.difference(given_up, entry.fields)
    _remove(schema, result, given_up)
    changes = compare(schema, ownable(base, resource, subresource), ownable(result, resource, subresource))
    if not force:
        _refuse_conflicts(others, changes.written)
    take(managers, key, changes)
    managers[key] = before if before.fields == wanted else Entry(wanted, now())
    write(result, managers)
    return result


def _merge(schema: Schema, live: Any, intent: Any) -> Any:
    if not (is_granular(schema, live) and is_granular(schema, intent) and type(live) is type(intent)):
        return copy.deepcopy(intent)
    if isinstance(live, list):
        return _merge_lists(schema, live, intent)
    merged = dict(live)
    for element, (below, item) in children(schema, intent).items():
        name = element[2:]
        merged[name] = _merge(below, merged[name], item) if name in merged else copy.deepcopy(item)
    return merged


def _merge_lists(schema: Schema, live: list[Any], intent: list[Any]) -> list[Any]:
    """Keep live items in their order, changed where the intent has them, then the intent's new ones."""
    wanted = children(schema, intent)
    present = {item_key(schema, item) for item in live}
    merged = []
    for item in live:
        below = wanted.get(item_key(schema, item))
        merged.append(_merge(below[0], item, below[1]) if below else item)
    return merged + [copy.deepcopy(item) for item in intent if item_key(schema, item) not in present]


def _remove(schema: Schema, value: Any, fields: FieldSet) -> None:
    """Remove the given paths from a value in place; containers that this leaves empty go with them."""
    if isinstance(value, dict):
        for name in [name for name in value if f"f:{name}" in fields]:
            node = fields[f"f:{name}"]
            below = schema.child(name) or ANY
            if _emptied(below, value, name, node):
                del value[name]
    elif isinstance(value, list) and schema.list_type != "atomic":
        kept = [item for item in value if not _item_gone(schema, item, fields)]
        value[:] = kept


def _emptied(schema: Schema, parent: dict[str, Any], name: str, node: FieldSet) -> bool:
    item = parent[name]
    if not is_granular(schema, item):
        return MEMBER in node
    item = parent[name] = copy.copy(item)
    had = bool(item)
    _remove(schema, item, node)
    return not item and (had or MEMBER in node)


def _item_gone(schema: Schema, item: Any, fields: FieldSet) -> bool:
    node = fields.get(item_key(schema, item))
    if node is None:
        return False
    if MEMBER in node:
        return True
    if isinstance(item, dict):
        _remove(schema.items or ANY, item, node)
    return False


def _refuse_conflicts(others: Managers, written: FieldSet) -> None:
    conflicts = [
        (manager, path)
        for manager, entry in sorted(others.items(), key=lambda pair: pair[0])
        for path in field_set.describe(field_set.intersection(entry.fields, written))
    ]
    if not conflicts:
        return
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {_who(manager)}", "field": path}
        for manager, path in conflicts
    ]
    raise status.ApiError(409, "Conflict", _conflict_message(conflicts), details={"causes": causes})


def _who(manager: Manager) -> str:
    text = f'"{manager.name}"'
    if manager.subresource:
        text += f' with subresource "{manager.subresource}"'
    if manager.operation == "Update":
        text += f" using {manager.api_version}"
    return text


def _conflict_message(conflicts: list[tuple[Manager, str]]) -> str:
    if len(conflicts) == 1:
        manager, path = conflicts[0]
        return f"Apply failed with 1 conflict: conflict with {_who(manager)}: {path}"
    lines: list[str] = []
    shown: Manager | None = None
    for manager, path in conflicts:
        if manager != shown:
            lines.append(f"conflicts with {_who(manager)}:")
            shown = manager
        lines.append(f"- {path}")
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
