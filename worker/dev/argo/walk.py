"""What is inside a task: the referenced template, carried out with all its steps, retries and conditions.

Each kind of template is Argo's: a DAG and steps have nodes of their own and re-export outputs, a `resource` step is a
pod. A kind that is missing here is an error of its node, never a success.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from worker.dev.argo import nodes
from worker.dev.argo.dag import Dag, DagTask, InvalidSpecError
from worker.dev.argo.durations import seconds
from worker.dev.argo.expression import ExpressionError
from worker.dev.argo.expression.functions import go_text
from worker.dev.argo.handover import Ended, Scope, exports, inputs_scope, outputs_scope, without_absent
from worker.dev.argo.nodes import BROKEN
from worker.dev.argo.processing import in_pod, inputs_of, owned, process, substitute_twice
from worker.dev.argo.resource_step import StepFailedError
from worker.dev.argo.retries import Retries, attempt_scope
from worker.dev.argo.substitution import OUTPUTS, MissingVariableError, SubstitutionError, substituted
from worker.dev.argo.when import WhenError, holds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from worker.dev.argo.nodes import Json
    from worker.dev.argo.resource_step import ResourceSteps

_KINDS = ("resource", "dag", "steps")
_NODE_TYPES = {"resource": "Pod", "dag": "DAG", "steps": "Steps"}
#: Fields that change what a template does; those of pods alone (labels, resources, tolerations) do not matter here.
_UNKNOWN = frozenset(
    {
        *("container", "containerSet", "script", "suspend", "http", "plugin", "data"),
        *("memoize", "synchronization", "initContainers", "sidecars", "volumes", "daemon", "parallelism"),
    }
)
_UNKNOWN_IN_TASKS = ("withItems", "withParam", "withSequence", "hooks", "onExit", "inline")
_ERRORS = (SubstitutionError, ExpressionError, WhenError, InvalidSpecError)


class UnknownTemplateError(ValueError):
    """A reference that leads nowhere, or a template of a kind that the simulator cannot execute."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Which template a task or step runs, and where: the WorkflowTemplate's name and the entry in it."""

    template: str
    entry: str


