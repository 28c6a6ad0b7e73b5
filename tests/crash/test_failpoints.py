"""The worker is killed between every two steps of the corridor; every event still comes to exactly one end."""

from __future__ import annotations

import pytest

from tests.crash.arena import Arena
from tests.crash.checker import check
from tests.crash.conftest import OpenArena
from tests.crash.events import changed, deleted
from tests.support.rounds import rounds
from worker.pipeline import STEPS

#: How often the published events pass a step at least, where that is less than three times.
_PASSES = {"settled": 1, "dead-lettered": 2}


async def _publish(arena: Arena) -> None:
    """One of each kind: new, changed, the same again, too old, refused, unreadable, deleted."""
    await arena.publish(changed("shop", 1), rank=1, wish=(("db", "medium"),))
    await arena.publish(changed("shop", 2), rank=2, wish=(("db", "large"),))
    await arena.publish(changed("mall", 3), rank=3, wish=(("db", "small"),))
    await arena.publish(changed("mall", 2), rank=2, wish=(("db", "large"),))
    wrong = changed("shop", 3, {"db": "huge"})
    await arena.publish(wrong, rank=3, valid=False)
    subject = "platform.oam.team-a.broken"
    await arena.publish_raw(subject, b'{"no": "event"', event_id="", app="team-a/broken", rank=0, valid=False)
    annotated = {"annotations": {"platform.io/deletion-policy": "delete"}}
    await arena.publish(deleted("mall", 4, **annotated), rank=4, wish=(("db", None),))


@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_a_step(open_arena: OpenArena, step: str, server: str, capsys: pytest.CaptureFixture) -> None:
    for count in range(1, rounds(server) + 1):
        async with open_arena() as arena:
            await _publish(arena)
            victim = await arena.worker("--kill-at", f"{step}:{(count - 1) % _PASSES.get(step, 3) + 1}")
            code = await victim.ended(within=30)
            assert code == -9, f"step {step} was never reached: {victim.log.read_text()[-2000:]}"
            await arena.worker()
            await arena.at_rest(within=40)
            history = await arena.collect()
        assert check(history) == []
        with capsys.disabled():
            print(f"  killed at {step} #{count}: {history.summary()}")
