"""Structural schemas of custom resources: compiled once, then used to prune, default, and merge objects.

The rules are those of apiextensions.k8s.io/v1: unknown fields are pruned unless the schema preserves them, defaults
are applied to missing fields, lists and maps are atomic or granular by their ``x-kubernetes-*-type``. Rules in CEL
(``x-kubernetes-validations``) are kept as they are: ``cel`` compiles them.
"""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass, field
from re import Pattern
from re import compile as compile_pattern
from re import error as PatternError  # noqa: N812 - the module is named like what it holds
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.dev.kubernetes.status import Cause

_NO_DEFAULT: Any = object()
_VALUE_KEYS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "uniqueItems",
)


_Scalar: TypeAlias = type[str] | type[int] | type[bool]
_SCALARS: dict[str, _Scalar] = {"string": str, "integer": int, "boolean": bool}


class SchemaError(ValueError):
    """A schema that no API server would accept.

    Attributes:
        causes: each part of it that is wrong, where that is known.
    """

    def __init__(self, message: str, causes: Sequence[Cause] = ()) -> None:
        super().__init__(message)
        self.causes = tuple(causes)


@dataclass(slots=True)
class Schema:
    """One node of a structural schema.

    Attributes:
        type: JSON Schema type, or "" when any type is allowed.
        preserve: whether unknown fields survive.
        list_type: ``atomic`` (default), ``set`` or ``map``.
        atomic: whether a map is owned as a whole in server-side apply.
        limits: numeric limits by JSON Schema keyword.
        trivial: nothing below this node can change or refuse a value.
        scalar: Python type whose values satisfy the node without a further look, or None.
        defaulted: names of the properties with a default.
        rules: CEL rules as they are written.
        ruled: whether there are rules here or below.
    """

    type: str = ""
    format: str = ""
    nullable: bool = False
    preserve: bool = False
    embedded: bool = False
    int_or_string: bool = False
    list_type: str = "atomic"
    list_keys: tuple[str, ...] = ()
    atomic: bool = False
    default: Any = _NO_DEFAULT
    required: tuple[str, ...] = ()
    enum: tuple[Any, ...] | None = None
    pattern: Pattern[str] | None = None
    limits: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Schema] = field(default_factory=dict)
    additional: Schema | None = None
    items: Schema | None = None
    all_of: tuple[Schema, ...] = ()
    any_of: tuple[Schema, ...] = ()
    one_of: tuple[Schema, ...] = ()
    negated: Schema | None = None
    trivial: bool = False
    scalar: _Scalar | None = None
    defaulted: tuple[str, ...] = ()
    rules: tuple[dict[str, Any], ...] = ()
    ruled: bool = False

    @property
    def has_default(self) -> bool:
        """Whether the node declares a default (null counts)."""
        return self.default is not _NO_DEFAULT

    @classmethod
    def of_resource(cls, openapi: dict[str, Any]) -> Schema:
        """Compile the root schema of a custom resource; apiVersion, kind and metadata are always known fields."""
        root = cls.of(openapi)
        for name in ("apiVersion", "kind"):
            root.properties.setdefault(name, cls(type="string"))
        metadata = root.properties.get("metadata", ANY)
        root.properties["metadata"] = dataclasses.replace(
            metadata, type="object", preserve=True, trivial=not metadata.properties
        )
        return root

    @classmethod
    def of(cls, openapi: dict[str, Any]) -> Schema:
        """Compile one node.

        Raises:
            SchemaError: an unusable pattern or list type.
        """
        try:
            pattern = compile_pattern(openapi["pattern"]) if "pattern" in openapi else None
        except PatternError as error:
            raise SchemaError(f"pattern {openapi['pattern']!r} is no regular expression: {error}") from error
        additional = openapi.get("additionalProperties")
        node = cls(
            type=openapi.get("type", ""),
            format=openapi.get("format", ""),
            nullable=bool(openapi.get("nullable")),
            preserve=bool(openapi.get("x-kubernetes-preserve-unknown-fields")) or additional is True,
            embedded=bool(openapi.get("x-kubernetes-embedded-resource")),
            int_or_string=bool(openapi.get("x-kubernetes-int-or-string")),
            list_type=openapi.get("x-kubernetes-list-type", "atomic"),
            list_keys=tuple(openapi.get("x-kubernetes-list-map-keys", ())),
            atomic=openapi.get("x-kubernetes-map-type") == "atomic",
            default=openapi.get("default", _NO_DEFAULT),
            required=tuple(openapi.get("required", ())),
            enum=tuple(openapi["enum"]) if "enum" in openapi else None,
            pattern=pattern,
            limits={key: openapi[key] for key in _VALUE_KEYS if key in openapi},
            properties={name: cls.of(child) for name, child in openapi.get("properties", {}).items()},
            additional=cls.of(additional) if isinstance(additional, dict) else None,
            items=cls.of(openapi["items"]) if isinstance(openapi.get("items"), dict) else None,
            all_of=tuple(cls.of(child) for child in openapi.get("allOf", ())),
            any_of=tuple(cls.of(child) for child in openapi.get("anyOf", ())),
            one_of=tuple(cls.of(child) for child in openapi.get("oneOf", ())),
            negated=cls.of(openapi["not"]) if isinstance(openapi.get("not"), dict) else None,
            rules=tuple(openapi.get("x-kubernetes-validations") or ()),
        )
        if node.list_type not in {"atomic", "set", "map"}:
            raise SchemaError(f"x-kubernetes-list-type {node.list_type!r} is none of atomic, set, map")
        node.defaulted = tuple(name for name, child in node.properties.items() if child.has_default)
        logic = [*node.all_of, *node.any_of, *node.one_of, *([node.negated] if node.negated else [])]
        below = [*node.properties.values(), node.additional, node.items, *logic]
        node.ruled = bool(node.rules) or any(child.ruled for child in below if child is not None)
        limited = node.enum is not None or node.pattern or node.limits or node.int_or_string or node.format
        if not (limited or logic):
            node.scalar = _SCALARS.get(node.type)
        return node

    def child(self, name: str) -> Schema | None:
        """Return the schema of a field of a map, or None when the schema does not know it."""
        return self.properties.get(name) or self.additional

    def prune(self, value: Any, path: str = "") -> list[str]:
        """Remove unknown fields in place.

        Returns:
            Paths of what was removed, such as ``spec.replcas``.
        """
        if self.trivial:
            return []
        if isinstance(value, list):
            return self._prune_list(value, path)
        return self._prune_map(value, path) if isinstance(value, dict) else []

    def _prune_list(self, value: list[Any], path: str) -> list[str]:
        removed: list[str] = []
        if self.items is not None:
            for index, item in enumerate(value):
                removed += self.items.prune(item, f"{path}[{index}]")
        return removed

    def _prune_map(self, value: dict[str, Any], path: str) -> list[str]:
        removed: list[str] = []
        for name, item in list(value.items()):
            child = self.properties.get(name) or self.additional
            if child is not None:
                if isinstance(item, dict | list):
                    removed += child.prune(item, f"{path}.{name}" if path else name)
            elif not self.preserve and not (self.embedded and name in {"apiVersion", "kind", "metadata"}):
                del value[name]
                removed.append(f"{path}.{name}" if path else name)
        return removed

    def fill(self, value: Any) -> None:
        """Apply defaults in place, and drop nulls of fields that are not nullable, as the real server does."""
        if self.trivial:
            return
        if isinstance(value, list) and self.items is not None:
            for item in value:
                self.items.fill(item)
        elif isinstance(value, dict):
            self._fill_map(value)

    def _fill_map(self, value: dict[str, Any]) -> None:
        for name in [name for name, item in value.items() if item is None]:
            child = self.properties.get(name)
            if child is not None and not child.nullable and child.type:
                del value[name]  # and its default is applied below, if it has one
        for name in self.defaulted:
            if name not in value:
                value[name] = copy.deepcopy(self.properties[name].default)
        for name, item in value.items():
            if isinstance(item, dict | list):
                child = self.properties.get(name) or self.additional
                if child is not None:
                    child.fill(item)


ANY = Schema(preserve=True, trivial=True)
"""Schema of values that nothing is known about: maps are granular, lists atomic."""
