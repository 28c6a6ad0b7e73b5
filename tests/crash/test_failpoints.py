"""The worker is killed between every two steps of the corridor; every event still comes to exactly one end."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.crash.arena import Arena
from tests.crash.checker import check
from tests.crash.conftest import OpenArena
from tests.crash.events import changed, deleted
from tests.support.rounds import rounds
from worker.pipeline import STEPS

#: How often the published events pass a step at least, where that is less than three times.
_PASSES = {"settled": 1, "dead-lettered": 2}


async def _publish(arena: Arena, batch: int) -> None:
    """One of each kind: new, changed, the same again, too old, refused, unreadable, deleted."""
    shop, mall = f"shop-{batch}", f"mall-{batch}"
    await arena.publish(changed(shop, 1), rank=1, wish=(("db", "medium"),))
    await arena.publish(changed(shop, 2), rank=2, wish=(("db", "large"),))
    await arena.publish(changed(mall, 3), rank=3, wish=(("db", "small"),))
    await arena.publish(changed(mall, 2), rank=2, wish=(("db", "large"),))
    await arena.publish(changed(f"wrong-{batch}", 3, {"db": "huge"}), rank=3, valid=False)
    subject = f"platform.oam.team-a.broken-{batch}"
    await arena.publish_raw(subject, b'{"no": "event"}', event_id="", app=f"team-a/broken-{batch}", rank=0, valid=False)
    annotated: dict[str, Any] = {"annotations": {"platform.io/deletion-policy": "delete"}}
    await arena.publish(deleted(mall, 4, **annotated), rank=4, wish=(("db", None),))


@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_a_step(
    open_arena: OpenArena, step: str, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each round publishes more events and kills the next worker, which has also inherited what the last one left."""
    async with open_arena() as arena:
        for count in range(rounds(server)):
            await _publish(arena, count)
            victim = await arena.worker("--kill-at", f"{step}:{count % _PASSES.get(step, 3) + 1}")
            code = await victim.ended(within=180)
            assert code == -signal.SIGKILL, f"step {step} was not reached: {victim.log.read_text()[-2000:]}"
        await arena.worker()
        await arena.at_rest(within=300)
        history = await arena.collect()
        problems = check(history)
        assert not problems, "\n".join([*problems, await arena.describe()])
    with capsys.disabled():
        print(f"  killed {rounds(server)} times at {step}: {history.summary()}")
