"""Everything here runs against a real nats-server: stream, durable consumer and the worker's inbound side on top of
it."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import nats
import pytest
from nats.js.api import ConsumerConfig, RetentionPolicy, StreamConfig

from worker.inbound.consumer import Consumer
from worker.inbound.credit_pull import CreditPullBroker
from worker.inbound.pull_loop import PullLoop
from worker.inbound.settle import Settler
from worker.outbound.nats_connection import ConnectionOptions, NatsConnection
from worker.ports import Outcome, Settlement
from worker.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.support.nats import NatsServer
    from worker.domain.events import Delivery, InboundMessage
    from worker.errors import Rejected
    from worker.inbound.verdict import Limits

STREAM, DURABLE, SUBJECTS = "PLATFORM_EVENTS", "platform-worker", ["platform.oam.*.*", "platform.request.*.*"]
ACK = Outcome(Settlement.ACK)


async def until(condition: Callable[[], object], within: float = 10.0) -> float:
    """Wait until ``condition`` holds and return how long that took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < within, f"not within {within} s: {condition}"
        await asyncio.sleep(0.01)
    return time.monotonic() - start


@dataclass
class RecordingHandler:
    """A handler that does what the test says and remembers what it saw."""

    act: Callable[[InboundMessage], Awaitable[None]] | None = None
    started: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    rejected: list[tuple[int, Rejected]] = field(default_factory=list)

    def has_done(self, number: int) -> bool:
        """Whether at least so many were handled."""
        return len(self.done) >= number

    async def handle(self, message: InboundMessage) -> Outcome:
        self.started.append(message.delivery.sequence)
        if self.act is not None:
            await self.act(message)
        self.done.append(message.delivery.sequence)
        return ACK

    async def reject(self, message: InboundMessage, error: Rejected) -> Outcome:
        self.rejected.append((message.delivery.sequence, error))
        return Outcome(Settlement.TERM, error.code)


class OpenAdmission:
    """A breaker that the test opens and closes."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._event.set()

    @property
    def open(self) -> bool:
        return self._event.is_set()

    async def wait(self) -> None:
        await self._event.wait()

    def trip(self) -> None:
        self._event.clear()

    def recover(self) -> None:
        self._event.set()


class MemoryTries:
    """Counts in memory."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    async def add(self, delivery: Delivery) -> int:
        self.counts[delivery.key] = self.counts.get(delivery.key, 0) + 1
        return self.counts[delivery.key]


class CountingMetrics:
    """Counts in memory."""

    def __init__(self) -> None:
        self.settles: dict[str, int] = {}
        self.retries: dict[str, int] = {}

    def settled(self, kind: str) -> None:
        self.settles[kind] = self.settles.get(kind, 0) + 1

    def retried(self, reason: str) -> None:
        self.retries[reason] = self.retries.get(reason, 0) + 1


@dataclass
class Inbound:
    """The inbound side of one worker, wired by hand."""

    broker: CreditPullBroker
    loop: PullLoop
    handler: RecordingHandler
    admission: OpenAdmission
    metrics: CountingMetrics
    consumer: Consumer
    connection: NatsConnection

    def ready(self) -> bool:
        return bool(self.loop.binding) and self.broker.connection.is_connected and not self.loop.silent


@asynccontextmanager
async def inbound(
    url: str,
    handler: RecordingHandler,
    *,
    limit: int = 32,
    limits: Limits | None = None,
    grace: float = 5.0,
    environment: dict[str, str] | None = None,
    ping_interval: float = 5.0,
    **loop_options: Any,
) -> AsyncIterator[Inbound]:
    """Start the inbound side on ``url``; stop it at the end."""

    admission, metrics = OpenAdmission(), CountingMetrics()
    consumer = Consumer(
        handler, Settler(metrics, timeout=2.0), admission=admission, tries=MemoryTries(), metrics=metrics, limits=limits
    )
    connection = NatsConnection(
        Settings.from_environment({"NATS_URL": url} | (environment or {})),
        ConnectionOptions(reconnect_wait=0.2, ping_interval=ping_interval),
    )
    broker = CreditPullBroker(connection.dial, grace=grace)
    loop = PullLoop(
        stream=STREAM,
        durable=DURABLE,
        limit=limit,
        permit=lambda: admission.open and not consumer.turnstile.closed,
        **loop_options,
    )
    broker.credit_pull(loop, consumer.consume, stream=STREAM, durable=DURABLE, subjects=SUBJECTS)
    await broker.start()
    keeper = asyncio.create_task(connection.keep(broker.connection))
    try:
        yield Inbound(broker, loop, handler, admission, metrics, consumer, connection)
    finally:
        keeper.cancel()
        await broker.stop()


@dataclass
class Bench:
    """A server with stream and consumer, and a client of its own to publish and look."""

    server: NatsServer
    client: nats.NATS

    @property
    def js(self) -> Any:
        return self.client.jetstream()

    async def publish(self, count: int, *, start: int = 0) -> None:
        await asyncio.gather(
            *(self.js.publish(f"platform.oam.team.app-{i}", b'{"n": %d}' % i) for i in range(start, start + count))
        )

    async def left(self) -> int:
        return int((await self.js.stream_info(STREAM)).state.messages)

    async def pending(self) -> int:
        return int((await self.js.consumer_info(STREAM, DURABLE)).num_ack_pending)


async def create(js: Any, *, ack_wait: float = 5.0) -> None:
    """Create stream and consumer as the declaration has them, with a shorter ack_wait."""
    await js.add_stream(StreamConfig(name=STREAM, subjects=SUBJECTS, retention=RetentionPolicy.WORK_QUEUE))
    await create_consumer(js, ack_wait=ack_wait)


async def create_consumer(js: Any, *, ack_wait: float = 5.0) -> None:
    await js.add_consumer(
        STREAM,
        ConsumerConfig(
            durable_name=DURABLE, filter_subjects=SUBJECTS, ack_wait=ack_wait, max_ack_pending=1000, max_deliver=-1
        ),
    )


@pytest.fixture
async def bench(nats_server: NatsServer) -> AsyncIterator[Bench]:
    async def quiet(_: Exception) -> None: ...

    client = await nats.connect(
        nats_server.url, error_cb=quiet, max_reconnect_attempts=-1, reconnect_time_wait=0.1, connect_timeout=1
    )
    await create(client.jetstream())
    try:
        yield Bench(nats_server, client)
    finally:
        await client.close()
