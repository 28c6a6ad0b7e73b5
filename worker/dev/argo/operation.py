"""One look at one Workflow: from what is stored and what has ended since, to the status and the tasks that are due.

Pure but for the clock, and idempotent as `operate()` of the real controller is: it can be repeated after a conflict or
a restart. What is not obvious in it was seen on the real controller 3.7.18.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from worker.dev.argo import nodes
from worker.dev.argo.checks import check_tags
from worker.dev.argo.dag import Dag, DagTask, InvalidSpecError, arguments_of
from worker.dev.argo.expression import UnsupportedError
from worker.dev.argo.handover import Ended, Scope, outputs_scope
from worker.dev.argo.nodes import ENDED, Json
from worker.dev.argo.processing import global_scope, process
from worker.dev.argo.runner import TaskCall, TaskResult
from worker.dev.argo.substitution import OUTPUTS, MissingVariableError, SubstitutionError, substituted

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
    _globals: dict[str, str] = field(default_factory=dict)
    #: Tasks whose arguments name an output that is not there: Argo looks at them again and again.
    _unresolved: set[str] = field(default_factory=set)

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
            self._globals = global_scope(self.workflow)
            if not self.status.get("phase"):
                self._dag.check_references(self.templates)
                check_tags(self._dag, self._globals, self.templates)
        except (InvalidSpecError, SubstitutionError, UnsupportedError) as error:
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
        for name, node in self._tasks().items():
            result = self.results.get(name)
            if result is not None and node["phase"] == "Running":
                walked = result.nodes.get(node["id"], {})
                node.update({key: walked[key] for key in ("type", "inputs") if key in walked})
                if inside := [one for one in walked.get("children", ()) if one in result.nodes]:
                    node["children"] = [*inside, *node.get("children", ())]
                self._nodes.update({key: dict(one) for key, one in result.nodes.items() if key != node["id"]})
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

    def _tasks(self) -> dict[str, Json]:
        """Return the nodes of the entry DAG's tasks by name; what is inside of them does not decide anything here."""
        known = self._dag.tasks if self._dag is not None else {}
        own = (node for node in list(self._nodes.values()) if node.get("boundaryID") == self.name)
        return {node["displayName"]: node for node in own if node["displayName"] in known}

    def _phases(self) -> dict[str, str]:
        return {name: node["phase"] for name, node in self._tasks().items()}

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
            seen = phases.keys() | self._unresolved
            due = [task for task in dag.tasks.values() if task.name not in seen and task.decided(phases)]
            if not due:
                return
            for task in due:
                self._decide(dag, task, phases)

    def _resume(self, dag: Dag) -> None:
        """Begin again what an earlier controller had begun."""
        for name, node in self._tasks().items():
            if node["phase"] == "Running" and name not in self.running:
                given = (node.get("inputs") or {}).get("parameters") or ()
                values = {one["name"]: one["value"] for one in given}
                self._start(dag.tasks[name], node, values, values)

    def _decide(self, dag: Dag, task: DagTask, phases: Mapping[str, str]) -> None:
        if not task.depends.holds(phases):
            self._add(nodes.omit(self._node(task, {})), task)
            return
        try:
            scope = {**self._globals, **self._outputs_before(dag, task)}
            given = arguments_of(substituted(self._twice_substituted(task), scope, strict=OUTPUTS))
        except MissingVariableError:
            self._unresolved.add(task.name)
            return
        except (SubstitutionError, UnsupportedError) as error:
            self._add(nodes.finish(self._node(task, {}), "Error", str(error)), task)
            return
        values = {**self.templates.defaults(task.template, task.entry), **given}
        node = self._node(task, values)
        self._add(node, task)
        self._start(task, node, values, given)

    def _twice_substituted(self, task: DagTask) -> Json:
        """Return a task as the entry template has it after its own two passes."""
        entry = next(one for one in self.spec["templates"] if one.get("name") == self.spec["entrypoint"])
        processed = process(entry, {}, {**self._globals, "node.name": self.name})
        found: Json = next(one for one in processed["dag"]["tasks"] if one["name"] == task.name)
        return found

    def _outputs_before(self, dag: Dag, task: DagTask) -> Scope:
        """Return the variables of the tasks that a task comes after."""
        ends = {
            name: Ended(node["phase"], "", {one["name"]: one["value"] for one in _outputs(node)})
            for name, node in self._tasks().items()
        }

        def declared(name: str) -> Mapping[str, Any]:
            return self.templates.definition(dag.tasks[name].template, dag.tasks[name].entry) or {}

        return outputs_scope("tasks", dag.ancestors(task.name), ends, declared)

    def _node(self, task: DagTask, values: Mapping[str, str]) -> Json:
        return nodes.task(self.name, task.entry, task.name, task.reference, values)

    def _add(self, node: Json, task: DagTask) -> None:
        self._nodes[node["id"]] = node
        parents = [nodes.node_id(self.name, f"{self.name}.{name}") for name in sorted(task.depends.names)]
        for parent in parents or [self.name]:
            if parent in self._nodes:
                self._nodes[parent].setdefault("children", []).append(node["id"])

    def _start(self, task: DagTask, node: Json, values: Mapping[str, str], given: Mapping[str, str]) -> None:
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
                node=dict(node),
                service_account=self.spec.get("serviceAccountName") or "default",
                arguments=given,
                scope=self._globals,
                lookup=self.templates.definition,
            )
        )


def _outputs(node: Json) -> list[Json]:
    return list((node.get("outputs") or {}).get("parameters") or ())


def mutexes(spec: Mapping[str, Any]) -> list[str]:
    """Return the names of the mutexes that a Workflow needs."""
    return [one["name"] for one in (spec.get("synchronization") or {}).get("mutexes") or ()]
