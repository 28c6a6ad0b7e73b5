"""The managers of an object: ``metadata.managedFields`` read, changed by writes, and written back.

From k8s.io/apimachinery ``util/managedfields``: one entry per manager, operation, version and subresource; an update
takes what it changed away from everybody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from worker.dev.kubernetes import field_set
from worker.dev.kubernetes.comparison import Comparison, compare
from worker.dev.kubernetes.objects import now
from worker.dev.kubernetes.schema import ANY, Schema

if TYPE_CHECKING:
    from worker.dev.kubernetes.field_set import FieldSet
    from worker.dev.kubernetes.objects import JsonObject
    from worker.dev.kubernetes.registry import Resource

_UNOWNED_METADATA = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
)
_OBJECT_REFERENCES = Schema(
    type="array", list_type="map", list_keys=("uid",), items=Schema(type="object", atomic=True, preserve=True)
)
_STRINGS = Schema(type="object", additional=Schema(type="string"))
METADATA = Schema(
    type="object",
    preserve=True,
    properties={
        "labels": _STRINGS,
        "annotations": _STRINGS,
        "finalizers": Schema(type="array", list_type="set", items=Schema(type="string")),
        "ownerReferences": _OBJECT_REFERENCES,
        "generateName": Schema(type="string"),
    },
)


@dataclass(frozen=True, slots=True, order=True)
class Manager:
    """What identifies an entry of ``managedFields``."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""


@dataclass(slots=True)
class Entry:
    """The fields of one manager and when it changed them last."""

    fields: FieldSet
    time: str


Managers = dict[Manager, Entry]


def owned_schema(resource: Resource) -> Schema:
    """Return the schema that decides how fields of a resource are owned."""
    root = resource.schema or ANY
    properties = {**root.properties, "metadata": METADATA}
    return Schema(type="object", preserve=root.preserve, properties=properties, additional=root.additional)


def ownable(value: JsonObject, resource: Resource, subresource: str) -> JsonObject:
    """Return the part of an object that can have owners at all: no identity, and only one side of ``/status``."""
    kept: dict[str, Any] = {k: v for k, v in value.items() if k not in {"apiVersion", "kind", "metadata"}}
    metadata = {k: v for k, v in (value.get("metadata") or {}).items() if k not in _UNOWNED_METADATA}
    if metadata and not subresource:
        kept["metadata"] = metadata
    if resource.has_status and resource.custom:
        kept = {k: v for k, v in kept.items() if (k == "status") is (subresource == "status")}
    return kept


def read(value: JsonObject | None) -> Managers:
    """Return the managers that an object records."""
    if value is None:
        return {}
    return {
        Manager(e.get("manager", ""), e["operation"], e["apiVersion"], e.get("subresource", "")): Entry(
            field_set.from_wire(e["fieldsV1"]), e.get("time", "")
        )
        for e in value["metadata"].get("managedFields") or ()
    }


def write(value: JsonObject, managers: Managers) -> None:
    """Record managers in an object, applied ones first, then by time; those without fields are left out."""
    for entry in managers.values():
        _strip(entry.fields)
    ordered = sorted(
        ((manager, entry) for manager, entry in managers.items() if entry.fields),
        key=lambda pair: (pair[0].operation, pair[1].time, pair[0]),
    )
    entries = []
    for manager, entry in ordered:
        one = {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": manager.api_version,
            "time": entry.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": field_set.to_wire(entry.fields),
        }
        if manager.subresource:
            one["subresource"] = manager.subresource
        entries.append(one)
    if entries:
        value["metadata"]["managedFields"] = entries
    else:
        value["metadata"].pop("managedFields", None)


def _strip(fields: FieldSet) -> None:
    """Nobody owns ``metadata`` itself."""
    metadata = fields.get("f:metadata")
    if metadata is not None:
        metadata.pop(field_set.MEMBER, None)
        if not metadata:
            del fields["f:metadata"]


def take(managers: Managers, manager: Manager, changes: Comparison) -> None:
    """Let everybody but one manager lose what was written, and everybody what was removed."""
    lost = field_set.union(changes.written, changes.removed)
    for other, entry in managers.items():
        if other == manager:
            continue
        kept = field_set.difference(entry.fields, lost)
        if kept != entry.fields:
            managers[other] = Entry(kept, entry.time)


def track_update(resource: Resource, old: JsonObject | None, new: JsonObject, manager: str, subresource: str) -> None:
    """Write the managers of an object after a create, update or patch (all but server-side apply), in place."""
    wanted = new["metadata"].get("managedFields")
    if old is not None and wanted is not None and wanted in ([], [{}]):
        new["metadata"].pop("managedFields", None)  # an explicit reset, as the API documents it
        managers: Managers = {}
    else:
        managers = read(old)
    changes = compare(
        owned_schema(resource),
        ownable(old, resource, subresource) if old is not None else {},
        ownable(new, resource, subresource),
    )
    key = Manager(manager, "Update", resource.api_version, subresource)
    take(managers, key, changes)
    before = managers.get(key, Entry({}, ""))
    fields = field_set.difference(field_set.union(before.fields, changes.written), changes.removed)
    if fields != before.fields:
        managers[key] = Entry(fields, now())
    write(new, managers)
