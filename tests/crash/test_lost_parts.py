"""Parts of the broker are lost under a running worker: its consumer, and the bucket with everything it knows."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

from contracts import names
from tests.crash.arena import Arena, WorkerProcess
from tests.crash.checker import check
from tests.crash.conftest import OpenArena
from tests.crash.events import changed


async def _judge(arena: Arena) -> None:
    await arena.at_rest(within=180)
    problems = check(await arena.collect())
    assert not problems, "\n".join([*problems, await arena.describe()])


async def test_consumer_deleted_and_recreated(open_arena: OpenArena) -> None:
    """Nothing is replayed, what came meanwhile is handled, and the worker goes on by itself."""
    async with open_arena() as arena:
        worker = await arena.worker()
        for number in range(5):
            await arena.publish(changed(f"shop-{number}", 1, {"db": "small"}), rank=1)
        await arena.at_rest(within=180)
        before = await arena.collect()
        told, made = list(before.told), list(before.made)

        await arena.js.delete_consumer(names.EVENTS_STREAM, names.CONSUMER)
        await arena.until(
            lambda: _unready(worker, "consumer"), 60, "the worker does not notice that its consumer is gone"
        )
        meanwhile = await arena.publish(changed("shop-0", 2, {"db": "large"}), rank=2, wish=(("db", "large"),))
        await arena.apply_streams()
        await arena.told(meanwhile, "succeeded")
        await arena.until(worker.is_ready, 60, "the worker does not become ready again")
        await _judge(arena)
        assert arena.history.told[: len(told)] == told
        assert {one.event_id for one in arena.history.told[len(told) :]} == {meanwhile.event_id}
        assert len(arena.history.made) == len(made) + 1


async def test_bucket_lost(open_arena: OpenArena) -> None:
    """No worker decides on a bucket that knows nothing; `state rebuild` makes the records again from the Workflows."""
    async with open_arena() as arena:
        running = await arena.worker()
        for name in ("shop", "mall"):
            await arena.publish(changed(name, 1, {"db": "small", "cache": "medium"}), rank=1)
        await arena.at_rest(within=180)
        before = await arena.records()

        await arena.js.delete_key_value(names.STATE_BUCKET)
        await arena.apply_streams()
        same = await arena.publish(changed("mall", 1, {"db": "small", "cache": "medium"}), rank=1)
        wish = (("db", "small"), ("cache", "large"))
        other = await arena.publish(changed("shop", 2, {"db": "small", "cache": "large"}), rank=2, wish=wish)
        restarted = await arena.worker()
        for worker in (running, restarted):
            await arena.until(partial(_unready, worker, "state lost"), 60, "a worker trusts an empty bucket")
        assert not await arena.statuses(same) + await arena.statuses(other)
        assert len(await arena.workflows()) == 2

        printed = await arena.command("state", "rebuild", "--output", "json")
        assert "team-a/shop" in printed
        await arena.told(other, "succeeded")
        for worker in (running, restarted):
            await arena.until(worker.is_ready, 60, "a worker does not become ready after the rebuild")
        await _judge(arena)
        records = await arena.records()
        assert records["team-a/mall"].components == before["team-a/mall"].components
        ran = [(one.app, one.component) for one in arena.runner.executed]
        assert ran.count(("team-a/mall", "db")) == 1, "what was applied before the loss was run again"


async def _unready(worker: WorkerProcess, why: str) -> bool:
    status, body = await worker.ask("/ready")
    return status == HTTPStatus.SERVICE_UNAVAILABLE and why in body
