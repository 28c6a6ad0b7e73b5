"""What a handler may do wrong without harm to its message, its neighbours or the loop."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from contracts.violations import ContractViolation
from tests.nats.conftest import DURABLE, STREAM, Bench, RecordingHandler, create_consumer, inbound, until
from worker.errors import Deferred, LostRace, Rejected, Unavailable
from worker.inbound.verdict import Limits

if TYPE_CHECKING:
    from worker.domain.events import InboundMessage


async def test_an_unexpected_exception_is_tried_again_and_harms_nobody_else(bench: Bench) -> None:
    async def act(message: InboundMessage) -> None:
        if message.delivery.sequence == 3 and message.delivery.delivered == 1:
            raise KeyError("s3cret")

    handler = RecordingHandler(act)
    await bench.publish(40)
    async with inbound(bench.server.url, handler) as worker:
        await until(lambda: len(handler.done) == 40)
        assert handler.started.count(3) == 2
        assert len(handler.started) == 41
        assert worker.metrics.retries == {"KeyError": 1}
        await until(lambda: worker.metrics.settles == {"ack": 40, "nak": 1})


async def test_a_message_that_exceeds_its_tries_is_rejected_with_its_class_and_terminated(bench: Bench) -> None:
    async def act(_: InboundMessage) -> None:
        raise ZeroDivisionError

    handler = RecordingHandler(act)
    await bench.publish(1)
    async with inbound(bench.server.url, handler, limits=Limits(unknown_tries=3)) as worker:
        await until(lambda: worker.metrics.settles.get("term") == 1, 15.0)
        assert len(handler.started) == 3
        [(sequence, error)] = handler.rejected
        assert (sequence, error.code) == (1, "unknown-error")
        assert await bench.left() == 0


@pytest.mark.parametrize(
    "poison", [Rejected("unknown-type", "no", path="$.type"), ContractViolation("nan", "$", "no", "fix")]
)
async def test_a_permanent_error_is_rejected_at_once(bench: Bench, poison: Exception) -> None:
    async def act(_: InboundMessage) -> None:
        raise poison

    handler = RecordingHandler(act)
    await bench.publish(1)
    async with inbound(bench.server.url, handler) as worker:
        await until(lambda: worker.metrics.settles.get("term") == 1)
        assert len(handler.started) == 1
        assert handler.rejected[0][1].code in {"unknown-type", "nan"}
        assert await bench.left() == 0


async def test_stray_cancellations_lose_nothing(bench: Bench) -> None:
    async def act(message: InboundMessage) -> None:
        await asyncio.sleep(0.05)
        if message.delivery.sequence == 5 and message.delivery.delivered == 1:
            raise asyncio.CancelledError

    handler = RecordingHandler(act)
    await bench.publish(40)
    async with inbound(bench.server.url, handler) as worker:
        await until(lambda: len(handler.done) == 40)
        assert handler.started.count(5) == 2
        assert len(handler.started) == 41
        assert worker.loop.alive
        assert worker.metrics.retries == {"CancelledError": 1}, "it counts as a try, so it cannot go on for ever"


async def test_a_task_that_is_cancelled_from_outside_gives_its_message_back(bench: Bench) -> None:
    async def act(message: InboundMessage) -> None:
        if message.delivery.delivered == 1:
            await asyncio.sleep(60)

    handler = RecordingHandler(act)
    await bench.publish(1)
    async with inbound(bench.server.url, handler) as worker:
        await until(lambda: handler.started)
        next(iter(worker.loop._tasks)).cancel()
        assert await until(lambda: handler.done) < 4.0, "less than ack_wait, which is 5 s"
        assert worker.loop.alive


async def test_system_exit_in_a_handler_is_just_another_defect(bench: Bench) -> None:
    async def act(message: InboundMessage) -> None:
        if message.delivery.delivered == 1:
            raise SystemExit(3)

    handler = RecordingHandler(act)
    await bench.publish(3)
    async with inbound(bench.server.url, handler):
        await until(lambda: len(handler.done) == 3)


async def test_a_handler_longer_than_ack_wait_keeps_its_message(bench: Bench) -> None:
    await create_consumer(bench.js, ack_wait=1.0)

    async def act(_: InboundMessage) -> None:
        await asyncio.sleep(2.5)

    handler = RecordingHandler(act)
    await bench.publish(4)
    async with inbound(bench.server.url, handler) as worker:
        await until(lambda: worker.metrics.settles == {"ack": 4})
        delivered = (await bench.js.consumer_info(STREAM, DURABLE)).delivered.consumer_seq
        assert delivered == len(handler.started) == 4


async def test_messages_are_held_while_a_system_is_away_and_nothing_more_is_taken_in(bench: Bench) -> None:
    away = True

    async def act(_: InboundMessage) -> None:
        if away:
            worker.admission.trip()
            raise Unavailable("kubernetes", "connection refused")

    handler = RecordingHandler(act)
    async with inbound(bench.server.url, handler, limit=4) as worker:
        await bench.publish(20)
        await until(lambda: len(handler.started) >= 4)
        await asyncio.sleep(1.0)
        assert len(handler.started) == 4
        assert await bench.pending() == 4
        away = False
        worker.admission.recover()
        await until(lambda: len(handler.done) == 20)
        await until(lambda: worker.metrics.settles == {"ack": 20})
        assert await bench.left() == 0


async def test_a_lost_race_looks_again_at_once_in_the_same_delivery(bench: Bench) -> None:
    deliveries = []

    async def act(message: InboundMessage) -> None:
        deliveries.append(message.delivery.delivered)
        if len(deliveries) < 4:
            raise LostRace("team/app-0")

    handler = RecordingHandler(act)
    await bench.publish(1)
    async with inbound(bench.server.url, handler):
        assert await until(lambda: handler.done) < 4.0, "less than ack_wait, which is 5 s"
    assert deliveries == [1, 1, 1, 1]


async def test_a_deferred_event_comes_back_after_its_delay(bench: Bench) -> None:
    times = []

    async def act(message: InboundMessage) -> None:
        times.append(time.monotonic())
        if message.delivery.delivered == 1:
            raise Deferred("quota", "exceeded quota: pods", delay=None)

    handler = RecordingHandler(act)
    await bench.publish(1)
    async with inbound(bench.server.url, handler):
        await until(lambda: handler.done, 8.0)
    assert 3.9 <= times[1] - times[0] <= 7.0


async def test_a_deferred_event_beyond_its_budget_is_rejected(bench: Bench) -> None:
    async def act(_: InboundMessage) -> None:
        raise Deferred("quota", "exceeded quota: pods")

    handler = RecordingHandler(act)
    await bench.publish(1)
    async with inbound(bench.server.url, handler, limits=Limits(retry_budget=0.0)) as worker:
        await until(lambda: worker.metrics.settles.get("term") == 1)
        assert handler.rejected[0][1].code == "quota"


async def test_a_crash_loop_is_rejected_before_its_handler_sees_it(bench: Bench) -> None:
    async def act(_: InboundMessage) -> None:
        raise LostRace("never mind")

    limits = Limits(crash_loop=3, races_in_hand=0, alone_after=1)
    handler = RecordingHandler(act)
    await bench.publish(1)
    async with inbound(bench.server.url, handler, limits=limits) as worker:
        await until(lambda: worker.metrics.settles.get("term") == 1, 30.0)
        assert len(handler.started) == 3
        assert handler.rejected[0][1].code == "crash-loop"


async def test_a_suspect_is_handled_alone(bench: Bench) -> None:
    running: set[int] = set()
    company: list[int] = []

    async def act(message: InboundMessage) -> None:
        if message.delivery.sequence == 1 and message.delivery.delivered == 1:
            raise ZeroDivisionError
        running.add(message.delivery.sequence)
        await asyncio.sleep(0.02)
        if message.delivery.sequence == 1:
            company.append(len(running))
        running.discard(message.delivery.sequence)

    handler = RecordingHandler(act)
    async with inbound(bench.server.url, handler, limits=Limits(alone_after=1)):
        await bench.publish(1)
        for i in range(1, 60):
            await bench.publish(3, start=3 * i)
            await asyncio.sleep(0.03)
        await until(lambda: len(handler.done) == 178)
    assert company == [1]
