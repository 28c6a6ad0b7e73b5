"""A breaker closes again without any event."""

from __future__ import annotations

import asyncio

import pytest

from worker.errors import Misconfigured, Unavailable
from worker.outbound.breaker import Breaker, BreakerState
from worker.outbound.revival import keep_asking


class System:
    """A system that is away for a number of calls."""

    def __init__(self, breaker: Breaker, away: int) -> None:
        self.breaker = breaker
        self.away = away
        self.calls = 0

    async def ask(self) -> None:
        with self.breaker.call():
            self.calls += 1
            if self.calls <= self.away:
                raise Unavailable("kubernetes", "away")


async def _open(breaker: Breaker, error: Unavailable) -> None:
    with pytest.raises(Unavailable), breaker.call():
        raise error


async def test_it_asks_until_the_system_answers() -> None:
    closed = asyncio.Event()

    def changed(_: str, state: BreakerState) -> None:
        if state is BreakerState.CLOSED:
            closed.set()

    breaker = Breaker("kubernetes", clock=iter(range(10_000)).__next__, on_change=changed)
    await _open(breaker, Unavailable("kubernetes", "away"))
    system = System(breaker, away=2)
    task = asyncio.create_task(keep_asking(breaker, system.ask, every=0.001))
    await asyncio.wait_for(closed.wait(), 10)
    calls = system.calls
    await asyncio.sleep(0.05)
    task.cancel()
    assert calls == system.calls == 3


async def test_what_a_person_has_to_change_is_left_to_the_next_event() -> None:
    breaker = Breaker("kubernetes", clock=iter(range(10_000)).__next__)
    await _open(breaker, Misconfigured("kubernetes", "forbidden", fix="grant it"))
    system = System(breaker, away=0)
    task = asyncio.create_task(keep_asking(breaker, system.ask, every=0.001))
    await asyncio.sleep(0.1)
    task.cancel()
    assert system.calls == 0
    assert breaker.fix == "grant it"
