"""The suite's own kinds: Widget has a status subresource, Gadget (like Argo's Workflow) has none."""

from __future__ import annotations

from typing import Any

GROUP = "suite.platform.io"

_STRINGS = {"type": "array", "items": {"type": "string"}}
_PORT = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "number": {"type": "integer"}},
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 9},
                "mode": {"type": "string", "enum": ["small", "large"], "default": "small"},
                "code": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 5},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "tags": {"type": "object", "additionalProperties": {"type": "string"}},
                "words": {**_STRINGS, "x-kubernetes-list-type": "set"},
                "lines": {**_STRINGS, "maxItems": 3},
                "ports": {
                    "type": "array",
                    "items": _PORT,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                },
                "nested": {
                    "type": "object",
                    "properties": {"left": {"type": "string"}, "right": {"type": "string", "default": "R"}},
                },
            },
        },
        "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
    },
}


def definition(plural: str, kind: str, *, status: bool, schema: dict[str, Any] = SCHEMA) -> dict[str, Any]:
    version: dict[str, Any] = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    if status:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [version],
        },
    }


DEFINITIONS = (definition("widgets", "Widget", status=True), definition("gadgets", "Gadget", status=False))


def _object(kind: str, name: str, spec: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
    named = {"name": name, **metadata} if name else metadata
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": named, "spec": spec}


def widget(name: str = "", **spec: Any) -> dict[str, Any]:
    return _object("Widget", name, {"size": 1, **spec}, {})


def gadget(name: str, **metadata: Any) -> dict[str, Any]:
    return _object("Gadget", name, {"size": 1}, metadata)


def intent(name: str, **spec: Any) -> dict[str, Any]:
    """A Widget that says only what is given: for server-side apply."""
    return _object("Widget", name, spec, {})