@dataclass(slots=True)
class Walk:
    """One task of a Workflow, walked from its template's first step to its last.

    Attributes:
        workflow: name of the Workflow.
        namespace: of the Workflow, and so of its pods.
        scope: global variables.
        lookup: returns the definition of a template, None when there is none.
        steps: executes resource steps.
        deadline: longest time of a step, in seconds, in place of longer ones.
        nodes: what has been run, by id.
    """

    workflow: str
    namespace: str
    scope: Mapping[str, str]
    lookup: Callable[[str, str], Mapping[str, Any] | None]
    steps: ResourceSteps
    deadline: float | None = None
    nodes: dict[str, Json] = field(default_factory=dict)

    async def template(
        self, node: Json, reference: Reference, arguments: Mapping[str, str | None], local: Mapping[str, str]
    ) -> Ended:
        """Carry a template out and end its node.

        Args:
            node: of the task or step; it is completed in place.
            reference: the template.
            arguments: its arguments.
            local: variables of the node.
        """
        self.nodes[node["id"]] = node
        try:
            ended = await self._template(node, reference, arguments, {**self.scope, **local, "node.name": node["name"]})
        except (*_ERRORS, UnknownTemplateError) as error:
            ended = Ended("Error", str(error))
        nodes.finish(node, ended.phase, ended.message, ended.outputs)
        return ended

    async def _template(
        self, node: Json, reference: Reference, arguments: Mapping[str, str | None], scope: Mapping[str, str | None]
    ) -> Ended:
        definition = self.lookup(reference.template, reference.entry)
        if definition is None:
            raise UnknownTemplateError(f"template reference {reference.template}.{reference.entry} not found")
        kind = kind_of(definition)
        retried = "retryStrategy" in definition
        node["type"] = "Retry" if retried else _NODE_TYPES[kind]
        pod = {} if retried or kind != "resource" else {"pod.name": node["id"]}
        template = process(definition, arguments, {**scope, **pod})
        if inputs := inputs_of(template):
            node["inputs"] = nodes.parameters(inputs)
        if retried:
            return await self._retry(node, kind, template, reference, scope)
        return await self._once(node, kind, template, reference, scope)

    async def _once(
        self, node: Json, kind: str, template: Json, reference: Reference, scope: Mapping[str, str | None]
    ) -> Ended:
        if kind == "dag":
            return await self._dag(node, template, reference, scope)
        if kind == "steps":
            return await self._steps(node, template, reference, scope)
        pod = in_pod(owned(template, scope), {**scope, "pod.name": node["id"]})
        limits = [seconds(pod[name]) for name in ("activeDeadlineSeconds", "timeout") if name in pod]
        limits += [self.deadline] if self.deadline is not None else []
        try:
            async with asyncio.timeout(min(limits, default=None)):
                return Ended("Succeeded", "", await self.steps.execute(pod, self.namespace))
        except TimeoutError:
            return Ended("Failed", "Pod was active on the node longer than the specified deadline")
        except StepFailedError as error:
            return Ended("Failed", str(error))

    # --- retries

    async def _retry(
        self, node: Json, kind: str, template: Json, reference: Reference, scope: Mapping[str, str | None]
    ) -> Ended:
        strategy = Retries.of(template["retryStrategy"])
        last = Ended("")
        attempts = 0
        while True:
            title = f"({attempts})"
            child = nodes.inside(self.workflow, node, node["name"] + title, node["displayName"] + title)
            child.update(boundaryID=node["boundaryID"], type=_NODE_TYPES[kind])
            self._add(node, child)
            local = {**scope, **attempt_scope(attempts, last), "pod.name": child["id"]}
            last = await self._once(child, kind, substitute_twice(template, local), reference, local)
            nodes.finish(child, last.phase, last.message, last.outputs)
            attempts += 1
            if last.phase not in BROKEN:
                return Ended(last.phase, "", last.outputs)
            refusal = strategy.refusal(last, attempts)
            if refusal is not None:
                return Ended(last.phase, refusal)
            await asyncio.sleep(strategy.pause(attempts))

    # --- DAGs

    async def _dag(self, node: Json, template: Json, reference: Reference, scope: Mapping[str, str | None]) -> Ended:
        dag = Dag.inside(template)
        ends: dict[str, Ended] = {}
        running: dict[asyncio.Task[Ended], str] = {}
        own = inputs_scope(template)

        def declared(name: str) -> Mapping[str, Any]:
            return self._definition(dag.tasks[name].raw, reference)

        try:
            while True:
                phases = {name: end.phase for name, end in ends.items()}
                phases |= dict.fromkeys(running.values(), "Running")
                result = dag.result(phases)
                if result != "Running":
                    break
                due = [t for t in dag.tasks.values() if t.name not in phases and t.decided(phases)]
                for task in due:
                    before = outputs_scope("tasks", dag.ancestors(task.name), ends, declared)
                    known = {**scope, **own, **before}
                    work = self._task(node, task, phases, known, reference)
                    running[asyncio.create_task(work)] = task.name
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                ends |= {running.pop(one): one.result() for one in done}
        finally:
            await _cancel(running)
        if result != "Succeeded":
            return Ended(result)
        return Ended(result, "", exports(template, {**own, **outputs_scope("tasks", ends, ends, declared)}))

    async def _task(
        self, parent: Json, task: DagTask, phases: Mapping[str, str], scope: Scope, reference: Reference
    ) -> Ended:
        node = nodes.inside(self.workflow, parent, f"{parent['name']}.{task.name}", task.name)
        above = [nodes.node_id(self.workflow, f"{parent['name']}.{name}") for name in sorted(task.depends.names)]
        self._add(parent, node, above)
        if not task.depends.holds(phases):
            self.nodes[node["id"]] = nodes.omit(node)
            return Ended("Omitted")
        return await self._holder(node, task.raw, scope, reference, "tasks")

    # --- steps

    async def _steps(self, node: Json, template: Json, reference: Reference, scope: Mapping[str, str | None]) -> Ended:
        ends: dict[str, Ended] = {}
        own = inputs_scope(template)
        known_steps: dict[str, Json] = {}
        before = node

        def declared(name: str) -> Mapping[str, Any]:
            return self._definition(known_steps[name], reference)

        for number, group in enumerate(template["steps"]):
            title = f"[{number}]"
            group_node = nodes.inside(self.workflow, node, f"{node['name']}{title}", title)
            group_node["type"] = "StepGroup"
            self._add(before, group_node)
            listed = group if isinstance(group, list) else group["steps"]
            known = {**scope, **own, **outputs_scope("steps", ends, ends, declared)}
            children = [self._step(group_node, node, step, known, reference) for step in listed]
            results = await asyncio.gather(*children)
            ends |= {step["name"]: end for step, end in zip(listed, results, strict=True)}
            known_steps |= {step["name"]: step for step in listed}
            broken = next((s for s in listed if _breaks(s, ends[s["name"]].phase)), None)
            if broken is not None:
                child = nodes.node_id(self.workflow, f"{group_node['name']}.{broken['name']}")
                message = f"child '{child}' failed"
                nodes.finish(group_node, "Failed", message)
                return Ended("Failed", message)
            before = nodes.finish(group_node, "Succeeded")
        return Ended("Succeeded", "", exports(template, {**own, **outputs_scope("steps", ends, ends, declared)}))

    async def _step(self, group: Json, boundary: Json, step: Json, scope: Scope, reference: Reference) -> Ended:
        node = nodes.inside(self.workflow, boundary, f"{group['name']}.{step['name']}", step["name"])
        self._add(group, node)
        return await self._holder(node, step, scope, reference, "steps")

    # --- what tasks and steps have in common

    async def _holder(self, node: Json, raw: Json, scope: Scope, reference: Reference, kind: str) -> Ended:
        """Run what a task or step refers to, unless its `when` says otherwise."""
        for name in _UNKNOWN_IN_TASKS:
            if raw.get(name):
                return self._error(node, f"the simulator does not know {name!r} in {kind}")
        try:
            if "when" in raw and not holds(when := substituted(raw["when"], scope, strict=OUTPUTS)):
                node.update(type="Skipped")
                nodes.finish(node, "Skipped", f"when '{when}' evaluated false")
                return Ended("Skipped")
            arguments = without_absent(raw.get("arguments") or {}, scope)
            found = substituted({**raw, "arguments": arguments}, scope, strict=OUTPUTS)
        except MissingVariableError as error:
            return self._error(node, f"{error}: on a cluster this is waited for without an end")
        except _ERRORS as error:
            return self._error(node, str(error))
        reached = found.get("templateRef") or {}
        entry = str(reached.get("template") or found.get("template", ""))
        target = Reference(reached.get("name") or reference.template, entry)
        node["templateRef" if reached else "templateName"] = reached or target.entry
        given = {one["name"]: one.get("value") for one in found["arguments"]["parameters"]}
        values = {name: value if value is None else go_text(value) for name, value in given.items()}
        return await self.template(node, target, values, {f"{kind}.name": raw["name"]})

    def _definition(self, raw: Json, reference: Reference) -> Mapping[str, Any]:
        reached = raw.get("templateRef") or {}
        entry = reached.get("template", raw.get("template", ""))
        return self.lookup(reached.get("name") or reference.template, str(entry)) or {}

    def _error(self, node: Json, message: str) -> Ended:
        node.update(type="Skipped")
        nodes.finish(node, "Error", message)
        return Ended("Error", message)

    def _add(self, parent: Json, node: Json, above: list[str] | None = None) -> None:
        self.nodes[node["id"]] = node
        for name in above or [parent["id"]]:
            self._last_of(self.nodes.get(name, parent)).setdefault("children", []).append(node["id"])

    def _last_of(self, node: Json) -> Json:
        """Return what comes after a node's children: for one with attempts the last attempt, as Argo connects them."""
        if node["type"] == "Retry" and node.get("children") and node["finishedAt"]:
            return self.nodes[node["children"][-1]]
        return node


def kind_of(definition: Mapping[str, Any]) -> str:
    """Return what a template is: `resource`, `dag` or `steps`.

    Raises:
        UnknownTemplateError: it is something else, or has a field that the simulator would have to obey.
    """
    unknown = sorted(_UNKNOWN & definition.keys())
    if unknown:
        name = definition.get("name", "")
        raise UnknownTemplateError(f"the simulator cannot execute template {name!r}: it does not know {unknown[0]!r}")
    kind = next((kind for kind in _KINDS if kind in definition), None)
    if kind is None:
        raise UnknownTemplateError(f"template {definition.get('name', '')!r} is none of {', '.join(_KINDS)}")
    return kind


def _breaks(step: Json, phase: str) -> bool:
    accepted = step.get("continueOn") or {}
    return (phase == "Failed" and not accepted.get("failed")) or (phase == "Error" and not accepted.get("error"))


async def _cancel(tasks: Mapping[asyncio.Task[Ended], str]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
