"""Starting: bind only, wait for what may come by itself, end with a clear message on what does not."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import nats
import pytest

from contracts.streams import topology
from tests.nats.conftest import (
    ACK,
    DURABLE,
    STREAM,
    SUBJECTS,
    Bench,
    CountingMetrics,
    MemoryTries,
    OpenAdmission,
    RecordingHandler,
    create,
    until,
)
from tests.support.nats import NatsServer
from worker.dev.loopback import free_port
from worker.errors import Misconfigured, NewerRecord
from worker.http import Combined, Reason, serve
from worker.inbound.subscriber import Collaborators, Inbound, InboundOptions
from worker.outbound.nats_connection import NatsConnection
from worker.outbound.streams import Streams
from worker.settings import Settings
from worker.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nats.aio.client import Client

    from worker.domain.events import InboundMessage
    from worker.ports import Handler


def wire(url: str, handler: Handler, *, verify: bool = False, admission: OpenAdmission | None = None) -> Inbound:
    connection = NatsConnection(Settings.from_environment({"NATS_URL": url}))

    async def collaborate(client: Client) -> Collaborators:
        async def check(_: object) -> None:
            await Streams(client, topology("dev")).verify()

        return Collaborators(handler, admission or OpenAdmission(), MemoryTries(), check if verify else None)

    return Inbound(
        InboundOptions(STREAM, DURABLE, SUBJECTS, grace=1.0),
        connection.dial,
        collaborate=collaborate,
        keep=connection.keep,
        metrics=CountingMetrics(),
    )


async def test_a_missing_stream_or_consumer_ends_the_start_with_what_to_run(nats_server: NatsServer) -> None:
    with pytest.raises(Misconfigured, match=f"stream {STREAM} does not exist") as caught:
        await wire(nats_server.url, RecordingHandler()).application().run()
    assert caught.value.fix == "run: platform-worker streams apply"
    client = await nats.connect(nats_server.url)
    await client.jetstream().add_stream(name=STREAM, subjects=SUBJECTS)
    with pytest.raises(Misconfigured, match=f"consumer {DURABLE} of stream {STREAM} does not exist"):
        await wire(nats_server.url, RecordingHandler()).application().run()
    assert await client.jetstream().consumers_info(STREAM) == [], "the worker creates nothing"
    await client.close()


async def test_drift_ends_the_start_and_names_each_differing_setting(bench: Bench) -> None:
    with pytest.raises(Misconfigured) as caught:
        await wire(bench.server.url, RecordingHandler(), verify=True).application().run()
    assert "stream PLATFORM_EVENTS: discard is old, declared is new" in str(caught.value)
    assert "stream PLATFORM_STATUS does not exist" in str(caught.value)
    assert caught.value.fix == "run: platform-worker streams apply"


async def test_probes_are_answered_before_there_is_a_server_and_follow_it() -> None:
    handler = RecordingHandler()
    async with NatsServer(port=free_port()) as server:
        await server.stop()
        inbound = wire(server.url, handler)
        metrics, trouble = Metrics(process=False), [""]
        for name, (description, value) in inbound.gauges().items():
            metrics.watch(name, description, value)
        health = Combined(inbound, Reason("systems", lambda: trouble[0]))
        ports: list[int] = []

        @asynccontextmanager
        async def lifespan() -> AsyncIterator[None]:
            async with serve("127.0.0.1", 0, health, metrics) as port:
                ports.append(port)
                yield

        running = asyncio.create_task(inbound.application(lifespan).run())
        try:
            await until(lambda: ports)
            base = f"http://127.0.0.1:{ports[0]}"
            async with aiohttp.ClientSession() as session:
                async with session.get(f"{base}/health") as answer:
                    assert answer.status == 200
                async with session.get(f"{base}/ready") as answer:
                    assert answer.status == 503
                    assert (await answer.json())["reasons"] == {"connection": "not connected to the NATS server"}
                await server.start()
                client = await nats.connect(server.url)
                await create(client.jetstream())
                await until(lambda: not inbound.unready())
                await client.jetstream().publish("platform.oam.team.app", b"{}")
                await until(lambda: handler.done)
                async with session.get(f"{base}/ready") as answer:
                    assert answer.status == 200
                    facts = (await answer.json())["facts"]
                    assert (facts["stream"], facts["consumer"]) == (STREAM, DURABLE)
                async with session.get(f"{base}/metrics") as answer:
                    assert "platform_worker_consuming 1.0" in await answer.text()
                await client.close()
                server.kill()
                await until(inbound.unready)
                async with session.get(f"{base}/health") as answer:
                    assert answer.status == 200, "a restart would not bring the server back"
        finally:
            await _terminate(running)


async def test_nothing_is_taken_in_before_the_gate_opens(bench: Bench) -> None:
    handler, gate = RecordingHandler(), OpenAdmission()
    gate.trip()
    await bench.publish(5)
    inbound = wire(bench.server.url, handler, admission=gate)
    running = asyncio.create_task(inbound.application().run())
    try:
        await until(lambda: inbound.loop.started)
        await asyncio.sleep(1.2)
        assert (await bench.pending(), handler.started) == (0, [])
        gate.recover()
        assert await until(lambda: len(handler.done) == 5) < 1.0
    finally:
        await _terminate(running)


async def test_a_dead_pull_task_is_a_reason_to_restart(bench: Bench) -> None:
    inbound = wire(bench.server.url, RecordingHandler())
    running = asyncio.create_task(inbound.application().run())
    try:
        await until(lambda: inbound.loop.started and not inbound.unready())
        assert inbound.dead() == {}
        next(task for task in inbound.loop._loops if task.get_name() == "pull").cancel()
        await until(inbound.dead)
        assert inbound.dead() == {"subscriber": "the task that pulls messages has ended"}
    finally:
        await _terminate(running)


async def test_a_record_of_a_newer_worker_makes_unready_and_is_left_to_it(bench: Bench) -> None:
    class Old:
        async def handle(self, message: InboundMessage) -> object:
            if message.delivery.sequence == 1:
                raise NewerRecord("app.team.app-0", 2, 1)
            return ACK

    inbound = wire(bench.server.url, Old())  # type: ignore[arg-type]
    running = asyncio.create_task(inbound.application().run())
    try:
        await bench.publish(2)
        await until(lambda: "schema version 2" in inbound.unready().get("state", ""))
        await until(lambda: inbound.loop.credits.in_hand == 0)
        assert await bench.left() == 1
    finally:
        await _terminate(running)


async def _terminate(running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
