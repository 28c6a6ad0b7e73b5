"""A small platform: real nats-server, embedded API, simulated Argo, observers, and a hand that submits runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import nats
from nats.js.api import StreamConfig

from contracts.names import STATE_BUCKET, STATUS_STREAM, STATUS_SUBJECTS
from tests.support.state_stream import state_stream
from tests.unit.domain.folding import DB, api_task, component, task
from worker.dev.argo import ArgoController, ContractRunner
from worker.dev.argo.client import ApiClient
from worker.dev.kubernetes import KubernetesApi
from worker.domain.events import AppKey, Order
from worker.domain.observed import ObservedRun
from worker.domain.record import Cause, ComponentRecord, Phase, Record, Run, State
from worker.observer.observe import Observer
from worker.observer.settle import Settler
from worker.outbound.jetstream import JetStream
from worker.outbound.kubernetes_api import KubernetesWorkflows
from worker.outbound.kubernetes_client import KubernetesAccess, KubernetesClient
from worker.outbound.lease import Lease
from worker.outbound.ledger import StatusLedger
from worker.outbound.state_kv import KvState
from worker.outbound.workflow import HeraWorkflowBuilder
from worker.outbound.workflow_settings import WorkflowSettings
from worker.outbound.workflow_watch import WorkflowWatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from nats.aio.client import Client

    from tests.support.nats import NatsServer
    from worker.domain.model import Task
    from worker.domain.status import Status
    from worker.errors import WorkerError
    from worker.ports import Stored

APP = AppKey("shop", "orders")
INCARNATION = "2026-01-01T00:00:00Z"
STATE = state_stream()


class Tally:
    """Counts what the observer reports."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.ready: list[tuple[int, float]] = []
        self.active = 0

    def observing(self, active: bool) -> None:
        self.active += 1 if active else -1

    def run_ended(self, phase: str) -> None:
        self.counts[phase] += 1

    def component_ready(self, pattern: int, seconds: float) -> None:
        self.ready.append((pattern, seconds))

    def run_stopped(self) -> None:
        self.counts["stopped"] += 1

    def run_started(self) -> None:
        self.counts["started"] += 1

    def unreadable_workflow(self) -> None:
        self.counts["unreadable"] += 1


