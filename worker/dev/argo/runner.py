"""What a task does when it runs: the port, and the runner that only yields what the contract declares.

It serves where no WorkflowTemplates are loaded; `template_runner` executes theirs behind the same port.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from contracts.templates import MAIN, TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIMULATE_FAILURE = "platform.io/simulate-failure"
"""Annotation of a Workflow: comma-separated component names whose tasks fail."""


@dataclass(frozen=True, slots=True)
class TaskCall:
    """One task that is due.

    Attributes:
        template: name of the WorkflowTemplate.
        entry: template within it, `main` or `teardown`.
        parameters: arguments, with the template's defaults where it is loaded.
        node: the task's node in the status.
        service_account: whose rights its pods have.
        arguments: what the Workflow gives, without defaults.
        scope: the Workflow's global variables.
        lookup: returns the definition of a template in a WorkflowTemplate, None when it is not loaded.
    """

    workflow: str
    namespace: str
    task: str
    template: str
    entry: str
    parameters: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    node: Mapping[str, Any] = field(default_factory=dict)
    service_account: str = "default"
    arguments: Mapping[str, str] = field(default_factory=dict)
    scope: Mapping[str, str] = field(default_factory=dict)
    lookup: Callable[[str, str], Mapping[str, Any] | None] = lambda _name, _entry: None


@dataclass(frozen=True, slots=True)
class TaskResult:
    """How a task ended: `Succeeded`, `Failed` or `Error`, why, and its output parameters.

    Attributes:
        nodes: the task's own node and those inside it, by id, where its template was walked.
    """

    phase: str = "Succeeded"
    message: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class TaskRunner(Protocol):
    """Carries tasks out. May be cancelled, and may be asked again for a task after a restart of the controller."""

    async def run(self, call: TaskCall) -> TaskResult:
        """Carry out one task to its end; an exception counts as `Error`."""
        ...


@dataclass(slots=True)
class ContractRunner:
    """Succeeds after a delay with the outputs that `contracts/templates.yaml` declares, or fails on request.

    Attributes:
        delay: seconds that a task takes.
        failures: message by component name (or task name): these tasks fail.
        delays: seconds by component name (or task name), in place of `delay`.
    """

    delay: float = 0.0
    failures: dict[str, str] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)

    async def run(self, call: TaskCall) -> TaskResult:
        """Carry out one task."""
        component = call.parameters.get("component") or call.task
        delay = self.delays.get(component, self.delays.get(call.task, self.delay))
        await asyncio.sleep(delay)
        message = self.failures.get(component) or self.failures.get(call.task)
        asked = (name.strip() for name in call.annotations.get(SIMULATE_FAILURE, "").split(","))
        if message is None and component in asked:
            message = "failed on request"
        if message is not None:
            return TaskResult("Failed", message)
        return TaskResult(outputs=declared_outputs(call))


def declared_outputs(call: TaskCall) -> dict[str, str]:
    """Return a value for each output of the contract's template; a teardown has none."""
    template = TEMPLATES.get(call.template)
    if template is None or call.entry != MAIN:
        return {}
    given = call.parameters
    claim = given.get("claim_name") or "-".join(filter(None, (given.get("application"), given.get("component"))))
    claim = claim or call.task
    namespace = given.get("namespace") or "default"
    owner = given.get("github_owner") or "platform"
    repository = given.get("repository") or given.get("app_container") or given.get("service_name") or claim
    values = {
        "connection_secret": given.get("secret_name") or f"{claim}-connection",
        "mqtt_secret": f"{claim}-mqtt-secret",
        "realtime_secret": f"{claim}-connection",
        "endpoint": f"{claim}.{namespace}.svc.cluster.local",
        "repository": f"https://github.com/{owner}/{repository}",
    }
    return {name: values.get(name, f"{claim}-{name}") for name in template.outputs}
