"""The simulated controller: watches Workflows, operates on each, writes its status, carries its tasks out.

Driven by events alone (watch, task ends, deadlines), so thousands of Workflows at rest cost nothing.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from worker.dev.argo import nodes
from worker.dev.argo.client import GROUP, ApiAnswerError, ApiClient
from worker.dev.argo.informer import Informer
from worker.dev.argo.mutex import Mutexes
from worker.dev.argo.operation import COMPLETED_LABEL, PHASE_LABEL, Operation, mutexes
from worker.dev.argo.runner import ContractRunner, TaskCall, TaskResult, TaskRunner
from worker.dev.argo.templates import Templates
from worker.dev.argo.work_queue import WorkQueue
from worker.dev.endings import end_tasks

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

    from worker.dev.argo.nodes import Json

_log = logging.getLogger(__name__)
_CONFLICT, _NOT_FOUND = 409, 404
_RETRY_DELAY = 0.2
MAX_WORKFLOW_SIZE = 1024 * 1024


@dataclass(slots=True)
class _Run:
    """What the controller knows of one unfinished Workflow."""

    workflow: Json
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    results: dict[str, TaskResult] = field(default_factory=dict)
    deadline: asyncio.TimerHandle | None = None

    @property
    def revision(self) -> int:
        return int(self.workflow["metadata"]["resourceVersion"])

    def cancel(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        if self.deadline is not None:
            self.deadline.cancel()


class ArgoController:
    """Runs the Workflows of one namespace; use as an async context manager."""

    def __init__(
        self,
        client: ApiClient,
        *,
        namespace: str = "argo",
        runner: TaskRunner | None = None,
        workers: int = 16,
        max_workflow_size: int = MAX_WORKFLOW_SIZE,
    ) -> None:
        """Prepare a controller.

        Args:
            client: not opened yet; the controller opens and closes it.
            namespace: where Workflows and WorkflowTemplates live.
            runner: carries tasks out; by default they succeed at once with the contract's outputs.
            workers: Workflows that are operated on at the same time.
            max_workflow_size: bytes of node status above which it is stored compressed.
        """
        self._client = client
        self._path = f"{GROUP}/namespaces/{namespace}/workflows"
        self._runner: TaskRunner = runner or ContractRunner()
        self._workers = workers
        self._max_size = max_workflow_size
        self._templates = Templates()
        self._mutexes = Mutexes()
        self._queue = WorkQueue()
        self._runs: dict[str, _Run] = {}
        self._finished: set[str] = set()
        self._expiring: dict[str, asyncio.TimerHandle] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._workflows = Informer(
            client, self._path, replace=self._replace, put=self._put, remove=lambda value: self._forget(_uid(value))
        )
        self._workflow_templates = Informer(
            client,
            f"{GROUP}/namespaces/{namespace}/workflowtemplates",
            replace=self._templates.replace,
            put=self._templates.put,
            remove=lambda value: self._templates.remove(value["metadata"]["name"]),
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        try:
            self._keep(await self._workflow_templates.start())
            self._keep(await self._workflows.start())
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        for _ in range(self._workers):
            self._spawn(self._work())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for timer in self._expiring.values():
            timer.cancel()
        running = [task for run in self._runs.values() for task in run.tasks.values()]
        for run in self._runs.values():
            run.cancel()
        for background in self._background:
            background.cancel()
        # The client first: it aborts connections in use and waits for them, which cancelled requests would not do.
        await self._client.__aexit__(kind, error, trace)
        await end_tasks([*running, *self._background])

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._keep(asyncio.create_task(work))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # --- what the watch tells

    def _replace(self, listed: list[Json]) -> None:
        present = {_uid(value) for value in listed}
        for uid in (self._runs.keys() | self._finished) - present:
            self._forget(uid)
        holding = [value for value in listed if _held(value) and _uid(value) not in self._runs]
        for value in holding:
            for name in _held(value):
                self._mutexes.restore(_uid(value), name)
        for value in listed:
            self._put(value)

    def _put(self, value: Json) -> None:
        uid = _uid(value)
        if value["metadata"].get("labels", {}).get(COMPLETED_LABEL) == "true":
            self._finish(uid, value)
            return
        if uid in self._finished:
            return  # older than what was written here
        run = self._runs.get(uid)
        if run is None:
            self._runs[uid] = _Run(value)
        elif int(value["metadata"]["resourceVersion"]) <= run.revision:
            return  # the echo of an own write
        else:
            run.workflow = value
        self._queue.add(uid)

    def _finish(self, uid: str, workflow: Json) -> None:
        self._finished.add(uid)
        self._release(uid)
        self._expire_later(workflow)

    def _forget(self, uid: str) -> None:
        self._finished.discard(uid)
        self._release(uid)
        timer = self._expiring.pop(uid, None)
        if timer is not None:
            timer.cancel()

    def _release(self, uid: str) -> None:
        run = self._runs.pop(uid, None)
        if run is not None:
            run.cancel()
        for woken in self._mutexes.release(uid):
            self._queue.add(woken)

    # --- operating

    async def _work(self) -> None:
        while True:
            uid = await self._queue.get()
            try:
                await self._operate(uid)
            except (ApiAnswerError, aiohttp.ClientError, TimeoutError) as error:
                _log.debug("status of a Workflow could not be written and is tried again: %s", error)
                delay = _RETRY_DELAY * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
                asyncio.get_running_loop().call_later(delay, self._queue.add, uid)
            except Exception:  # noqa: BLE001 - the other Workflows are still to be operated on
                _log.exception("a Workflow could not be operated on; it stays as it is until it changes")
            finally:
                self._queue.done(uid)

    async def _operate(self, uid: str) -> None:
        run = self._runs.get(uid)
        if run is None:
            return
        metadata, spec = run.workflow["metadata"], run.workflow["spec"]
        blocked = self._mutexes.acquire(
            uid, mutexes(spec), created=metadata["creationTimestamp"], priority=spec.get("priority") or 0
        )
        results = dict(run.results)
        operation = Operation(run.workflow, self._templates, results, run.tasks.keys() | results.keys(), blocked)
        operation.run()
        due = self._with_status(run.workflow, operation)
        if due is not None and not await self._write(run, due):
            return
        for name in results:
            run.results.pop(name, None)
            run.tasks.pop(name, None)
        if uid not in self._runs:
            return  # deleted meanwhile
        if operation.finished:
            self._finish(uid, run.workflow)
        else:
            self._go_on(uid, run, operation)

    def _go_on(self, uid: str, run: _Run, operation: Operation) -> None:
        for call in operation.start:
            run.tasks[call.task] = asyncio.create_task(self._carry_out(uid, run, call))
        if operation.deadline and run.deadline is None:
            delay = operation.deadline - nodes.seconds(nodes.now()) + 1.0  # timestamps have whole seconds
            run.deadline = asyncio.get_running_loop().call_later(delay, self._queue.add, uid)

    def _with_status(self, workflow: Json, operation: Operation) -> Json | None:
        """Return the Workflow as it should be stored, or None when it already is."""
        status = nodes.pack(operation.status, self._max_size)
        labels = {
            **(workflow["metadata"].get("labels") or {}),
            PHASE_LABEL: status["phase"],
            COMPLETED_LABEL: "true" if operation.finished else "false",
        }
        if status == workflow.get("status") and labels == workflow["metadata"].get("labels"):
            return None
        metadata = {**workflow["metadata"], "labels": labels}
        metadata.pop("managedFields", None)
        return {**workflow, "metadata": metadata, "status": status}

    async def _write(self, run: _Run, due: Json) -> bool:
        """Store a Workflow; False when it has changed or gone meanwhile, and then it will be looked at again."""
        path = f"{self._path}/{due['metadata']['name']}"
        try:
            written = await self._client.call("PUT", path, due)
        except ApiAnswerError as error:
            if error.code == _NOT_FOUND:
                self._forget(_uid(due))
                return False
            if error.code != _CONFLICT:
                raise
            current = await self._client.call("GET", path)
            if _uid(current) == _uid(due):
                self._put(current)
                self._queue.add(_uid(due))
            return False
        # A change that came after this write may have been seen by the watch before the answer to it was.
        if int(written["metadata"]["resourceVersion"]) > run.revision:
            run.workflow = written
        return True

    async def _carry_out(self, uid: str, run: _Run, call: TaskCall) -> None:
        try:
            result = await self._runner.run(call)
        except Exception as error:  # noqa: BLE001 - whatever a runner raises is the task's error
            result = TaskResult("Error", f"{type(error).__name__}: {error}")
        run.results[call.task] = result
        self._queue.add(uid)

    # --- after the end

    def _expire_later(self, workflow: Json) -> None:
        uid, status = _uid(workflow), workflow.get("status") or {}
        strategy = workflow["spec"].get("ttlStrategy") or {}
        by_phase = "secondsAfterSuccess" if status.get("phase") == "Succeeded" else "secondsAfterFailure"
        allowed = strategy.get(by_phase, strategy.get("secondsAfterCompletion"))
        if allowed is None or not status.get("finishedAt") or uid in self._expiring:
            return
        delay = max(0.0, nodes.seconds(status["finishedAt"]) + allowed - nodes.seconds(nodes.now()))
        name = workflow["metadata"]["name"]
        loop = asyncio.get_running_loop()
        self._expiring[uid] = loop.call_later(delay, lambda: self._spawn(self._delete(name, uid)))

    async def _delete(self, name: str, uid: str) -> None:
        self._expiring.pop(uid, None)
        try:
            await self._client.call("DELETE", f"{self._path}/{name}", {"preconditions": {"uid": uid}})
        except ApiAnswerError as error:
            if error.code not in {_NOT_FOUND, _CONFLICT}:
                _log.warning("finished Workflow %s could not be deleted: %s", name, error)


def _uid(workflow: Json) -> str:
    return str(workflow["metadata"]["uid"])


def _held(workflow: Json) -> list[str]:
    """Return the mutexes that a Workflow held when it was written last."""
    mutex = ((workflow.get("status") or {}).get("synchronization") or {}).get("mutex") or {}
    return mutexes(workflow["spec"]) if mutex.get("holding") else []