@dataclass
class Clock:
    """The wall clock, moved on by a test instead of waiting."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Crash(BaseException):
    """The process ends here; nothing of it is caught by the code under test."""


@dataclass
class Platform:
    """Everything between a submitted run and what became of it."""

    server: NatsServer
    folder: Path
    runner: ContractRunner = field(default_factory=ContractRunner)
    history: int = 4096
    max_workflow_size: int = 1024 * 1024
    clock: Clock = field(default_factory=Clock)
    tally: Tally = field(default_factory=Tally)

    async def __aenter__(self) -> Self:
        self._stack = contextlib.AsyncExitStack()
        self.api = await self._stack.enter_async_context(KubernetesApi(history=self.history))
        kubeconfig = self.folder / "kubeconfig"
        kubeconfig.write_text(json.dumps(self.api.kubeconfig()))
        self.client = await self._stack.enter_async_context(KubernetesClient(KubernetesAccess(str(kubeconfig))))
        namespace = json.dumps({"metadata": {"name": "argo"}}).encode()
        await self.client.request("POST", "/api/v1/namespaces", body=namespace)
        self.nats = await self.connect()
        js = self.nats.jetstream()
        await js.add_stream(STATE)
        await js.add_stream(StreamConfig(name=STATUS_STREAM, subjects=[STATUS_SUBJECTS]))
        self.jetstream = JetStream(self.nats, timeout=2.0)
        self.store = KvState(self.jetstream)
        await self.store.accept()
        self.ledger = StatusLedger(self.jetstream)
        self.workflows = KubernetesWorkflows(self.client, "argo")
        self._builder = HeraWorkflowBuilder(WorkflowSettings())
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def connect(self) -> Client:
        async def quiet(_: Exception) -> None:
            """Outages are part of these tests; nats-py would print them."""

        client = await nats.connect(self.server.url, max_reconnect_attempts=-1, reconnect_time_wait=0.1, error_cb=quiet)
        self._stack.push_async_callback(client.close)
        return client

    @contextlib.asynccontextmanager
    async def argo(self) -> AsyncIterator[ArgoController]:
        client = ApiClient(self.api.url, self.api.token)
        controller = ArgoController(client, runner=self.runner, max_workflow_size=self.max_workflow_size)
        async with controller:
            yield controller

    def observer(
        self, client: Client | None = None, lease_timing: dict[str, Any] | None = None, **parts: Any
    ) -> Observer:
        """Build an observer; ``parts`` replaces ``workflows``, ``ledger`` or ``records``."""
        js = (client or self.nats).jetstream()
        timing = {"ttl": 3, "renew_every": 0.5, "retry_every": 0.3} if lease_timing is None else lease_timing
        lease = Lease(js, STATE_BUCKET, "default", secrets.token_hex(4), **timing)
        records = parts.pop("records", self.store)
        settler = Settler(
            records,
            parts.pop("workflows", self.workflows),
            parts.pop("ledger", self.ledger),
            self.tally,
            clock=self.clock,
        )
        watch = WorkflowWatch(self.client, "argo", "default", idle_timeout=10)
        return Observer(lease, watch, records, settler, self.tally, **{"sweep_every": 0.5, **parts})

    @contextlib.asynccontextmanager
    async def observing(self, *args: Any, **parts: Any) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.observer(*args, **parts).run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled() and not _crashed(task.exception()):
                task.result()

    # --- what a worker does

    async def intend(
        self,
        number: int = 1,
        tasks: tuple[Task, ...] = (),
        app: AppKey = APP,
        change: Callable[[Record], Record] = lambda r: r,
        **more: Any,
    ) -> Run:
        """Write the intent of a run that makes a database and a service (or ``tasks``)."""
        stored = await self.store.load(app)
        order = Order(INCARNATION, number, uid="u1", generation=number)
        cause = Cause(f"evt-{number}", "urn:test", f"key{number}", f"{INCARNATION}:{number}")
        name = f"{app.name}-{number}-1-{secrets.token_hex(5)}"
        work = tasks or (task(DB, parameters={"component": "db"}), api_task(parameters={"component": "api"}))
        run = Run(name, 1, order, cause, tasks=work, accepted_at=time.time(), **more)
        written = stored.record.components or _parts(run)
        touched = {t.identity for t in work}
        components = tuple(
            replace(c, run=name, state=State.DIRTY if c.wanted else State.REMOVING) if c.identity in touched else c
            for c in written
        )
        record = replace(stored.record, order=order, run=run, components=components)
        await self.store.save(change(record), stored.revision)
        return run

    async def create(self, run: Run, app: AppKey = APP) -> None:
        assert await self.workflows.create(run.name, self._builder.build(app, "u1", run))

    async def confirm(self, app: AppKey = APP) -> None:
        stored = await self.store.load(app)
        assert stored.record.run is not None
        confirmed = replace(stored.record.run, phase=Phase.CONFIRMED)
        await self.store.save(replace(stored.record, run=confirmed), stored.revision)

    async def launch(self, number: int = 1, app: AppKey = APP, **more: Any) -> Run:
        """Do all that a worker does for one accepted event."""
        run = await self.intend(number, app=app, **more)
        await self.create(run, app)
        await self.confirm(app)
        assert await self.workflows.start(run.name)
        return run

    async def delete(self, run: Run) -> None:
        path = f"/apis/argoproj.io/v1alpha1/namespaces/argo/workflows/{run.name}"
        assert (await self.client.request("DELETE", path)).status == 200

    # --- what became of it

    async def record(self, app: AppKey = APP) -> Record:
        return (await self.store.load(app)).record

    async def until(self, condition: Callable[[Record], object], app: AppKey = APP, seconds: float = 10) -> Record:
        """Wait for the record to meet a condition."""
        async with asyncio.timeout(seconds):
            while not condition(record := await self.record(app)):  # noqa: ASYNC110 - the record is elsewhere
                await asyncio.sleep(0.02)
        return record

    async def ended(self, phase: Phase, app: AppKey = APP, seconds: float = 10) -> Record:
        return await self.until(lambda r: r.run is not None and r.run.phase is phase, app, seconds)

    async def workflow(self, run: Run) -> ObservedRun:
        found = await KubernetesWorkflows(self.client, "argo").get(run.name)  # with a breaker of its own
        assert found is not None
        return found

    async def finished(self, run: Run, poll: float = 0.02) -> ObservedRun:
        """Wait for the Workflow to be over, whether or not anybody observes it."""
        async with asyncio.timeout(10):
            while not (found := await self.workflow(run)).finished:  # noqa: ASYNC110 - the Workflow is elsewhere
                await asyncio.sleep(poll)
        return found

    async def told(self) -> list[dict[str, Any]]:
        """Return all status events, oldest first."""
        events, sequence = [], 1
        while (message := await self.jetstream.after(STATUS_STREAM, STATUS_SUBJECTS, sequence)) is not None:
            events.append(json.loads(message.body))
            sequence = message.sequence + 1
        return events

    async def kinds(self, run: Run | None = None) -> list[str]:
        """Return the kinds of the status events, of one run or of all."""
        return [
            event["type"].split(".")[-2]
            for event in await self.told()
            if run is None or event["data"]["cause"]["id"] == run.cause.id
        ]


def _parts(run: Run) -> tuple[ComponentRecord, ...]:
    return tuple(component(t.identity, run=run.name) for t in run.tasks)


def _crashed(error: BaseException | None) -> bool:
    return isinstance(error, BaseExceptionGroup) and error.subgroup(Crash) is not None


class CrashingWorkflows(KubernetesWorkflows):
    """Workflows whose process dies right before it starts one."""

    async def start(self, name: str) -> bool:
        raise Crash


class ContendedRecords:
    """Records that somebody else writes right before each of our first ``times`` writes."""

    def __init__(self, store: KvState, times: int, change: Callable[[Record], Record]) -> None:
        self._store = store
        self._left = times
        self._change = change

    async def load(self, app: AppKey) -> Stored:
        return await self._store.load(app)

    async def save(self, record: Record, revision: int) -> int:
        if self._left:
            self._left -= 1
            stored = await self._store.load(record.app)
            await self._store.save(self._change(stored.record), stored.revision)
        return await self._store.save(record, revision)

    def all(self, unreadable: Callable[[str, WorkerError], None] | None = None) -> AsyncIterator[Stored]:
        return self._store.all(unreadable)


class CrashingLedger:
    """A ledger whose process dies right before or after it publishes a certain kind."""

    def __init__(self, ledger: StatusLedger, kind: str, when: str) -> None:
        self._ledger = ledger
        self._kind = kind
        self._when = when

    async def publish(self, status: Status) -> None:
        if status.kind.value == self._kind and self._when == "before":
            raise Crash
        await self._ledger.publish(status)
        if status.kind.value == self._kind:
            raise Crash

    async def disposition_of(self, app: AppKey, key: str, delivery: str) -> str | None:
        return await self._ledger.disposition_of(app, key, delivery)
