"""One look at one Workflow: from what is stored and what has ended since, to the status and the tasks that are due.

Pure but for the clock, and idempotent as `operate()` of the real controller is: it can be repeated after a conflict or
a restart. What is not obvious in it was seen on the real controller 3.7.18.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from worker.dev.argo import nodes
from worker.dev.argo.dag import Dag, DagTask, InvalidSpecError
from worker.dev.argo.nodes import ENDED, Json
from worker.dev.argo.runner import TaskCall, TaskResult
from worker.dev.argo.tags import UnresolvedTagError, substitute

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from worker.dev.argo.templates import Templates

PHASE_LABEL = "workflows.argoproj.io/phase"
COMPLETED_LABEL = "workflows.argoproj.io/completed"
_DEADLINE = "Step exceeded its deadline"


@dataclass(slots=True)
class Operation:
    """One operation on one Workflow.

    Attributes:
        workflow: as stored; it is not changed.
        results: tasks that ended and are not in the stored status yet.
        running: tasks that this controller carries out now.
        blocked: the mutex that the Workflow waits for, or "".
        status: the status that is due.
        start: tasks to begin once the status is stored.
    """

    workflow: Mapping[str, Any]
    templates: Templates
    results: Mapping[str, TaskResult]
    running: AbstractSet[str]
    blocked: str = ""
    status: Json = field(default_factory=dict)
    start: list[TaskCall] = field(default_factory=list)
    _dag: Dag | None = None

    @property
    def name(self) -> str:
        """Name of the Workflow."""
        return str(self.workflow["metadata"]["name"])

    @property
    def spec(self) -> Json:
        """Spec of the Workflow."""
        spec: Json = self.workflow["spec"]
        return spec

    @property
    def finished(self) -> bool:
        """Whether the status that is due is a final one."""
        return bool(self.status.get("finishedAt"))

    def run(self) -> None:
        """Compute `status` and `start`."""
        self.status = nodes.unpack(self.workflow.get("status") or {})
        try:
            self._dag = Dag.of(self.spec)
            if not self.status.get("phase"):
                self._dag.check_references(self.templates)
        except InvalidSpecError as error:
            self._end("Failed", f"invalid spec: {error}")
            return
        shutdown = self.spec.get("shutdown", "")
        if self.blocked:
            if shutdown == "Terminate":  # a waiter that is terminated ends as a success without nodes
                self._end("Succeeded", "")
            else:
                self._wait()
            return
        self._begin()
        self._fold()
        if self.spec.get("suspend"):  # before shutdown: Stop alone leaves a suspended Workflow running
            return
        if shutdown:
            self._stop(f"workflow shutdown with strategy:  {shutdown}", f"Stopped with strategy '{shutdown}'")
        elif self.deadline and nodes.seconds(nodes.now()) >= self.deadline:
            self._stop(_DEADLINE, _DEADLINE)
        else:
            self._walk(self._dag)
        self.status["progress"] = nodes.progress(self._nodes)

    @property
    def deadline(self) -> float:
        """When the run must have ended, in seconds since the epoch; 0 when there is no limit or it has not begun."""
        allowed, started = self.spec.get("activeDeadlineSeconds"), self.status.get("startedAt")
        return nodes.seconds(started) + float(allowed) if allowed and started else 0.0

    @property
    def _nodes(self) -> dict[str, Json]:
        found: dict[str, Json] = self.status["nodes"]
        return found

    def _wait(self) -> None:
        namespace = self.workflow["metadata"].get("namespace", "")
        mutex = f"{namespace}/Mutex/{self.blocked}"
        self.status["phase"] = self.status.get("phase") or "Pending"
        self.status["message"] = f"Waiting for {mutex} lock. Lock status: 0/1"
        self.status["synchronization"] = {"mutex": {"waiting": [{"mutex": mutex, "holder": ""}]}}

    def _begin(self) -> None:
        if self.status.get("phase") not in {None, "", "Pending"}:
            return
        self.status.update(phase="Running", startedAt=nodes.now(), finishedAt=None, progress="0/0")
        self.status.pop("message", None)
        namespace = self.workflow["metadata"].get("namespace", "")
        held = [
            {"mutex": f"{namespace}/Mutex/{name}", "holder": f"{namespace}/{self.name}"} for name in mutexes(self.spec)
        ]
        if held:
            self.status["synchronization"] = {"mutex": {"holding": held}}

    def _fold(self) -> None:
        for node in self._nodes.values():
            result = self.results.get(node["displayName"]) if node.get("boundaryID") else None
            if result is not None and node["phase"] == "Running":
                nodes.finish(node, result.phase, result.message, result.outputs)

    def _stop(self, node_message: str, message: str) -> None:
        for node in self._nodes.values():
            if node["phase"] not in ENDED:
                nodes.finish(node, "Failed", node_message if node.get("boundaryID") else "")
        if self._nodes and self._dag is not None:
            present = self._phases()
            for task in self._dag.tasks.values():
                if task.name not in present:
                    self._add(nodes.omit(self._node(task, {})), task)
        self._end("Failed", message)

    def _end(self, phase: str, message: str) -> None:
        self.status.update(phase=phase, finishedAt=nodes.now())
        self.status.setdefault("startedAt", self.status["finishedAt"])
        self.status.pop("message", None)
        self.status.pop("synchronization", None)
        if message:
            self.status["message"] = message
        self.status["conditions"] = [
            {"type": "PodRunning", "status": "False"},
            {"type": "Completed", "status": "True"},
        ]

    def _phases(self) -> dict[str, str]:
        return {n["displayName"]: n["phase"] for n in self._nodes.values() if n.get("boundaryID")}

    def _walk(self, dag: Dag) -> None:
        if self.name not in self._nodes:
            self._nodes[self.name] = nodes.root(self.name, dag.template)
        self._resume(dag)
        while True:
            phases = self._phases()
            result = dag.result(phases)
            if result != "Running":
                nodes.finish(self._nodes[self.name], result)
                self._end(result, "")
                return
            due = [task for task in dag.tasks.values() if task.name not in phases and _decided(task, phases)]
            if not due:
                return
            for task in due:
                self._decide(task, phases)

    def _resume(self, dag: Dag) -> None:
        """Begin again what an earlier controller had begun."""
        for node in self._nodes.values():
            name = node["displayName"]
            if node.get("boundaryID") and node["phase"] == "Running" and name not in self.running:
                given = (node.get("inputs") or {}).get("parameters") or ()
                self._start(dag.tasks[name], {one["name"]: one["value"] for one in given})

    def _decide(self, task: DagTask, phases: Mapping[str, str]) -> None:
        if not task.depends.holds(phases):
            self._add(nodes.omit(self._node(task, {})), task)
            return
        defaults = self.templates.defaults(task.template, task.entry)
        try:
            given = {name: substitute(value, self._scope) for name, value in task.arguments.items()}
        except UnresolvedTagError as error:
            self._add(nodes.finish(self._node(task, {}), "Error", str(error)), task)
            return
        values = {**defaults, **given}
        self._add(self._node(task, values), task)
        self._start(task, values)

    def _node(self, task: DagTask, values: Mapping[str, str]) -> Json:
        return nodes.task(self.name, task.entry, task.name, task.reference, values)

    def _add(self, node: Json, task: DagTask) -> None:
        self._nodes[node["id"]] = node
        parents = [nodes.node_id(self.name, f"{self.name}.{name}") for name in sorted(task.depends.names)]
        for parent in parents or [self.name]:
            if parent in self._nodes:
                self._nodes[parent].setdefault("children", []).append(node["id"])

    def _start(self, task: DagTask, values: Mapping[str, str]) -> None:
        metadata = self.workflow["metadata"]
        self.start.append(
            TaskCall(
                workflow=self.name,
                namespace=metadata.get("namespace", ""),
                task=task.name,
                template=task.template,
                entry=task.entry,
                parameters=values,
                annotations=metadata.get("annotations") or {},
                definition=self.templates.definition(task.template, task.entry),
            )
        )

    @property
    def _scope(self) -> dict[str, str]:
        metadata = self.workflow["metadata"]
        scope = {f"workflow.{key}": str(metadata.get(key, "")) for key in ("name", "namespace", "uid")}
        for parameter in (self.spec.get("arguments") or {}).get("parameters") or ():
            scope[f"workflow.parameters.{parameter['name']}"] = str(parameter.get("value", ""))
        for node in self._nodes.values():
            for parameter in (node.get("outputs") or {}).get("parameters") or ():
                scope[f"tasks.{node['displayName']}.outputs.parameters.{parameter['name']}"] = parameter["value"]
        return scope


def _decided(task: DagTask, phases: Mapping[str, str]) -> bool:
    return all(phases.get(name) in ENDED for name in task.depends.names)


def mutexes(spec: Mapping[str, Any]) -> list[str]:
    """Return the names of the mutexes that a Workflow needs."""
    return [one["name"] for one in (spec.get("synchronization") or {}).get("mutexes") or ()]
