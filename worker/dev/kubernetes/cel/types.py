"""CEL types of schemas: what the compiler holds an expression against, so that a wrong field name is found at once.

Objects become protobuf messages, for these are the only structures with named fields that the compiler knows. They
are never filled: evaluation is about maps (see ``values``). Which schemas have a type is what Kubernetes'
``SchemaDeclType`` says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, struct_pb2, timestamp_pb2

from worker.dev.kubernetes.cel.names import escaped

if TYPE_CHECKING:
    from collections.abc import Collection

    from worker.dev.kubernetes.schema import Schema

_Field = descriptor_pb2.FieldDescriptorProto
_WELL_KNOWN = (struct_pb2, timestamp_pb2, duration_pb2)
_FILE = "types.proto"
_STRINGS = {"byte": "bytes", "duration": "duration", "date": "timestamp", "date-time": "timestamp"}
_SCALARS = {"boolean": "bool", "integer": "int", "number": "double"}
_FIELD_TYPES = {
    "bool": _Field.TYPE_BOOL,
    "int": _Field.TYPE_INT64,
    "double": _Field.TYPE_DOUBLE,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}
#: What a message's field is where no field can have the type itself; all of them are looser, none is stricter.
_MESSAGES = {
    "timestamp": "google.protobuf.Timestamp",
    "duration": "google.protobuf.Duration",
    "dyn": "google.protobuf.Value",
    "list": "google.protobuf.ListValue",
    "map": "google.protobuf.Struct",
}


@dataclass(frozen=True, slots=True)
class CelType:
    """One type: a scalar's name, ``list`` or ``map`` with the type of what is in it, or the name of a message."""

    name: str
    element: CelType | None = None

    def __str__(self) -> str:
        """Return the signature that the compiler reads."""
        if self.element is None:
            return self.name
        return f"list<{self.element}>" if self.name == "list" else f"map<string, {self.element}>"


@dataclass(slots=True)
class Types:
    """The types of one resource's schemas, and the messages that they are made of."""

    _messages: list[descriptor_pb2.DescriptorProto] = field(default_factory=list)
    _known: dict[int, CelType] = field(default_factory=dict)

    def of(self, schema: Schema) -> CelType | None:
        """Return the type of a schema, or None when expressions cannot be about it; the same for the same schema."""
        if id(schema) in self._known:
            return self._known[id(schema)]
        made = self._of(schema)
        if made is not None:
            self._known[id(schema)] = made
        return made

    def pool(self) -> descriptor_pool.DescriptorPool:
        """Return the messages of all types so far, with those that protobuf itself brings."""
        pool = base_pool()
        file = descriptor_pb2.FileDescriptorProto(name=_FILE, syntax="proto2")
        file.dependency.extend(module.DESCRIPTOR.name for module in _WELL_KNOWN)
        file.message_type.extend(self._messages)
        pool.Add(file)
        return pool

    def _of(self, schema: Schema) -> CelType | None:
        if schema.int_or_string:
            return CelType("dyn")
        if schema.type == "string":
            return CelType(_STRINGS.get(schema.format, "string"))
        if schema.type == "array":
            return self._collection("list", schema.items)
        if schema.type != "object":
            return CelType(_SCALARS[schema.type]) if schema.type in _SCALARS else None
        if schema.additional is not None:
            return self._collection("map", schema.additional)
        return self._message(schema)

    def _collection(self, name: str, items: Schema | None) -> CelType | None:
        element = self.of(items) if items is not None else None
        return CelType(name, element) if element is not None else None

    def _message(self, schema: Schema) -> CelType:
        message = descriptor_pb2.DescriptorProto(name=f"Object{len(self._messages)}")
        message.options.deprecated_legacy_json_field_conflicts = True  # JSON never meets these messages
        self._messages.append(message)
        found = {escaped(name): self.of(child) for name, child in schema.properties.items()}
        fields = {name: of for name, of in found.items() if name is not None and of is not None}
        for name, of in fields.items():
            _add_field(message, name, of, fields.keys())
        return CelType(message.name)


def base_pool() -> descriptor_pool.DescriptorPool:
    """Return a pool with the messages that stand for timestamps, durations and values of any type."""
    pool = descriptor_pool.DescriptorPool()
    for module in _WELL_KNOWN:
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        pool.Add(file)
    return pool


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, of: CelType, names: Collection[str]) -> None:
    element = of.element if of.element is not None and of.element.element is None else None
    # Protobuf wants this name for what is in a map, and no other.
    entry_name = "".join(word[:1].upper() + word[1:] for word in name.split("_")) + "Entry"
    if element is None:
        _typed(message, name, of)
    elif of.name == "list":
        _typed(message, name, element, repeated=True)
    elif not entry_name.isidentifier() or entry_name in {*names, *(other.name for other in message.nested_type)}:
        _typed(message, name, CelType("map"))
    else:
        entry = message.nested_type.add(name=entry_name)
        entry.options.map_entry = True
        _typed(entry, "key", CelType("string"))
        _typed(entry, "value", element)
        _typed(message, name, CelType(f"{message.name}.{entry_name}"), repeated=True)


def _typed(message: descriptor_pb2.DescriptorProto, name: str, of: CelType, *, repeated: bool = False) -> None:
    number = len(message.field) + 1
    label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    made = message.field.add(name=name, number=number, label=label, json_name=f"f{number}")
    if of.name in _FIELD_TYPES:
        made.type = _FIELD_TYPES[of.name]
    else:
        made.type = _Field.TYPE_MESSAGE
        made.type_name = f".{_MESSAGES.get(of.name, of.name)}"
