"""``stop`` and at once ``retry``: the record has not heard of the stop yet, and must not keep anybody from trying."""

from __future__ import annotations

import json

from tests.crash.arena import Arena
from tests.crash.checker import check
from tests.crash.conftest import OpenArena
from tests.crash.events import changed
from worker.domain.record import Phase

APP = "team-a/shop"


async def test_a_retry_right_after_a_stop_starts_another_attempt(open_arena: OpenArena) -> None:
    """The first task never ends, so the stopped Workflow is not over, and nobody could tell the record that it is."""
    async with open_arena() as arena:
        await arena.worker()
        arena.runner.hold(f"{APP}/db")
        first = await arena.publish(changed("shop", 1, {"db": "small"}), rank=1, wish=(("db", "small"),))
        await arena.until(lambda: _has_begun(arena), 60, "db is not begun")
        stopped = json.loads(await arena.command("stop", APP, "--output", "json"))["stopped"]
        await arena.command("retry", APP)
        await arena.until(lambda: _is_second(arena), 60, "no second attempt is started")
        arena.runner.release(f"{APP}/db")
        await arena.at_rest(within=180)
        history = await arena.collect()
        problems = check(history)
        assert not problems, "\n".join([*problems, await arena.describe()])
        assert sorted(made.attempt for made in history.made) == ["1", "2"]
        assert stopped in {made.name for made in history.made if made.attempt == "1"}
        ends = [one["type"].split(".")[-2] for one in await arena.statuses(first)]
        assert ends[-1] in {"superseded", "failed"}, ends
        record = (await arena.records())[APP]
        assert record.run is not None
        assert (record.run.phase, record.run.attempt) == (Phase.SUCCEEDED, 2)


async def _has_begun(arena: Arena) -> bool:
    return f"{APP}/db" in arena.runner.begun


async def _is_second(arena: Arena) -> bool:
    record = (await arena.records())[APP]
    return record.run is not None and record.run.attempt == 2 and record.run.phase is not Phase.INTENDED
