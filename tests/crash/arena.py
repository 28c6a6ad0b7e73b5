"""Where crash tests happen: a real broker, an API server, the simulated controller, and workers as processes.

The test process publishes, kills and looks; it shares nothing with the workers but the broker and the API server.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import secrets
import sys
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import aiohttp
import nats
import nats.errors
from nats.aio.msg import Msg

from contracts import names, strict_json
from contracts.streams import topology
from tests.crash import readback
from tests.crash.history import History, Published
from tests.crash.readback import completed
from tests.crash.runner import RecordingRunner
from tests.crash.worker_process import WorkerProcess
from tests.support.nats import NatsServer
from tests.support.nats_cluster import NatsCluster
from worker.bootstrap import apply_streams
from worker.dev.argo.client import GROUP, ApiClient
from worker.dev.argo.controller import ArgoController
from worker.dev.kubernetes.kubeconfig import write
from worker.dev.kubernetes.server import KubernetesApi
from worker.domain.record import Record
from worker.outbound.record_codec import loads
from worker.outbound.streams import tailored

__all__ = ["ACK_WAIT", "BROKER_TROUBLE", "Arena", "RecordingRunner", "WorkerProcess", "completed"]

ACK_WAIT = 2.0
#: What a client of the broker gets to hear while the broker is in trouble.
BROKER_TROUBLE = (nats.errors.Error, TimeoutError, OSError)
_ROOT = Path(__file__).parents[2]
_POLL = 0.05
#: Of each kind of fact, in descriptions for people.
_MOST_LINES = 40


class Arena:
    """One broker, one API server, one controller; use as an async context manager.

    Attributes:
        servers: The broker's servers.
    """

    def __init__(
        self,
        folder: Path,
        *,
        kubeconfig: Path | None = None,
        runner: RecordingRunner | None = None,
        ack_wait: float = ACK_WAIT,
        room: int | None = None,
        controller: bool = True,
        nodes: int = 1,
    ) -> None:
        """Prepare.

        Args:
            folder: For logs and the kubeconfig.
            kubeconfig: Of a real API server; without one the embedded API is started.
            runner: Carries tasks out.
            ack_wait: Seconds after which an event in hand is delivered again unless its worker shows signs of life.
            room: Bytes that ledger and DLQ may hold, where the declared size is too small for the test.
            controller: Somebody runs the Workflows.
            nodes: Servers of the broker; more than one are a cluster that keeps a copy of everything on each.
        """
        self._folder = folder
        self._given = kubeconfig
        self._ack_wait = ack_wait
        self._room = room
        self._controlled = controller
        self._nodes = nodes
        self._stack = AsyncExitStack()
        self._count = 0
        self.namespace = f"argo-{uuid4().hex[:8]}"
        self.runner = runner or RecordingRunner()
        self.history = History()
        self.workers: list[WorkerProcess] = []

    async def __aenter__(self) -> Self:
        if self._nodes > 1:
            self.cluster = await self._stack.enter_async_context(NatsCluster(self._nodes))
            self.servers = self.cluster.servers
        else:
            self.servers = [self._stack.enter_context(NatsServer())]
        if self._given is None:
            self.api = KubernetesApi()
            await self.api.start()
            self._stack.push_async_callback(self.api.stop)
            self.kubeconfig = self._folder / "kubeconfig"
            write(self.kubeconfig, self.api.kubeconfig())
        else:
            self.kubeconfig = self._given
        self.kube = await self._stack.enter_async_context(ApiClient.from_kubeconfig(self.kubeconfig))
        await self._create_namespace()
        # What the test publishes and reads must outlive the faults of the broker.
        self.client = await nats.connect(
            [server.url for server in self.servers],
            reconnect_time_wait=0.1,
            max_reconnect_attempts=-1,
            ping_interval=2,
            error_cb=_quiet,
        )
        self._stack.push_async_callback(self.client.close)
        self.js = self.client.jetstream()
        await self.apply_streams()
        if self._controlled:
            client = ApiClient.from_kubeconfig(self.kubeconfig)
            controller = ArgoController(client, namespace=self.namespace, runner=self.runner)
            await self._stack.enter_async_context(controller)
        return self

    async def __aexit__(self, *error: object) -> None:
        for worker in self.workers:
            await worker.stop()
        await self._stack.aclose()
        # The NATS client forgets connections that were made and then not answered; they must not end in another test.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()

    async def _create_namespace(self) -> None:
        await self.kube.call("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})

    async def apply_streams(self) -> None:
        """Create what is missing of streams, consumer and bucket."""
        declared = tailored(topology("dev"), stream=names.EVENTS_STREAM, consumer=names.CONSUMER, replicas=self._nodes)
        consumers = {name: replace(one, ack_wait=self._ack_wait) for name, one in declared.consumers.items()}
        streams = {
            name: replace(one, max_bytes=self._room) if self._room and name != names.EVENTS_STREAM else one
            for name, one in declared.streams.items()
        }
        await apply_streams(self.client, replace(declared, streams=streams, consumers=consumers))

    @property
    def environment(self) -> dict[str, str]:
        """Environment of a worker or a command."""
        return {
            **os.environ,
            "NATS_URL": ",".join(server.url for server in self.servers),
            "NATS_REPLICAS": str(self._nodes),
            "KUBECONFIG": str(self.kubeconfig),
            "WORKFLOW_NAMESPACE": self.namespace,
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": "0",
            "GRACEFUL_TIMEOUT": "5",
            "LEASE_TTL": "3",
        }

    async def command(self, *arguments: str) -> str:
        """Run ``platform-worker`` with arguments and return what it prints; it must end with code 0."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "worker",
            *arguments,
            cwd=_ROOT,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, out.decode()
        return out.decode()

    async def worker(self, *arguments: str, **environment: str) -> WorkerProcess:
        """Start a worker process; ``arguments`` are those of ``tests.crash.worker``."""
        self._count += 1
        log = self._folder / f"worker-{self._count}.log"
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.crash.worker",
                *arguments,
                cwd=_ROOT,
                env={**self.environment, **environment},
                stdout=out,
                stderr=out,
            )
        worker = WorkerProcess(process, log)
        self.workers.append(worker)
        return worker

    async def publish(self, event: Mapping[str, Any], rank: int, **facts: Any) -> Published:
        """Publish one CloudEvent about an Application and note it in the history."""
        application = event["data"]["application"]["metadata"]
        return await self.publish_raw(
            names.oam_subject(application["namespace"], application["name"]),
            strict_json.dumps(event),
            event_id=event["id"],
            app=f"{application['namespace']}/{application['name']}",
            rank=rank,
            **facts,
        )

    async def request(self, event: Mapping[str, Any], rank: int, **facts: Any) -> Published:
        """Publish one CloudEvent that is a request and note it in the history."""
        data = event["data"]
        return await self.publish_raw(
            names.request_subject(data["namespace"], data["name"]),
            strict_json.dumps(event),
            event_id=event["id"],
            app=f"{data['namespace']}/{data['name']}",
            rank=rank,
            **facts,
        )

    async def publish_raw(
        self,
        subject: str,
        body: bytes,
        *,
        event_id: str,
        app: str,
        headers: dict[str, str] | None = None,
        **facts: Any,
    ) -> Published:
        """Publish bytes and note them in the history."""
        if headers is None:
            headers = {"Content-Type": names.CLOUDEVENTS_JSON}
        ack = await self.js.publish(subject, body, headers=headers)
        published = Published(ack.seq, event_id, app, body, subject=subject, headers=headers, **facts)
        self.history.published.append(published)
        return published

    async def publish_surely(self, subject: str, body: bytes, **facts: Any) -> Published:
        """Publish until the stream says that it has the event; what it has already, it does not store again.

        Raises:
            TimeoutError: it did not within two minutes.
        """
        headers = {"Content-Type": names.CLOUDEVENTS_JSON, str(names.Header.MESSAGE_ID): secrets.token_hex(8)}
        async with asyncio.timeout(120):
            while True:
                try:
                    return await self.publish_raw(subject, body, headers=headers, **facts)
                except BROKER_TROUBLE:
                    await asyncio.sleep(_POLL)

    async def statuses(self, published: Published) -> list[dict[str, Any]]:
        """Return the status events of a published event so far, oldest first."""
        namespace, _, name = published.app.partition("/")
        key = names.event_key(published.event_id or None, names.EVENTS_STREAM, published.sequence)
        subject = names.status_subject(namespace, name, key)
        statuses = [json.loads(m.data) async for m in self.stored(names.STATUS_STREAM, subject)]
        return [one for one in statuses if one["delivery"].endswith(f":{published.sequence}")]

    async def told(self, published: Published, kind: str, within: float = 60) -> None:
        """Wait until the ledger has a status event of this kind about a published event."""

        async def is_told() -> bool:
            return any(one["type"].split(".")[-2] == kind for one in await self.statuses(published))

        await self.until(is_told, within, f"{published.event_id} of {published.app} is not told to be {kind}")

    async def drained(self, within: float) -> None:
        """Wait until the consumer has nothing waiting and nothing in hand.

        Raises:
            TimeoutError: with the logs of the workers.
        """
        await self.until(self._is_drained, within, "the consumer is not drained")

    async def at_rest(self, within: float) -> None:
        """Wait until everything is handled, all Workflows are over and all records know it."""
        await self.drained(within)
        await self.until(self._is_at_rest, within, "not everything is at rest")

    async def _is_drained(self) -> bool:
        info = await self.js.consumer_info(names.EVENTS_STREAM, names.CONSUMER)
        self.history.pending = (info.num_pending or 0) + (info.num_ack_pending or 0)
        return self.history.pending == 0

    async def _is_at_rest(self) -> bool:
        if not await self._is_drained():
            return False
        workflows = await self.workflows()
        over = all(map(completed, workflows))
        return over and not any(record.unfinished for record in (await self.records()).values())

    async def until(self, condition: Callable[[], Awaitable[bool]], within: float, what: str) -> None:
        """Wait for a condition.

        Raises:
            TimeoutError: with the logs of the workers.
        """
        end = time.monotonic() + within
        while not await _holds(condition):
            if time.monotonic() > end:
                logs = "".join(f"\n--- {w.log.name}\n{w.log.read_text()[-3000:]}" for w in self.workers[-3:])
                seen = await self.describe()
                raise TimeoutError(f"{what} after {within} s; {self.history.pending} pending\n{seen}{logs}")
            await asyncio.sleep(_POLL)

    async def workflows(self) -> list[dict[str, Any]]:
        """Return all Workflows of the API server; nothing deletes any in these tests, so these are all ever made."""
        found: list[dict[str, Any]] = (await self.kube.call("GET", f"{GROUP}/namespaces/{self.namespace}/workflows"))[
            "items"
        ]
        return found

    async def records(self) -> dict[str, Record]:
        """Return all records by ``namespace/name``."""
        records = [loads(m.data, m.subject) async for m in self.stored(f"KV_{names.STATE_BUCKET}", "$KV.*.app.>")]
        return {str(record.app): record for record in records}

    async def collect(self) -> History:
        """Read back what happened."""
        history, records = self.history, await self.records()
        history.told = [readback.told(m.data) async for m in self.stored(names.STATUS_STREAM, names.STATUS_SUBJECTS)]
        history.dead = [readback.dead(m) async for m in self.stored(names.DLQ_STREAM, names.DLQ_SUBJECTS)]
        history.made = [readback.made(one) for one in await self.workflows()]
        history.executed = list(self.runner.executed)
        history.recorded = [readback.recorded(record, one) for record in records.values() for one in record.components]
        return history

    async def describe(self) -> str:
        """Return what a person needs to understand a violation: statuses, Workflows, executed tasks, records."""
        workflows = [readback.described(one) for one in sorted(await self.workflows(), key=completed, reverse=True)]
        runs = [f"{app}: {record.run}" for app, record in (await self.records()).items()]
        parts = (map(str, self.history.told), workflows, map(str, self.history.executed), runs)
        return "\n".join(line for part in parts for line in list(part)[-_MOST_LINES:])

    async def stored(self, stream: str, subjects: str) -> AsyncIterator[Msg]:
        """Read all messages of a stream once, oldest first."""
        info = await self.js.stream_info(stream, subjects_filter=subjects)
        expected = sum((info.state.subjects or {}).values())
        if not expected:
            return
        reader = await self.js.subscribe(subjects, stream=stream, ordered_consumer=True)
        try:
            for _ in range(expected):
                yield await reader.next_msg(timeout=5)
        finally:
            await reader.unsubscribe()


async def _holds(condition: Callable[[], Awaitable[bool]]) -> bool:
    """Whether a condition holds; one that cannot be looked at, because somebody does not answer now, does not."""
    try:
        return await condition()
    except (*BROKER_TROUBLE, aiohttp.ClientError):
        return False


async def _quiet(_error: Exception) -> None:
    """Lost connections are what these tests are about."""
