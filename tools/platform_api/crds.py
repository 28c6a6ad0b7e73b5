"""Turn a definition (XRD) into the two CustomResourceDefinitions that Crossplane would make of it.

So the API can be tested on a bare API server: defaults, patterns and CEL rules run as in a cluster with Crossplane.
What Crossplane leaves out of a definition (a default of `spec` as a whole, say) is left out here too.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import yaml

from tools.platform_api import crossplane_fields
from tools.platform_api.apis import EVENT_DRIVEN_SERVICE

if TYPE_CHECKING:
    from tools.platform_api.apis import Api

#: Longest name of either kind: names are used as label values.
_NAME_LENGTH = 63

#: Words of `spec` and `status` as wholes that Crossplane hands on; a default is not among them.
_KEPT = ("description", "required", "x-kubernetes-validations", "oneOf")

Manifest = dict[str, Any]


def load_definition(api: Api = EVENT_DRIVEN_SERVICE) -> Manifest:
    """Return the definition of an API.

    Raises:
        OSError: It cannot be read.
        yaml.YAMLError: It is not YAML.
    """
    found: Manifest = yaml.safe_load(api.definition.read_text(encoding="utf-8"))
    return found


def composite_crd(definition: Manifest) -> Manifest:
    """Return the cluster-scoped CRD of the composite resource."""
    spec = definition["spec"]
    added = crossplane_fields.composite_spec(spec.get("defaultCompositionUpdatePolicy"))
    return _crd(definition, spec["names"], "Cluster", "composite", added)


def claim_crd(definition: Manifest) -> Manifest:
    """Return the namespaced CRD of the claim."""
    spec = definition["spec"]
    added = crossplane_fields.claim_spec(spec.get("defaultCompositeDeletePolicy"))
    return _crd(definition, spec["claimNames"], "Namespaced", "claim", added)


def _crd(definition: Manifest, names: Manifest, scope: str, category: str, added: Manifest) -> Manifest:
    spec = definition["spec"]
    metadata: Manifest = {"name": f"{names['plural']}.{spec['group']}"}
    for key in ("labels", "annotations"):
        inherited = dict(definition["metadata"].get(key, {})) if key == "labels" else {}
        if found := inherited | spec.get("metadata", {}).get(key, {}):
            metadata[key] = found
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": {
            "group": spec["group"],
            "scope": scope,
            "names": {**names, "categories": [*names.get("categories", []), category]},
            "versions": [_version(version, added, claim=category == "claim") for version in spec["versions"]],
        },
    }


def _version(version: Manifest, added: Manifest, *, claim: bool) -> Manifest:
    source = copy.deepcopy(version["schema"]["openAPIV3Schema"])
    own = source["properties"]
    root: Manifest = {
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": _name(own)}},
            "spec": _part(
                own.get("spec", {}),
                added,
                (*_KEPT, "x-kubernetes-preserve-unknown-fields"),
            ),
            "status": _part(
                own.get("status", {}),
                crossplane_fields.status(),
                _KEPT,
            ),
        },
    }
    root |= {key: source[key] for key in ("description", "x-kubernetes-validations") if key in source}
    made: Manifest = {
        "name": version["name"],
        "served": version["served"],
        "storage": version["referenceable"],
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            *version.get("additionalPrinterColumns", []),
            *crossplane_fields.printer_columns(claim=claim),
        ],
        "schema": {"openAPIV3Schema": root},
    }
    return made | {key: version[key] for key in ("deprecated", "deprecationWarning") if key in version}


def _name(properties: Manifest) -> Manifest:
    own = properties.get("metadata", {}).get("properties", {}).get("name", {})
    return {"type": "string", **own, "maxLength": min(own.get("maxLength", _NAME_LENGTH), _NAME_LENGTH)}


def _part(source: Manifest, added: Manifest, kept: tuple[str, ...]) -> Manifest:
    part: Manifest = {"type": "object", "properties": {**source.get("properties", {}), **copy.deepcopy(added)}}
    return part | {key: source[key] for key in kept if key in source}
