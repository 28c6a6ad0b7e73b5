"""What the server may do: vanish, freeze, forget, refuse. Nothing is lost, and readiness tells the truth."""

from __future__ import annotations

import asyncio
import json
import resource
from typing import TYPE_CHECKING

import nats.errors
import pytest

from tests.nats.conftest import DURABLE, STREAM, Bench, RecordingHandler, create, create_consumer, inbound, until
from tests.support.nats import NatsServer

if TYPE_CHECKING:
    from worker.domain.events import InboundMessage


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def test_a_deleted_consumer_makes_unready_without_spinning_and_a_new_one_is_bound(bench: Bench) -> None:
    handler = RecordingHandler()
    await bench.publish(10)
    async with inbound(bench.server.url, handler) as worker:
        await until(lambda: worker.metrics.settles.get("ack") == 10)
        await bench.js.delete_consumer(STREAM, DURABLE)
        assert await until(lambda: not worker.ready()) < 5.0
        assert "does not exist" in worker.loop.problem or "Consumer Deleted" in worker.loop.problem
        before = cpu_seconds()
        await asyncio.sleep(3.0)
        assert cpu_seconds() - before < 0.3
        assert not worker.ready()
        await bench.publish(5, start=10)
        await create_consumer(bench.js)
        await until(worker.ready)
        await until(lambda: len(handler.done) == 15)
        assert len(handler.started) == 15, "a work queue replays nothing"


async def test_a_deleted_consumer_is_noticed_while_all_slots_are_taken(bench: Bench) -> None:
    release = asyncio.Event()

    async def act(_: InboundMessage) -> None:
        await release.wait()

    handler = RecordingHandler(act)
    await bench.publish(2)
    async with inbound(bench.server.url, handler, limit=2, lag_interval=1.0) as worker:
        await until(lambda: len(handler.started) == 2)
        await bench.js.delete_consumer(STREAM, DURABLE)
        assert await until(lambda: not worker.ready()) < 5.0
        release.set()


async def test_a_recreated_stream_is_another_one(bench: Bench) -> None:
    release = asyncio.Event()
    incarnations = []

    async def act(message: InboundMessage) -> None:
        incarnations.append(message.delivery.incarnation)
        if len(incarnations) == 1:
            await release.wait()

    handler = RecordingHandler(act)
    await bench.publish(1)
    async with inbound(bench.server.url, handler) as worker:
        await until(lambda: len(handler.started) == 1)
        await bench.js.delete_stream(STREAM)
        await asyncio.sleep(0.3)
        await create(bench.js)
        await bench.publish(2, start=1)
        await until(lambda: len(handler.done) == 2)
        release.set()
        await until(lambda: worker.metrics.settles == {"ack": 2, "orphaned": 1})
        assert sorted(handler.started) == [1, 1, 2]
        assert incarnations[0] < incarnations[1] == incarnations[2]


async def test_a_recreated_consumer_whose_loss_nobody_noticed_is_looked_at_before_anything_is_handled(
    bench: Bench,
) -> None:
    release = asyncio.Event()
    incarnations = []

    async def act(message: InboundMessage) -> None:
        incarnations.append(message.delivery.incarnation)
        await release.wait()

    handler = RecordingHandler(act)
    await bench.publish(1)
    async with inbound(bench.server.url, handler, limit=1, lag_interval=60.0, idle_heartbeat=10.0) as worker:
        await until(lambda: len(handler.started) == 1)
        await bench.js.delete_stream(STREAM)
        await create(bench.js)
        await bench.publish(1, start=1)
        release.set()
        await until(lambda: len(handler.done) == 2)
        assert incarnations[0] < incarnations[1]
        del worker


async def test_a_killed_server_that_returns_is_consumed_from_again(bench: Bench) -> None:
    handler = RecordingHandler()
    await bench.publish(10)
    async with inbound(bench.server.url, handler) as worker:
        await until(lambda: worker.metrics.settles.get("ack") == 10)
        bench.server.kill()
        await until(lambda: not worker.ready())
        await asyncio.sleep(1.0)
        await bench.server.start()
        back = asyncio.get_running_loop().time()
        await until(lambda: bench.client.is_connected)
        await bench.publish(10, start=10)
        await until(lambda: len(set(handler.done)) == 20)
        assert asyncio.get_running_loop().time() - back < 10.0
        await until(worker.ready)


async def test_nothing_is_lost_when_the_server_is_killed_three_times_under_load(bench: Bench) -> None:
    acked: set[int] = set()
    handled: set[int] = set()
    stop = False

    async def act(message: InboundMessage) -> None:
        await asyncio.sleep(0.002)
        handled.add(json.loads(message.body)["n"])

    async def publish(lane: int) -> None:
        n = lane
        while not stop:
            try:
                await bench.js.publish(f"platform.oam.team.app-{n}", json.dumps({"n": n}).encode(), timeout=1.0)
            except (nats.errors.Error, OSError):
                await asyncio.sleep(0.05)
            else:
                acked.add(n)
                n += 8

    async with inbound(bench.server.url, RecordingHandler(act)):
        publishers = [asyncio.create_task(publish(lane)) for lane in range(8)]
        for _ in range(3):
            await asyncio.sleep(1.0)
            bench.server.kill()
            await asyncio.sleep(0.3)
            await bench.server.start()
        await asyncio.sleep(1.0)
        stop = True
        await asyncio.gather(*publishers)
        await until(lambda: acked <= handled, 20.0)
    assert len(acked) > 300


