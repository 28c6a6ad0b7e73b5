"""The parameters that the worker really sends: out of the golden stories, and of every example of every type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contracts.components import PROPERTIES
from tests.golden.scenarios import SCENARIOS, told
from worker.domain.classify import TYPES
from worker.domain.events import AppKey, Settings
from worker.domain.handlers import HandlerContext, as_parameter, handler_for
from worker.domain.model import ComponentSpec, Identity

EXAMPLES = Path(__file__).resolve().parents[2] / "contracts" / "examples" / "valid"
#: Values of references, by the parameters that may carry them.
PROVIDED = {
    "database_secret": "shop-db-01234567-connection",
    "cache_secret": "shop-cache-01234567-connection",
    "realtime_endpoint": "http://streaming.shop.svc.cluster.local",
    "realtime_secret": "shop-streaming-01234567-connection",
    "realtime_platform": "http://streaming.shop.svc.cluster.local",
    "database": "postgres",
    "cache": "redis",
}


def tasks_of(scenario: str) -> list[dict[str, Any]]:
    """Return the tasks of all Workflows of a golden story."""
    found = [json.loads(body) for _, body in told(SCENARIOS[scenario]())]
    return [task for workflow in found for task in workflow["spec"]["templates"][0]["dag"]["tasks"]]


def arguments(task: dict[str, Any]) -> dict[str, str]:
    """Return a task's arguments; what another task yields is made up."""
    given = {one["name"]: one["value"] for one in task["arguments"]["parameters"]}
    return {name: PROVIDED[name] if "{{tasks." in value else value for name, value in given.items()}


def inputs_of(component_type: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the mapped properties of each example of a type, with its name; without any properties first."""
    yield "none", {}
    for path in sorted((EXAMPLES / component_type).glob("*.json")):
        given = PROPERTIES[component_type].model_validate(json.loads(path.read_bytes())).values()
        yield path.stem, handler_for(component_type).inputs(component_type, given)


def parameters(
    component_type: str, inputs: dict[str, Any], source: str = "oam-driven", **provided: str
) -> dict[str, str]:
    """Return the parameters of a component's task."""
    settings = Settings(source=source, app_container="shop-repo", github_owner="example-org")
    context = HandlerContext("default", AppKey("shop", "shop"), "shop-1-1-0123456789", settings, provided)
    spec = ComponentSpec(Identity("part", component_type), inputs)
    made = handler_for(component_type).prepare_workflow_params(spec, context)
    return {name: as_parameter(value) for name, value in made.items()}


def template_of(component_type: str) -> str:
    """Return the name of a type's WorkflowTemplate."""
    return TYPES[component_type].template
