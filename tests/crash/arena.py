"""Where crash tests happen: a real broker, an API server, the simulated controller, and workers as processes.

The test process publishes, kills and looks; it shares nothing with the workers but the broker and the API server.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import aiohttp
import nats
from nats.aio.msg import Msg
from prometheus_client.parser import text_string_to_metric_families

from contracts import names, strict_json
from contracts.names import Annotation
from contracts.streams import topology
from tests.crash.history import DeadLetter, Executed, History, Made, Published, Told
from tests.support.nats import NatsServer
from worker.bootstrap import apply_streams
from worker.dev.argo.client import GROUP, ApiClient
from worker.dev.argo.controller import ArgoController
from worker.dev.argo.operation import COMPLETED_LABEL
from worker.dev.argo.runner import ContractRunner, TaskCall, TaskResult
from worker.dev.kubernetes.kubeconfig import write
from worker.dev.kubernetes.server import KubernetesApi
from worker.domain.record import Record
from worker.outbound.record_codec import loads
from worker.outbound.streams import tailored

ACK_WAIT = 2.0
_ROOT = Path(__file__).parents[2]
_POLL = 0.05
#: Of each kind of fact, in descriptions for people.
_MOST_LINES = 40
_LISTENING = re.compile(r'"message": "listening".*"port": (\d+)')


@dataclass
class RecordingRunner:
    """Carries tasks out and keeps what it did, in the order in which it did it."""

    inner: ContractRunner = field(default_factory=lambda: ContractRunner(delay=0.01))
    executed: list[Executed] = field(default_factory=list)
    begun: set[str] = field(default_factory=set)
    _held: dict[str, asyncio.Event] = field(default_factory=dict)

    def hold(self, component: str) -> None:
        """Let tasks of ``namespace/application/component`` begin and not end, until ``release``."""
        self.begun.discard(component)
        self._held[component] = asyncio.Event()

    def release(self, component: str) -> None:
        """Let held tasks end, and later ones pass."""
        self._held.pop(component).set()

    async def run(self, call: TaskCall) -> TaskResult:
        """Carry one task out."""
        parameters = call.parameters
        app = f"{parameters['namespace']}/{parameters['application']}"
        value = parameters.get("size") or parameters.get("repository") or ""
        key = f"{app}/{parameters['component']}"
        self.begun.add(key)
        if key in self._held:
            await self._held[key].wait()
        result = await self.inner.run(call)
        if result.phase == "Succeeded":
            self.executed.append(Executed(app, parameters["component"], call.workflow, call.entry, value))
        return result


@dataclass
class WorkerProcess:
    """One worker process; its log is kept for failures."""

    process: asyncio.subprocess.Process
    log: Path

    @property
    def pid(self) -> int:
        """Process id."""
        return self.process.pid

    @property
    def frozen(self) -> bool:
        """Whether the process is stopped by a signal."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def thaw(self) -> None:
        """Let a frozen process go on."""
        self.process.send_signal(signal.SIGCONT)

    async def ask(self, path: str) -> tuple[int, str]:
        """Return status and body of ``/health``, ``/ready`` or ``/metrics``; status 0 while nobody listens."""
        listening = _LISTENING.search(self.log.read_text())
        if listening is None:
            return 0, ""
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{listening[1]}{path}") as answer:
            return answer.status, await answer.text()

    async def metric(self, name: str, **labels: str) -> float:
        """Return the value of one of the worker's metrics, 0 if there is none yet."""
        _, text = await self.ask("/metrics")
        wanted = f"platform_worker_{name}"
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == wanted and labels.items() <= sample.labels.items()
        )

    async def is_ready(self) -> bool:
        """Whether it takes messages in."""
        return (await self.ask("/ready"))[0] == HTTPStatus.OK

    async def ended(self, within: float) -> int:
        """Wait for its end and return its exit code."""
        return await asyncio.wait_for(self.process.wait(), within)

    async def stop(self) -> None:
        """Ask it to end, and make sure that it has."""
        if self.process.returncode is None:
            self.thaw()
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 15)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


class Arena:
    """One broker, one API server, one controller; use as an async context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        kubeconfig: Path | None = None,
        runner: RecordingRunner | None = None,
        ack_wait: float = ACK_WAIT,
        room: int | None = None,
        controller: bool = True,
    ) -> None:
        """Prepare.

        Args:
            folder: For logs and the kubeconfig.
            kubeconfig: Of a real API server; without one the embedded API is started.
            runner: Carries tasks out.
            ack_wait: Seconds after which an event in hand is delivered again unless its worker shows signs of life.
            room: Bytes that ledger and DLQ may hold, where the declared size is too small for the test.
            controller: Somebody runs the Workflows.
        """
        self._folder = folder
        self._given = kubeconfig
        self._ack_wait = ack_wait
        self._room = room
        self._controlled = controller
        self._stack = AsyncExitStack()
        self._count = 0
        self.namespace = f"argo-{uuid4().hex[:8]}"
        self.runner = runner or RecordingRunner()
        self.history = History()
        self.workers: list[WorkerProcess] = []

    async def __aenter__(self) -> Self:
        self.nats = self._stack.enter_context(NatsServer())
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
        self.client = await nats.connect(self.nats.url)
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

    async def _create_namespace(self) -> None:
        await self.kube.call("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})

    async def apply_streams(self) -> None:
        """Create what is missing of streams, consumer and bucket."""
        declared = tailored(topology("dev"), stream=names.EVENTS_STREAM, consumer=names.CONSUMER)
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
            "NATS_URL": self.nats.url,
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
        while not await condition():
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
        history = self.history
        history.told = [_told(m.data) async for m in self.stored(names.STATUS_STREAM, names.STATUS_SUBJECTS)]
        history.dead = [_dead(m) async for m in self.stored(names.DLQ_STREAM, names.DLQ_SUBJECTS)]
        history.made = [_made(one) for one in await self.workflows()]
        history.executed = list(self.runner.executed)
        return history

    async def describe(self) -> str:
        """Return what a person needs to understand a violation: statuses, Workflows, executed tasks, records."""
        workflows = [_described(one) for one in sorted(await self.workflows(), key=completed, reverse=True)]
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


def completed(workflow: Mapping[str, Any]) -> bool:
    """Tell whether a Workflow is over."""
    return bool(workflow["metadata"]["labels"].get(COMPLETED_LABEL) == "true")


def _described(workflow: Mapping[str, Any]) -> str:
    status, notes = workflow.get("status", {}), workflow["metadata"]["annotations"]
    words = (workflow["metadata"]["name"], status.get("phase"), status.get("message", ""))
    return f"{words} of {notes[Annotation.DELIVERY]}, replaced by {notes.get(Annotation.SUPERSEDED_BY, 'none')}"


def _told(body: bytes) -> Told:
    event = json.loads(body)
    data = event["data"]
    kind = event["type"].split(".")[-2]
    run = data.get("run") or {}
    return Told(data["cause"].get("id", ""), event["delivery"], kind, data["disposition"], run.get("name", ""))


def _dead(message: Msg) -> DeadLetter:
    headers = message.headers or {}
    return DeadLetter(
        int(headers["Dlq-Sequence"]), message.data, headers.get("Dlq-Reason", ""), headers.get("Dlq-Path", "")
    )


def _made(workflow: Mapping[str, Any]) -> Made:
    meta = workflow["metadata"]
    notes = meta["annotations"]
    return Made(
        meta["uid"],
        meta["name"],
        f"{notes['platform.io/namespace']}/{notes['platform.io/application']}",
        notes["platform.io/order"],
        notes["platform.io/attempt"],
        notes["platform.io/delivery"],
    )
