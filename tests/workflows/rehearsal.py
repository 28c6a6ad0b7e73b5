"""Walks a WorkflowTemplate as the simulated controller does, but only writes down what each step would do.

So the claims can be judged without an API. A step that reads yields a value for each of its outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from worker.dev.argo import nodes
from worker.dev.argo.resource_step import ResourceSteps, StepFailedError
from worker.dev.argo.walk import Reference, Walk

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "platform" / "05-workflows" / "templates").glob("*.yaml"))
TEMPLATES: dict[str, dict[str, Any]] = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FILES}


def entry(template: str, name: str) -> dict[str, Any] | None:
    """Return a template of a WorkflowTemplate."""
    listed = TEMPLATES[template]["spec"]["templates"] if template in TEMPLATES else []
    found: dict[str, Any] | None = next((one for one in listed if one["name"] == name), None)
    return found


@dataclass
class Rehearsal:
    """What came of one task.

    Attributes:
        owners: hash of the owner by kind, of claims that are there before the task begins.
        failing: kinds whose waiting steps fail.
        steps: action, flags, conditions and manifest of each step, in the order in which they were carried out.
        names: names of the nodes that ran, the task's own first.
    """

    owners: Mapping[str, str] = field(default_factory=dict)
    failing: frozenset[str] = frozenset()
    steps: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    phase: str = ""
    message: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)

    async def execute(self, template: dict[str, Any], _namespace: str) -> dict[str, str]:
        """Write a step down."""
        resource = dict(template["resource"])
        resource["object"] = yaml.safe_load(resource.get("manifest") or "null")
        resource["step"] = template["name"]
        self.steps.append(resource)
        kind = (resource["object"] or {}).get("kind", "")
        if resource.get("successCondition") and kind in self.failing:
            raise StepFailedError("Pod was active on the node longer than the specified deadline")
        if resource.get("failureCondition"):
            raise StepFailedError(f"failure condition '{resource['failureCondition']}' evaluated true")
        listed = (template.get("outputs") or {}).get("parameters") or ()
        known = {"found": "", "owner_hash": ""}
        if kind in self.owners:
            known = {"found": resource["object"]["metadata"]["name"], "owner_hash": self.owners[kind]}
        return {one["name"]: known.get(one["name"], f"some-{one['name']}") for one in listed}

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """Return the objects of a kind that were really applied."""
        return [
            step["object"]
            for step in self.steps
            if step["action"] == "apply"
            and step["object"]["kind"] == kind
            and not any(flag.startswith("--dry-run") for flag in step["flags"])
        ]


async def rehearse(
    template: str, name: str, arguments: Mapping[str, str], rehearsal: Rehearsal | None = None
) -> Rehearsal:
    """Walk one task."""
    seen = rehearsal or Rehearsal()
    scope = {
        "workflow.uid": "0f8e9d2c-7b1a-4c55-9a51-3b7d0c6f1e22",
        "workflow.name": "shop-1",
        "workflow.namespace": "argo",
    }
    walk = Walk("shop-1", "argo", scope, entry, cast("ResourceSteps", seen))
    node = {**nodes.task("shop-1", name, "c-one", {"name": template, "template": name}, {}), "children": []}
    ended = await walk.template(node, Reference(template, name), arguments, {"tasks.name": "c-one"})
    seen.phase, seen.message, seen.outputs = ended.phase, ended.message, ended.outputs
    seen.names = [one["displayName"] for one in walk.nodes.values() if one["phase"] not in {"Omitted", "Skipped"}]
    return seen
