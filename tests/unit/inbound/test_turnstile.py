"""Many at once, or one alone."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from worker.inbound.turnstile import Turnstile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def entered_by(turnstile: Turnstile, *, alone: bool) -> AsyncIterator[None]:
    await turnstile.enter(alone=alone)
    try:
        yield
    finally:
        turnstile.leave(alone=alone)


@pytest.mark.parametrize("seed", range(20))
async def test_a_suspect_is_never_in_company_and_everybody_gets_in(seed: int) -> None:
    dice = random.Random(seed)
    turnstile, inside, entered = Turnstile(), [], []

    async def visit(number: int, *, alone: bool) -> None:
        await asyncio.sleep(dice.random() / 50)
        async with entered_by(turnstile, alone=alone):
            inside.append((number, alone))
            assert len(inside) == 1 or not any(suspect for _, suspect in inside)
            await asyncio.sleep(dice.random() / 100)
            assert len(inside) == 1 or not any(suspect for _, suspect in inside)
            inside.remove((number, alone))
            entered.append(number)

    await asyncio.wait_for(asyncio.gather(*(visit(n, alone=dice.random() < 0.2) for n in range(60))), 10)
    assert sorted(entered) == list(range(60))
    assert not turnstile.closed


async def test_a_suspect_that_gives_up_waiting_lets_the_others_in() -> None:
    turnstile, release = Turnstile(), asyncio.Event()

    async def stay() -> None:
        async with entered_by(turnstile, alone=False):
            await release.wait()

    async def suspect() -> None:
        async with entered_by(turnstile, alone=True):
            raise AssertionError

    first = asyncio.create_task(stay())
    await asyncio.sleep(0)
    waiting = asyncio.create_task(suspect())
    await asyncio.sleep(0)
    second = asyncio.create_task(stay())
    await asyncio.sleep(0)
    assert turnstile.closed
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not turnstile.closed
    release.set()
    await asyncio.wait_for(asyncio.gather(first, second), 1)
