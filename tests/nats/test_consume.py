"""The normal way of a message, and what a handler can do to it."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING

from tests.nats.conftest import Bench, RecordingHandler, inbound, until

if TYPE_CHECKING:
    from worker.domain.events import InboundMessage


async def test_every_message_is_handled_and_acknowledged_once(bench: Bench) -> None:
    handler = RecordingHandler()
    await bench.publish(200)
    async with inbound(bench.server.url, handler) as worker:
        await until(lambda: worker.metrics.settles.get("ack") == 200)
        assert sorted(handler.done) == list(range(1, 201))
        assert await bench.left() == 0


async def test_what_is_published_while_idle_arrives_at_once(bench: Bench) -> None:
    handler = RecordingHandler()
    async with inbound(bench.server.url, handler) as worker:
        await until(worker.ready)
        for i in range(5):
            await asyncio.sleep(0.3)
            await bench.publish(1, start=i)
            assert await until(functools.partial(handler.has_done, i + 1)) < 1.5, "less than a heartbeat, which is 2 s"


async def test_never_more_in_hand_than_slots(bench: Bench) -> None:
    peak = 0

    async def act(_: InboundMessage) -> None:
        nonlocal peak
        peak = max(peak, worker.loop.credits.in_hand)
        assert await bench.pending() <= 8
        await asyncio.sleep(0.01)

    handler = RecordingHandler(act)
    await bench.publish(100)
    async with inbound(bench.server.url, handler, limit=8) as worker:
        await until(lambda: len(handler.done) == 100)
    assert peak == 8
    assert len(handler.started) == 100
