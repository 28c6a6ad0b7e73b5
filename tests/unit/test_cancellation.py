"""A task that misses a cancellation is ended all the same."""

from __future__ import annotations

import asyncio

from worker.cancellation import end


async def test_a_task_that_swallows_cancellations_is_ended() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end(task)
    assert task.cancelled()
    assert swallowed == 3


async def test_there_may_be_nothing_to_end() -> None:
    await end(None)
    over = asyncio.create_task(asyncio.sleep(0))
    await over
    await end(over)
    assert not over.cancelled()
