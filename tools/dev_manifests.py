"""The part of the platform that dev mode installs into its API: claims as CRDs, WorkflowTemplates, their rights.

They are copied into the package, converted to JSON: a wheel does not have `platform/`, and the demo reads them at every
start. `tools.crds` writes them and compares them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from contracts.templates import TEMPLATES
from tools.platform_api.crds import claim_crd

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "worker" / "dev" / "manifests"
_DEFINITIONS = ROOT / "platform" / "04-apis" / "definitions"
_WORKFLOWS = ROOT / "platform" / "05-workflows"

Manifest = dict[str, Any]

_ANYTHING: Manifest = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def manifests() -> dict[str, Manifest]:
    """Return the objects by file name."""
    found: dict[str, Manifest] = {}
    claims = {claim for template in TEMPLATES.values() for claim in template.claims}
    for path in sorted(_DEFINITIONS.glob("*.yaml")):
        definition = yaml.safe_load(path.read_text(encoding="utf-8"))
        if definition["spec"].get("claimNames", {}).get("kind") in claims:
            crd = claim_crd(definition)
            found[f"crd-{crd['metadata']['name']}.json"] = crd
    for crd in (_service_monitor(), _service_binding()):
        found[f"crd-{crd['metadata']['name']}.json"] = crd
    for path in sorted([*_WORKFLOWS.glob("templates/*.yaml"), *_WORKFLOWS.glob("rbac.yaml")]):
        for one in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if one:
                found[f"{one['kind'].lower()}-{one['metadata']['name']}.json"] = one
    return found


def files() -> dict[Path, str]:
    """Return the contents of the files by path."""
    return {
        FOLDER / name: json.dumps(value, indent=1, ensure_ascii=False) + "\n" for name, value in manifests().items()
    }


def strangers() -> list[Path]:
    """Return files of the folder that nobody generates any more."""
    return sorted(set(FOLDER.glob("*.json")) - files().keys())


def _service_monitor() -> Manifest:
    """The Prometheus operator's ServiceMonitor, as far as its own CRD demands something."""
    spec = {**_ANYTHING, "required": ["selector", "endpoints"]}
    return _crd("monitoring.coreos.com", "v1", "ServiceMonitor", spec)


def _service_binding() -> Manifest:
    """The Service Binding specification's ServiceBinding, as far as its own CRD demands something."""
    spec = {**_ANYTHING, "required": ["service", "workload"]}
    return _crd("servicebinding.io", "v1", "ServiceBinding", spec)


def _crd(group: str, version: str, kind: str, spec: Manifest) -> Manifest:
    plural = f"{kind.lower()}s"
    schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": _ANYTHING,
        },
    }
    served = {
        "name": version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [served],
        },
    }
