"""CustomResourceDefinitions: checked, marked Established, and put to work at once.

A real server takes up to two seconds to serve a new kind; here it is served when the create returns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from worker.dev.kubernetes import status
from worker.dev.kubernetes.objects import JsonObject, encode, now
from worker.dev.kubernetes.registry import DEFINITIONS, Registry, Resource, resources_of
from worker.dev.kubernetes.schema import SchemaError
from worker.dev.kubernetes.status import Cause

if TYPE_CHECKING:
    from pathlib import Path

    from worker.dev.kubernetes.store import Store


def _required(causes: list[Cause], value: Any, path: str) -> None:
    if not value:
        causes.append(Cause(path, "FieldValueRequired", "Required value"))


def check(value: JsonObject) -> None:
    """Refuse a definition that could not be served.

    Raises:
        ApiError: 422 with one cause per field.
    """
    spec = value.get("spec") or {}
    names = spec.get("names") or {}
    causes: list[Cause] = []
    for name in ("group", "scope", "versions"):
        _required(causes, spec.get(name), f"spec.{name}")
    for name in ("plural", "kind"):
        _required(causes, names.get(name), f"spec.names.{name}")
    for index, version in enumerate(spec.get("versions") or ()):
        _required(causes, (version.get("schema") or {}).get("openAPIV3Schema"), f"spec.versions[{index}].schema")
    expected = f"{names.get('plural')}.{spec.get('group')}"
    name = value.get("metadata", {}).get("name", "")
    if name != expected:
        message = f'Invalid value: "{name}": must be spec.names.plural+"."+spec.group'
        causes.append(Cause("metadata.name", "FieldValueInvalid", message))
    if causes:
        raise status.invalid(DEFINITIONS, name, causes)


def complete(value: JsonObject) -> JsonObject:
    """Write the defaults of names in place; returns the status of an established definition."""
    spec = value["spec"]
    names = spec["names"]
    names.setdefault("singular", names["kind"].lower())
    names.setdefault("listKind", f"{names['kind']}List")
    spec.setdefault("conversion", {"strategy": "None"})
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": now(), "reason": reason, "message": message}
        for kind, reason, message in (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
    ]
    value.pop("status", None)
    return {
        "conditions": conditions,
        "acceptedNames": names,
        "storedVersions": [version["name"] for version in spec["versions"] if version.get("storage")],
    }


class Definitions:
    """Keeps registry and store in step with the definitions."""

    def __init__(self, registry: Registry, store: Store) -> None:
        """Serve definitions through a registry."""
        self._registry = registry
        self._store = store
        self._last: tuple[bytes, list[Resource]] = (b"", [])

    def prepare(self, value: JsonObject) -> JsonObject:
        """Check and complete a definition that is about to be stored.

        Returns:
            The fields that the server adds to it.

        Raises:
            ApiError: 422 when it cannot be served.
        """
        check(value)
        return {"status": complete(value)}

    def compiled(self, value: JsonObject) -> list[Resource]:
        """Return what a definition declares; that of the last one asked about is at hand.

        Raises:
            ApiError: 422 when a schema or a rule in it cannot be compiled.
        """
        spec = encode(value["spec"])
        if self._last[0] != spec:
            try:
                self._last = (spec, resources_of(value))
            except SchemaError as error:
                cause = Cause("spec.versions", "FieldValueInvalid", f"Invalid value: {error}")
                causes = error.causes or [cause]
                raise status.invalid(DEFINITIONS, value["metadata"]["name"], causes) from error
        return self._last[1]

    def serve(self, value: JsonObject) -> list[Resource]:
        """Begin to serve a stored definition.

        Raises:
            ApiError: 422 when its schema cannot be compiled.
        """
        made = self.compiled(value)
        self._registry.define(made)
        for resource in made:
            self._store.open(resource.key)
        return made

    def drop(self, value: JsonObject) -> None:
        """Stop serving a deleted definition; its objects go with it."""
        group, plural = value["spec"]["group"], value["spec"]["names"]["plural"]
        self._registry.forget(group, plural)
        self._store.close((group, plural))


def load_folder(folder: Path) -> list[JsonObject]:
    """Return the definitions in the YAML files of a folder, in name order; none when it does not exist."""
    found: list[JsonObject] = []
    for path in sorted(folder.glob("*.y*ml")) if folder.is_dir() else ():
        documents = yaml.safe_load_all(path.read_text(encoding="utf-8"))
        found += [d for d in documents if isinstance(d, dict) and d.get("kind") == DEFINITIONS.kind]
    return found
