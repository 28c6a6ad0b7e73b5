"""Turn a claim's CRD into a JSON Schema (Draft 2020-12) for editors, CI and `scripts/validate-claim.sh`.

What the API server does beyond JSON Schema (CEL rules, unique items and keys of lists) stays in the schema under its
own `x-kubernetes-*` names, which validators ignore and `validate-claim.sh` carries out.
"""

from __future__ import annotations

import json
from typing import Any

from tools.platform_api.crds import Manifest, claim_crd

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_KEPT = frozenset(
    {
        "type", "description", "default", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems",
        "maxItems", "minProperties", "maxProperties", "required", "x-kubernetes-validations",
        "x-kubernetes-list-map-keys",
    }
)  # fmt: skip
#: Said by other words, or without meaning outside of the API server.
_DROPPED = frozenset({"properties", "additionalProperties", "items", "format", "x-kubernetes-list-type"})
_OPEN = "x-kubernetes-preserve-unknown-fields"
_STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}


def claim_schema(definition: Manifest) -> dict[str, Any]:
    """Return the schema of a claim in the definition's storage version.

    Raises:
        ValueError: The definition uses a keyword that nobody taught this function.
    """
    crd = claim_crd(definition)["spec"]
    version = next(version for version in crd["versions"] if version["storage"])
    root = version["schema"]["openAPIV3Schema"]
    schema = _translated(root)
    own = schema["properties"]
    own["apiVersion"] = {"const": f"{crd['group']}/{version['name']}", "description": "Version of this API."}
    own["kind"] = {"const": crd["names"]["kind"], "description": "Kind of the object."}
    own["metadata"] = _metadata(root["properties"]["metadata"]["properties"]["name"])
    return {
        "$schema": DIALECT,
        "title": crd["names"]["kind"],
        **schema,
        "required": ["apiVersion", "kind", "metadata", "spec"],
    }


def text(definition: Manifest) -> str:
    """Return the schema as it is published."""
    return json.dumps(claim_schema(definition), indent=2, ensure_ascii=False) + "\n"


def _metadata(name: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": "Kubernetes' metadata.",
        "required": ["name"],
        "properties": {
            "name": {"description": "Name of the claim, and of all that is made for it.", **name},
            "namespace": {"type": "string", "description": "Namespace of the claim, and of all that is made for it."},
            "labels": _STRINGS,
            "annotations": _STRINGS,
        },
    }


def _translated(source: Manifest) -> dict[str, Any]:
    if source.get("x-kubernetes-int-or-string"):
        source = {key: value for key, value in source.items() if key != "x-kubernetes-int-or-string"}
        source["type"] = ["integer", "string"]
    if "nullable" in source:
        source = {key: value for key, value in source.items() if key != "nullable"}
        if "type" in source:
            source["type"] = [source["type"], "null"]
    if unknown := source.keys() - _KEPT - _DROPPED - {_OPEN}:
        raise ValueError(f"no translation for {', '.join(sorted(unknown))}: teach tools/platform_api/json_schema.py")
    found = {key: value for key, value in source.items() if key in _KEPT}
    if source.get("x-kubernetes-list-type") == "set":
        found["x-kubernetes-list-type"] = "set"
    if "properties" in source:
        found["properties"] = {name: _translated(field) for name, field in source["properties"].items()}
        found["additionalProperties"] = bool(source.get(_OPEN))
    if "additionalProperties" in source:
        found["additionalProperties"] = _translated(source["additionalProperties"])
    if "items" in source:
        found["items"] = _translated(source["items"])
    return found
