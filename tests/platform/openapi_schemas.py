"""JSON Schemas for kubeconform, made from what a running API server publishes about its kinds, CRDs among them.

The schemas that kubeconform would fetch lag behind and know no CRDs; the server's own are those of the version under
test. They are closed (`additionalProperties: false`), because `-strict` is about fields that nobody knows.
"""

from __future__ import annotations

import copy
import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.support.control_plane_api import ControlPlaneApi

Schema = dict[str, Any]
#: Of kubeconform: how it finds the file of a kind.
LOCATION = "{{.ResourceKind}}-{{.Group}}-{{.ResourceAPIVersion}}.json"
_TIMEOUT = 30.0
_POLL = 0.1


def write_schemas(api: ControlPlaneApi, kinds: Iterable[tuple[str, str]], folder: Path) -> None:
    """Write a schema file for each kind.

    Args:
        api: The server, which serves the kinds.
        kinds: apiVersion and kind of each.
        folder: Where the files go; `LOCATION` names them.

    Raises:
        TimeoutError: the server does not publish a kind within 30 s.
    """
    for version, kind in kinds:
        definitions = _definitions(api, version, kind)
        group, _, plain = version.rpartition("/")
        (name,) = (name for name, schema in definitions.items() if _is_of(schema, group, plain, kind))
        # To kubeconform the group of `v1` is `v1`.
        path = folder / f"{kind.lower()}-{group or plain}-{plain}.json"
        path.write_text(json.dumps({"$ref": f"#/definitions/{name}", "definitions": definitions}))


def _definitions(api: ControlPlaneApi, version: str, kind: str) -> dict[str, Schema]:
    """Return all schemas of a group's version, with references as JSON Schema has them, once the kind is among them."""
    path = f"/openapi/v3/{'apis' if '/' in version else 'api'}/{version}"
    group, _, plain = version.rpartition("/")
    deadline = time.monotonic() + _TIMEOUT
    while True:
        answer = api.request("GET", path)
        if answer.status == 200:
            text = json.dumps(answer.body["components"]["schemas"]).replace("#/components/schemas/", "#/definitions/")
            definitions: dict[str, Schema] = json.loads(text)
            if any(_is_of(schema, group, plain, kind) for schema in definitions.values()):
                return {name: closed(schema) for name, schema in definitions.items()}
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} does not publish {kind}: {answer.status}")
        time.sleep(_POLL)


def _is_of(schema: Schema, group: str, version: str, kind: str) -> bool:
    wanted = {"group": group, "version": version, "kind": kind}
    return "kind" in schema.get("properties", {}) and wanted in schema.get("x-kubernetes-group-version-kind", [])


def closed(schema: Schema) -> Schema:
    """Return a schema of OpenAPI as JSON Schema: closed, with Kubernetes' integers-or-strings and nulls spelled out."""
    made = copy.copy(schema)
    if made.get("x-kubernetes-int-or-string") or made.get("format") == "int-or-string":
        made.pop("type", None)
        made.pop("format", None)
        made["anyOf"] = [{"type": "string"}, {"type": "integer"}]
    elif made.pop("nullable", False) and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    made.pop("default", None)
    if "properties" in made:
        made["properties"] = {name: closed(inner) for name, inner in made["properties"].items()}
        if not made.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    for word in ("items", "additionalProperties"):
        if isinstance(made.get(word), dict):
            made[word] = closed(made[word])
    for word in ("allOf", "anyOf", "oneOf"):
        if word in made:
            made[word] = [closed(inner) for inner in made[word]]
    return made
