"""Carries the faults of a schedule out: on worker processes, the broker's servers, the API server and the runs."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp

from contracts import names
from contracts.names import Annotation
from tests.crash.arena import BROKER_TROUBLE, Arena, WorkerProcess
from tests.crash.schedule import Fault
from tests.crash.world import COMPONENTS, Application
from tests.support.control_plane import ControlPlane
from worker.dev.argo.client import GROUP, ApiAnswerError
from worker.outbound.kubernetes_api import MERGE_PATCH
from worker.pipeline import STEPS

#: What a client of the API server gets to hear while that is in trouble.
API_TROUBLE = (ApiAnswerError, aiohttp.ClientError, TimeoutError, OSError)
#: Refusals that pass by themselves; the others would be the end of an event.
_PASSING = ("unavailable", "internal", "too-many-requests", "timeout", "unauthorized", "conflict", "rbac", "quota")
#: How a worker ends that was killed or asked to end; at once after its start it does not listen to requests yet.
_EXPECTED_ENDS = (0, -signal.SIGKILL, -signal.SIGTERM)
#: Answers in time matter more than patience here: faults are short.
_ENVIRONMENT = {"PUBLISH_TIMEOUT": "2", "KUBE_API_TIMEOUT": "3", "LEASE_TTL": "5"}
_LOOK = 0.05
#: Seconds in which a worker should take messages in, whatever else is in trouble; else the fault is left out.
_START = 15.0


@dataclass
class Slot:
    """One worker and its successors: whatever ends is started again, whatever is frozen goes on after a while.

    Attributes:
        arguments: Of every worker in this slot.
        failpoints: Start workers that kill or freeze themselves at some step.
        next_step: Where the next of them kills itself, ``STEP:N``; ``""`` leaves it to the dice.
        ends: Exit codes that nobody asked for.
    """

    arena: Arena
    dice: random.Random
    arguments: tuple[str, ...] = ()
    failpoints: bool = True
    next_step: str = ""
    worker: WorkerProcess | None = None
    ends: list[int] = field(default_factory=list)
    _thaw_at: float = 0.0

    async def is_at_work(self) -> bool:
        """Wait until the worker takes messages in; ``False`` if that takes too long."""
        try:
            async with asyncio.timeout(_START):
                while not await self._is_ready():  # noqa: ASYNC110 - a process offers nothing to wait for
                    await asyncio.sleep(_LOOK)
        except TimeoutError:
            return False
        return True

    async def _is_ready(self) -> bool:
        try:
            return self.worker is not None and not self.worker.over and await self.worker.is_ready()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    def send(self, number: signal.Signals) -> None:
        """Send the worker a signal, if there is one; ``keep`` starts another one."""
        if self.worker is not None:
            with suppress(ProcessLookupError):
                self.worker.process.send_signal(number)

    async def keep(self) -> None:
        """Look after the worker until cancelled."""
        while True:
            if self.worker is None or self.worker.over:
                await self._succeed()
            elif self.worker.frozen and self._thaw_at == 0.0:
                self._thaw_at = time.monotonic() + self.dice.uniform(0.5, 5.0)
            elif self.worker.frozen and time.monotonic() > self._thaw_at:
                self.worker.thaw()
                self._thaw_at = 0.0
            await asyncio.sleep(_LOOK)

    async def _succeed(self) -> None:
        if self.worker is not None:
            code = self.worker.process.returncode
            if code is not None and code not in _EXPECTED_ENDS:
                self.ends.append(code)
            await asyncio.sleep(self.dice.uniform(0.0, 0.5))
        self._thaw_at = 0.0
        self.worker = await self.arena.worker(*self.arguments, *self._failpoint(), **_ENVIRONMENT)

    def _failpoint(self) -> tuple[str, ...]:
        if not self.failpoints:
            return ()
        if self.next_step:
            step, self.next_step = self.next_step, ""
            return "--kill-at", step
        if self.dice.random() < 0.4:
            return ()
        how = self.dice.choice(("--kill-at", "--kill-at", "--freeze-at"))
        return how, f"{self.dice.choice(STEPS)}:{self.dice.randint(1, 8)}"


class Trouble:
    """Makes the faults of one soak happen, and ends all of them.

    Attributes:
        happened: Those that were carried out.
    """

    def __init__(
        self,
        arena: Arena,
        slots: list[Slot],
        applications: list[Application],
        ask: Callable[[Application], Awaitable[None]],
        plane: ControlPlane | None,
    ) -> None:
        """Prepare.

        Args:
            arena: Where.
            slots: The workers.
            applications: Whose runs are stopped and retried.
            ask: Publishes a retry.
            plane: The real API server, if it is one.
        """
        self._arena = arena
        self._slots = slots
        self._applications = applications
        self._ask = ask
        self._plane = plane
        self.happened: list[Fault] = []
        self._lanes: defaultdict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def happen(self, fault: Fault) -> None:
        """Carry one fault out, from its beginning to its end, unless its lane is in trouble still.

        On a busy machine faults take longer than the schedule says, and they must not pile up.
        """
        lane = self._lanes[fault.lane, fault.target if fault.lane == "worker" else 0]
        if lane.locked():
            return
        async with lane:
            self.happened.append(fault)
            await self._happen(fault)

    async def _happen(self, fault: Fault) -> None:
        dice = random.Random(fault.dice)
        match fault.lane:
            case "worker":
                await self._worker(fault)
            case "broker":
                await self._broker(fault, dice)
            case "api" if self._plane is not None:
                await self._real_api(fault, dice, self._plane)
            case "api":
                await self._embedded_api(fault, dice)
            case _:
                await self._runs(fault, dice)

    async def _worker(self, fault: Fault) -> None:
        slot = self._slots[fault.target]
        # On a busy machine a process takes its time to start, and killing it then tests nothing.
        if not await slot.is_at_work():
            return
        worker = slot.worker
        assert worker is not None
        with suppress(ProcessLookupError):  # it has ended, perhaps at a failpoint
            match fault.kind:
                case "kill":
                    worker.process.kill()
                case "term":
                    worker.thaw()
                    worker.process.terminate()
                case _:
                    worker.freeze()
                    await asyncio.sleep(fault.lasts)
                    worker.thaw()

    async def _broker(self, fault: Fault, dice: random.Random) -> None:
        server = self._arena.servers[fault.target]
        match fault.kind:
            case "kill":
                server.kill()
                if dice.random() < 0.5:  # a node that goes down takes more than one thing with it
                    dice.choice(self._slots).send(signal.SIGTERM)
                await asyncio.sleep(fault.lasts)
                await server.start()
            case "freeze":
                server.freeze()
                await asyncio.sleep(fault.lasts)
                server.thaw()
            case _:
                await step_down(self._arena, names.EVENTS_STREAM)

    async def _embedded_api(self, fault: Fault, dice: random.Random) -> None:
        api = self._arena.api
        if fault.kind == "restart":
            port = int(api.url.rpartition(":")[2])
            await api.stop()
            await asyncio.sleep(fault.lasts)
            await api.start(port=port)
            return
        if fault.kind == "latency":
            api.faults.latency = dice.uniform(0.05, 0.5)
            await asyncio.sleep(fault.lasts)
            api.faults.latency = 0.0
            return
        match = {"verb": "create|patch|get", "resource": "workflows.argoproj.io"}
        if fault.kind == "lose":
            rule = api.faults.inject(match=match, times=None, drop="after")
        else:
            rule = api.faults.inject(match=match, times=None, refuse=dice.choice(_PASSING))
        await asyncio.sleep(fault.lasts)
        api.faults.remove(rule.id)

    async def _real_api(self, fault: Fault, dice: random.Random, plane: ControlPlane) -> None:
        frozen = dice.choice((plane.apiserver, plane.etcd))
        frozen.freeze()
        try:
            await asyncio.sleep(fault.lasts)
        finally:
            frozen.thaw()

    async def _runs(self, fault: Fault, dice: random.Random) -> None:
        if fault.kind == "fail":
            component = dice.choice(COMPONENTS)
            self._arena.runner.inner.failures[component] = "no capacity"
            await asyncio.sleep(fault.lasts)
            self._arena.runner.inner.failures.pop(component, None)
            return
        application = dice.choice(self._applications)
        if fault.kind != "retry":
            await stop(self._arena, application)
        if fault.kind != "stop":
            await self._ask(application)


async def stop(arena: Arena, application: Application) -> None:
    """Stop the current run of an application as ``platform-worker stop`` does, if there is one and both systems answer.

    The command takes a second to start; by then there is another run.
    """
    with suppress(*BROKER_TROUBLE, *API_TROUBLE):
        record = (await arena.records()).get(application.key)
        if record is None or record.run is None or not record.unfinished:
            return
        patch = {
            "metadata": {"annotations": {str(Annotation.SUPERSEDED_BY): ""}},
            "spec": {"shutdown": "Stop", "suspend": None},
        }
        path = f"{GROUP}/namespaces/{arena.namespace}/workflows/{record.run.name}"
        await arena.kube.call("PATCH", path, patch, content_type=MERGE_PATCH)


async def step_down(arena: Arena, stream: str, consumer: str = "") -> None:
    """Let the leader of a stream, or of a consumer on it, give way to another server."""
    what = f"CONSUMER.LEADER.STEPDOWN.{stream}.{consumer}" if consumer else f"STREAM.LEADER.STEPDOWN.{stream}"
    with suppress(*BROKER_TROUBLE):
        await arena.client.request(f"$JS.API.{what}", b"", timeout=5)
