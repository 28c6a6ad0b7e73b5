"""Workflows for the simulator's tests, and waiting for what becomes of them."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from worker.dev.argo import ArgoController, TaskRunner, TemplateRunner
from worker.dev.argo.client import GROUP, ApiAnswerError, ApiClient
from worker.dev.argo.nodes import unpack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

Json = dict[str, Any]
DB = "pattern3-infrastructure-workflow"
API = "pattern1-foundational-workflow"
_TIMEOUT = 20.0


def task(name: str, depends: str = "", template: str = DB, entry: str = "main", **arguments: str) -> Json:
    made: Json = {
        "name": name,
        "templateRef": {"name": template, "template": entry},
        "arguments": {"parameters": [{"name": key, "value": value} for key, value in arguments.items()]},
    }
    if depends:
        made["depends"] = depends
    return made


def template(name: str, *entries: Json) -> Json:
    """Return a WorkflowTemplate."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {"name": name},
        "spec": {"templates": list(entries)},
    }


def declared(**defaults: str | None) -> Json:
    """Return inputs; None stands for one without default."""
    listed = [{"name": name} if value is None else {"name": name, "default": value} for name, value in defaults.items()]
    return {"parameters": listed}


def workflow(name: str, *tasks: Json, mutex: str = "", annotations: dict[str, str] | None = None, **spec: Any) -> Json:
    body: Json = {
        "entrypoint": "main",
        "templates": [{"name": "main", "dag": {"tasks": list(tasks) or [task("only")]}}],
        **spec,
    }
    if mutex:
        body["synchronization"] = {"mutexes": [{"name": mutex}]}
    metadata: Json = {"name": name, "annotations": annotations or {}}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": metadata, "spec": body}


@dataclass
class ArgoCluster:
    """An API server with a namespace of the test's own."""

    url: str
    token: str
    ca_file: Path | None
    namespace: str
    client: ApiClient

    @property
    def path(self) -> str:
        return f"{GROUP}/namespaces/{self.namespace}/workflows"

    def new_client(self) -> ApiClient:
        return ApiClient(self.url, self.token, self.ca_file)

    @asynccontextmanager
    async def controller(self, runner: TaskRunner | None = None, **options: Any) -> AsyncIterator[ArgoController]:
        made = ArgoController(self.new_client(), namespace=self.namespace, runner=runner, **options)
        async with made:
            yield made

    @asynccontextmanager
    async def executing(self, *templates: Json, **options: Any) -> AsyncIterator[None]:
        """Load WorkflowTemplates, and run a controller that executes them."""
        path = f"{GROUP}/namespaces/{self.namespace}/workflowtemplates"
        for one in templates:
            await self.client.call("POST", path, one)
        runner = TemplateRunner(self.new_client(), interval=0.02, **{"impersonate": False, **options})
        async with runner, self.controller(runner):
            yield

    async def config_map(self, name: str) -> Json:
        return await self.client.call("GET", f"/api/v1/namespaces/{self.namespace}/configmaps/{name}")

    async def submit(self, value: Json) -> Json:
        return await self.client.call("POST", self.path, value)

    async def get(self, name: str) -> Json:
        return await self.client.call("GET", f"{self.path}/{name}")

    async def patch(self, name: str, patch: Json) -> Json:
        """Merge a patch, by get and update as `ApiClient` has no PATCH, until nobody interferes."""
        while True:
            value = await self.get(name)
            for part, changes in patch.items():
                for key, new in changes.items():
                    value[part].pop(key, None)
                    if new is not None:
                        value[part][key] = new
            try:
                return await self.client.call("PUT", f"{self.path}/{name}", value)
            except ApiAnswerError as error:
                if error.code != 409:
                    raise

    async def stop(self, name: str, strategy: str = "Stop") -> None:
        await self.patch(name, {"spec": {"shutdown": strategy, "suspend": None}})

    async def until(self, name: str, check: Callable[[Json], bool], what: str = "") -> Json:
        """Wait until a Workflow's status satisfies a check; return the status with readable nodes."""
        deadline = time.monotonic() + _TIMEOUT
        while True:
            status = unpack((await self.get(name)).get("status") or {})
            if check(status):
                return status
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} is not {what or 'as wanted'} after {_TIMEOUT:g} s: {status}")
            await asyncio.sleep(0.02)

    async def ended(self, name: str) -> Json:
        return await self.until(name, lambda status: bool(status.get("finishedAt")), "ended")

    async def phase(self, name: str, phase: str) -> Json:
        return await self.until(name, lambda status: status.get("phase") == phase, phase)

    async def node_phase(self, name: str, node: str, phase: str) -> Json:
        return await self.until(name, lambda status: phases(status).get(node) == phase, f"{node} {phase}")


def nodes(status: Json) -> dict[str, Json]:
    """Return the tasks' nodes by display name."""
    return {node["displayName"]: node for node in status["nodes"].values() if node.get("boundaryID")}


def phases(status: Json) -> dict[str, str]:
    return {name: node["phase"] for name, node in nodes(status).items()}


def outputs(node: Json) -> dict[str, str]:
    return {one["name"]: one["value"] for one in node.get("outputs", {}).get("parameters", ())}


def inputs(node: Json) -> dict[str, str]:
    return {one["name"]: one["value"] for one in node.get("inputs", {}).get("parameters", ())}
