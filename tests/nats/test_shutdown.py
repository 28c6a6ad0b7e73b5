"""SIGTERM at every awkward moment: what is in hand ends or is given back at once, and the exit is clean."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.nats.conftest import Bench, RecordingHandler, inbound, until
from worker.dev.loopback import free_port
from worker.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.domain.events import InboundMessage


class Worker:
    """The process and the lines it has written."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            self.lines.append(line.decode().strip())

    def count(self, word: str) -> int:
        return sum(line.startswith(word) for line in self.lines)

    async def terminate(self) -> float:
        """Send SIGTERM and return the seconds until the exit, which must be clean."""
        start = asyncio.get_running_loop().time()
        self.process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(self.process.wait(), 20.0)
        await self.reader
        assert code == 0, "\n".join(self.lines)
        assert self.lines[-1] == "left", self.lines
        return asyncio.get_running_loop().time() - start


@asynccontextmanager
async def worker(url: str, *, seconds: float, grace: float) -> AsyncIterator[Worker]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.nats.worker_process", str(seconds), str(grace)),
        env={**os.environ, "NATS_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    started = Worker(process)
    try:
        yield started
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await started.reader


async def test_work_in_flight_is_finished_and_acknowledged(bench: Bench) -> None:
    await bench.publish(20)
    async with worker(bench.server.url, seconds=0.5, grace=10) as process:
        await until(lambda: process.count("started") == 4)
        assert await process.terminate() < 5.0, "less than the grace"
        assert process.count("done") == process.count("started") == 4
    assert await bench.left() == 16
    assert await bench.pending() == 0


async def test_work_that_outlasts_the_grace_is_handed_over_at_once(bench: Bench) -> None:
    await bench.publish(6)
    async with worker(bench.server.url, seconds=60, grace=0.5) as process:
        await until(lambda: process.count("started") == 4)
        assert await process.terminate() < 5.0
    handler = RecordingHandler()
    async with inbound(bench.server.url, handler):
        assert await until(lambda: len(handler.done) == 6) < 4.0, "less than ack_wait, which is 5 s"


async def test_messages_that_wait_for_a_system_are_handed_over_without_using_up_the_grace(bench: Bench) -> None:
    async def act(_: InboundMessage) -> None:
        away.admission.trip()
        raise Unavailable("kubernetes", "connection refused")

    await bench.publish(3)
    async with inbound(bench.server.url, RecordingHandler(act), grace=30.0) as away:
        await until(lambda: len(away.loop.held) == 3 and all(held.idle for held in away.loop.held.values()))
        stopping = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - stopping < 5.0
    handler = RecordingHandler()
    async with inbound(bench.server.url, handler):
        assert await until(lambda: len(handler.done) == 3) < 4.0, "less than ack_wait, which is 5 s"


async def test_what_arrives_while_stopping_is_given_back_at_once(bench: Bench) -> None:
    flood, published = True, 0

    async def publish() -> None:
        nonlocal published
        while flood:
            await bench.publish(8, start=published)
            published += 8

    publisher = asyncio.create_task(publish())
    handled: set[int] = set()
    for _ in range(5):
        handler = RecordingHandler()
        async with inbound(bench.server.url, handler):
            await until(functools.partial(handler.has_done, 21))
        handled |= set(handler.done)
    flood = False
    await publisher
    handler = RecordingHandler()
    async with inbound(bench.server.url, handler):
        left = await bench.left()
        assert await until(lambda: handled | set(handler.done) == set(range(1, published + 1))) < 4.0, left


async def test_sigterm_while_the_server_is_away(bench: Bench) -> None:
    await bench.publish(2)
    async with worker(bench.server.url, seconds=0.1, grace=5) as process:
        await until(lambda: process.count("done") == 2)
        bench.server.kill()
        await asyncio.sleep(1.0)
        assert await process.terminate() < 8.0
        assert not process.count("Traceback"), process.lines


async def test_sigterm_while_a_lost_connection_has_something_left_to_send(bench: Bench) -> None:
    """Whether the socket says so in time is a matter of luck, so the test says it."""
    async with inbound(bench.server.url, RecordingHandler()) as worker:
        client = worker.broker.connection
        bench.server.kill()
        await until(lambda: client.is_reconnecting)
        await client.publish("left.behind", b"nobody will get this")
        assert client._transport is not None
        client._transport._io_reader.set_exception(BrokenPipeError())  # type: ignore[attr-defined]
    assert client.is_closed
    assert client._reconnection_task is None or client._reconnection_task.done()


async def test_sigterm_while_no_server_was_ever_there() -> None:
    async with worker(f"nats://127.0.0.1:{free_port()}", seconds=0.1, grace=5) as process:
        await until(lambda: process.count("serving"))
        await asyncio.sleep(1.0)
        assert await process.terminate() < 5.0
        assert not process.count("Traceback"), process.lines
        assert not process.count("connected")