async def test_a_frozen_server_makes_unready_and_is_consumed_from_when_it_thaws(bench: Bench) -> None:
    handler = RecordingHandler()
    async with inbound(bench.server.url, handler, ping_interval=60.0) as worker:
        await until(worker.ready)
        bench.server.freeze()
        try:
            assert await until(lambda: not worker.ready(), 12.0) < 7.0
            assert worker.broker.connection.is_connected, "only silence tells"
        finally:
            bench.server.thaw()
        await until(worker.ready)
        await bench.publish(100)
        await until(lambda: len(handler.done) == 100)
        assert len(handler.started) == 100


async def test_a_server_that_stays_frozen_is_given_up(bench: Bench) -> None:
    handler = RecordingHandler()
    async with inbound(bench.server.url, handler, ping_interval=1.0) as worker:
        await until(worker.ready)
        bench.server.freeze()
        try:
            await until(lambda: not worker.broker.connection.is_connected, 10.0)
        finally:
            bench.server.thaw()
        await bench.publish(1)
        await until(lambda: handler.done)


@pytest.mark.parametrize("how", ["closed", "reconnect task dead"])
async def test_a_connection_that_the_client_gave_up_is_made_again(bench: Bench, how: str) -> None:
    handler = RecordingHandler()
    await bench.publish(5)
    async with inbound(bench.server.url, handler) as worker:
        await until(lambda: len(handler.done) == 5)
        client = worker.broker.connection
        if how == "closed":
            await client.close()
        else:
            bench.server.kill()
            await until(lambda: client.is_reconnecting)
            assert client._reconnection_task is not None
            client._reconnection_task.cancel()
            await asyncio.sleep(1.0)
            await bench.server.start()
            await until(lambda: bench.client.is_connected)
        await asyncio.sleep(0.1)
        await bench.publish(5, start=5)
        await until(lambda: len(set(handler.done)) == 10)
        await until(lambda: worker.metrics.settles["ack"] >= 10)
        assert worker.ready()


# nats-py forgets to close the stream of an attempt that the server refused.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning")
async def test_refused_credentials_during_a_reconnect_are_survived() -> None:
    def users(password: str) -> dict[str, object]:
        return {"authorization": {"users": [{"user": "worker", "password": password}]}}

    handler = RecordingHandler()
    async with NatsServer(config=users("right")) as server:
        client = await nats.connect(server.url, user="worker", password="right")
        await create(client.jetstream())
        await client.close()
        login = {"NATS_USER": "worker", "NATS_PASSWORD": "right"}
        async with inbound(server.url, handler, environment=login) as worker:
            await until(worker.ready)
            server._config = users("changed")
            await server.restart()
            await until(lambda: "uthorization" in worker.connection.trouble)
            await asyncio.sleep(1.0)
            assert not worker.ready()
            assert "right" not in worker.connection.trouble
            server._config = users("right")
            await server.restart()
            await until(worker.ready)
            client = await nats.connect(server.url, user="worker", password="right")
            await client.jetstream().publish("platform.oam.team.app", b"{}")
            await client.close()
            await until(lambda: handler.done)


async def test_credentials_that_are_revoked_while_connected_are_survived() -> None:
    """The server closes such a connection with an error that nats-py answers by closing for good."""

    def users(password: str) -> dict[str, object]:
        return {"authorization": {"users": [{"user": "worker", "password": password}]}}

    async with NatsServer(config=users("right")) as server:
        client = await nats.connect(server.url, user="worker", password="right")
        await create(client.jetstream())
        await client.close()
        login = {"NATS_USER": "worker", "NATS_PASSWORD": "right"}
        async with inbound(server.url, RecordingHandler(), environment=login) as worker:
            await until(worker.ready)
            for password in ("changed", "right"):
                server._config = users(password)
                server._write_config()
                server._live().send_signal(1)  # SIGHUP: reload
                await until(lambda: not worker.ready()) if password == "changed" else await until(worker.ready)


async def test_a_message_redelivered_while_in_hand_is_handled_once(bench: Bench) -> None:
    release = asyncio.Event()

    async def act(_: InboundMessage) -> None:
        await release.wait()

    handler = RecordingHandler(act)
    await bench.publish(3)
    async with inbound(bench.server.url, handler) as worker:
        await until(lambda: len(handler.started) == 3)
        for held in list(worker.loop.held.values()):
            await held.client.publish(held.reply, b"-NAK")  # the server delivers again what is still being handled
        await asyncio.sleep(0.5)
        release.set()
        await until(lambda: worker.metrics.settles == {"ack": 3})
        assert len(handler.started) == 3
        assert await bench.left() == 0
