"""(b) Events that lead to a started Workflow, against the same calls with prebuilt bodies through the same clients.

The baseline makes per event: read the record, write the intent, POST the Workflow, write the confirmation, PATCH the
start, publish the status, acknowledge twice; 32 at a time over one connection and one session. What the worker adds is
its logic. Another replica holds the lease, so observing is not part of what is measured.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import nats
from nats.aio.msg import Msg

from benchmarks import applications
from benchmarks.bed import Broker, broker, process
from benchmarks.report import Row
from benchmarks.servers import NAMESPACE, kubernetes_api
from contracts import names
from worker.domain.decide import Launch, confirm, decide
from worker.domain.decode import decode as decode_message
from worker.domain.record import Record
from worker.outbound.jetstream import JetStream
from worker.outbound.kubernetes_api import JSON_PATCH, START_PATCH, workflows_path
from worker.outbound.kubernetes_client import KubernetesAccess, KubernetesClient
from worker.outbound.record_codec import dumps
from worker.outbound.workflow import HeraWorkflowBuilder
from worker.outbound.workflow_settings import WorkflowSettings
from worker.telemetry import logs

EVENTS, LONE, CONCURRENCY = 1536, 96, 32


async def run(*, real: bool) -> list[Row]:
    """Measure baseline, worker and lone events on one API server."""
    where = "real kube-apiserver" if real else "embedded API (make tools builds the real one)"
    async with kubernetes_api(real=real) as kubeconfig:
        bare = await _bare(kubeconfig)
        async with broker() as bed:
            await bed.observe_elsewhere()
            await _publish(bed, "busy", EVENTS)
            async with _worker(bed, kubeconfig, wait_ready=False) as worker:
                rate = await bed.drain_rate(EVENTS)
                cpu = worker.cpu() / EVENTS * 1000
        async with broker() as bed:
            await bed.observe_elsewhere()
            async with _worker(bed, kubeconfig):
                lone = await _lone(bed)
    parts = {**_logic(), "API": bare.cpu_api, "NATS": bare.cpu_nats}
    spent = ", ".join(f"{name} {value:.2f}" for name, value in parts.items())
    return [
        Row("(b) bare calls, prebuilt bodies", f"{bare.rate:.0f} events/s", where),
        Row("(b) worker, event → started", f"{rate:.0f} events/s", "32 at a time"),
        Row("(b) ratio", f"{rate / bare.rate:.2f}", "bar 0.5, aim 0.7"),
        Row("(b) CPU per event", f"{cpu:.2f} ms", f"with the start; {spent}"),
        Row("(b) plain POSTs", f"{bare.posts:.0f} requests/s", "for information; Argo Events creates 5 a second"),
        Row(
            "(b) lone event → started, p50", f"{lone:.1f} ms", f"aim ≤ 12 ms; the same calls alone: {bare.alone:.1f} ms"
        ),
    ]


def _worker(bed: Broker, kubeconfig: Path, *, wait_ready: bool = True):  # type: ignore[no-untyped-def]
    environment = {"NATS_URL": bed.url, "KUBECONFIG": str(kubeconfig), "WORKFLOW_NAMESPACE": NAMESPACE}
    return process("worker", "run", wait_ready=wait_ready, **environment)


async def _publish(bed: Broker, prefix: str, events: int) -> None:
    for start in range(0, events, 256):
        numbers = range(start, min(start + 256, events))
        await asyncio.gather(*(_publish_one(bed, f"{prefix}-{number}") for number in numbers))


async def _publish_one(bed: Broker, name: str) -> None:
    subject = names.oam_subject(applications.NAMESPACE, name)
    await bed.js.publish(subject, applications.body(name, 1), headers=applications.HEADERS)


async def _lone(bed: Broker) -> float:
    """Return the median of milliseconds from publishing one event to the status that its run was started."""
    seen = await bed.client.subscribe("platform.status.>")
    times = []
    for number in range(LONE):
        began = time.perf_counter()
        await _publish_one(bed, f"lone-{number}")
        await seen.next_msg(timeout=10)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


class _Bodies:
    """Everything that the baseline sends, made beforehand."""

    def __init__(self, name: str) -> None:
        event = applications.event(name, 1)
        launch = decide(Record(event.app), event, {}, applications.INSTANCE)
        assert isinstance(launch, Launch)
        confirmed = confirm(launch.record, launch.run)
        assert confirmed is not None
        self.name = launch.run.name
        self.intent, self.confirmed = dumps(launch.record), dumps(confirmed)
        builder = HeraWorkflowBuilder(WorkflowSettings(namespace=NAMESPACE))
        self.workflow = builder.build(event.app, "", launch.run, launch.record)
        self.key = f"$KV.{names.STATE_BUCKET}.{names.record_key(applications.NAMESPACE, name)}"


@dataclass(frozen=True, slots=True)
class _Bare:
    """What the baseline did: events and plain POSTs per second, milliseconds of one event's calls alone, and of CPU."""

    rate: float
    posts: float
    alone: float
    cpu_api: float
    cpu_nats: float


