"""The queue of applications: one at a time each, nothing lost, nothing twice."""

from __future__ import annotations

import asyncio

import pytest

from worker.observer.app_queue import AppQueue


async def taken(queue: AppQueue[str]) -> str:
    return await asyncio.wait_for(queue.take(), 1)


async def nothing(queue: AppQueue[str]) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.take(), 0.05)


async def test_keys_come_in_order_and_once() -> None:
    queue: AppQueue[str] = AppQueue()
    for key in "abab":
        queue.add(key)
    assert [await taken(queue), await taken(queue)] == ["a", "b"]
    await nothing(queue)


async def test_a_key_is_worked_on_by_one_at_a_time_and_comes_again_if_it_was_added_meanwhile() -> None:
    queue: AppQueue[str] = AppQueue()
    queue.add("a")
    assert await taken(queue) == "a"
    queue.add("a")
    queue.add("a")
    await nothing(queue)
    queue.done("a")
    assert await taken(queue) == "a"
    queue.done("a")
    await nothing(queue)
    assert queue.idle


async def test_a_waiting_worker_is_woken() -> None:
    queue: AppQueue[str] = AppQueue()
    waiting = asyncio.create_task(taken(queue))
    await asyncio.sleep(0)
    queue.add("a")
    assert await waiting == "a"


async def test_a_pause_is_kept_and_ended_by_an_earlier_need() -> None:
    queue: AppQueue[str] = AppQueue()
    queue.add_later("a", 0.1)
    queue.add_later("b", 60)
    await nothing(queue)
    assert await taken(queue) == "a"
    queue.add("b")
    assert await taken(queue) == "b"
    queue.done("a")
    queue.done("b")
    assert queue.idle


async def test_a_pause_does_not_delay_what_waits_already() -> None:
    queue: AppQueue[str] = AppQueue()
    queue.add("a")
    queue.add_later("a", 60)
    assert await taken(queue) == "a"
    queue.done("a")
    assert queue.idle


async def test_closing_forgets_pauses() -> None:
    queue: AppQueue[str] = AppQueue()
    queue.add_later("a", 0.05)
    queue.close()
    await nothing(queue)
    assert queue.idle
