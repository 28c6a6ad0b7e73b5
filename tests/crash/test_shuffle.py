"""Ten workers get a thousand generations in any order: the newest wins, and nothing older runs after anything newer."""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from tests.crash.arena import Arena
from tests.crash.checker import check
from tests.crash.conftest import OpenArena
from tests.crash.events import SIZES, changed

WORKERS = 10
#: Applications and generations of each: all of one, then many side by side.
WAVES = {"one": (1, 1000), "many": (20, 50)}
_AT_ONCE = 100
_SEED = int(os.environ.get("CRASH_SEED", "20260101"))


async def test_newest_generation_wins(open_arena: OpenArena, capsys: pytest.CaptureFixture[str]) -> None:
    """All workers are ready before the first event is published, so that they really race."""
    dice = random.Random(_SEED)
    async with open_arena() as arena:
        workers = [await arena.worker(MAX_IN_FLIGHT="8") for _ in range(WORKERS)]
        for worker in workers:
            await arena.until(worker.is_ready, 120, "a worker does not become ready")
        for wave in WAVES:
            await _publish_shuffled(arena, wave, dice)
            await arena.at_rest(within=400)
        history = await arena.collect()
        problems = check(history)
        assert not problems, "\n".join([*problems, await arena.describe()])
        handled = [await worker.metric("settlements_total", kind="ack") for worker in workers]
        races = sum([await worker.metric("retries_total", reason="LostRace") for worker in workers])
    assert min(handled) > 0, "a worker took no part"
    with capsys.disabled():
        print(f"  seed {_SEED}, {WORKERS} workers, {races:.0f} lost races: {history.summary()}")


async def _publish_shuffled(arena: Arena, wave: str, dice: random.Random) -> None:
    applications, generations = WAVES[wave]
    order = [(number, generation) for number in range(applications) for generation in range(1, generations + 1)]
    dice.shuffle(order)
    for start in range(0, len(order), _AT_ONCE):
        await asyncio.gather(
            *(
                arena.publish(
                    changed(f"{wave}-{number}", generation), rank=generation, wish=(("db", SIZES[generation % 3]),)
                )
                for number, generation in order[start : start + _AT_ONCE]
            )
        )