async def _bare(kubeconfig: Path) -> _Bare:
    single = [_Bodies(f"single-{number}") for number in range(LONE)]
    prepared = [_Bodies(f"bare-{number}") for number in range(EVENTS)]
    plain = [_Bodies(f"plain-{number}") for number in range(EVENTS)]
    path = workflows_path(NAMESPACE)
    async with broker() as bed, KubernetesClient(KubernetesAccess(str(kubeconfig))) as api:
        await _publish(bed, "bare", EVENTS)
        await _publish(bed, "single", LONE)
        client = await nats.connect(bed.url)
        jetstream = JetStream(client)
        subscription = await client.jetstream().pull_subscribe_bind(names.CONSUMER, names.EVENTS_STREAM)

        waiting: asyncio.Queue[Msg] = asyncio.Queue(CONCURRENCY)

        async def fetch() -> None:
            for _ in range(0, EVENTS + LONE, CONCURRENCY):
                for message in await subscription.fetch(CONCURRENCY, timeout=10):
                    await waiting.put(message)

        async def one(bodies: _Bodies) -> None:
            message = await waiting.get()
            await jetstream.last(f"KV_{names.STATE_BUCKET}", bodies.key)
            revision = await jetstream.publish(bodies.key, bodies.intent, last=0)
            await _post(api, path, bodies)
            await jetstream.publish(bodies.key, bodies.confirmed, last=revision)
            await _start(api, path, bodies)
            status = names.status_subject(applications.NAMESPACE, bodies.name, "bare")
            await jetstream.publish(status, b"x" * 900, message_id=bodies.name)
            await message.ack_sync()

        fetching = asyncio.create_task(fetch())
        rate, cpu = await _rate(prepared, one)
        times = [await _milliseconds(one(bodies)) for bodies in single]
        await fetching
        posts, cpu_posts = await _rate(plain, lambda bodies: _post(api, path, bodies))
        _, cpu_starts = await _rate(plain, lambda bodies: _start(api, path, bodies))
        await client.close()
    # What the loop spends beside its two calls of the API, it spends on NATS.
    cpu_api = cpu_posts + cpu_starts
    return _Bare(rate, posts, statistics.median(times), cpu_api, cpu - cpu_api)


async def _milliseconds(work: Awaitable[None]) -> float:
    began = time.perf_counter()
    await work
    return (time.perf_counter() - began) * 1000


async def _post(api: KubernetesClient, path: str, bodies: _Bodies) -> None:
    answer = await api.request("POST", path, body=bodies.workflow)
    if answer.status != HTTPStatus.CREATED:
        raise RuntimeError(f"the API server answered {answer.status}: {answer.body[:300]!r}")


async def _start(api: KubernetesClient, path: str, bodies: _Bodies) -> None:
    answer = await api.request("PATCH", f"{path}/{bodies.name}", body=START_PATCH, content_type=JSON_PATCH)
    if answer.status != HTTPStatus.OK:
        raise RuntimeError(f"the API server answered {answer.status}: {answer.body[:300]!r}")


async def _rate(items, work) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Work on all items, 32 at a time; return items per second, and CPU milliseconds of this process per item."""
    waiting = iter(items)
    began, cpu = time.perf_counter(), time.process_time()

    async def slot() -> None:
        for item in waiting:
            await work(item)

    await asyncio.gather(*(slot() for _ in range(CONCURRENCY)))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return len(items) / seconds, cpu / len(items) * 1000


def _logic() -> dict[str, float]:
    """Return CPU milliseconds per event of the pure parts, measured one by one in this process."""
    logs.configure("warning", "text")
    message = applications.message("logic", 1)
    event = applications.event("logic", 1)
    launch = decide(Record(event.app), event, {}, applications.INSTANCE)
    assert isinstance(launch, Launch)
    builder = HeraWorkflowBuilder(WorkflowSettings(namespace=NAMESPACE))
    parts = {
        "decode": lambda: decode_message(message),
        "plan": lambda: decide(Record(event.app), event, {}, applications.INSTANCE),
        "build": lambda: builder.build(event.app, "", launch.run, launch.record),
        "record": lambda: dumps(launch.record),
    }
    return {name: _cpu(work) for name, work in parts.items()}


def _cpu(work, rounds: int = 500) -> float:  # type: ignore[no-untyped-def]
    work()
    began = time.process_time()
    for _ in range(rounds):
        work()
    return (time.process_time() - began) / rounds * 1000
