"""Twenty thousand bad messages through the real stream and one real worker process, which must not even get slow.

What the worker makes public is then searched for what must not be there: secrets, and text that Argo would expand.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from contracts import names
from tests.crash.arena import Arena, WorkerProcess
from tests.crash.checker import check
from tests.crash.history import Published
from tests.fuzz.documents import CANARY
from tests.fuzz.events import fuzzed

COUNT = int(os.environ.get("FUZZ_EVENTS", "20000"))
_SEED = int(os.environ.get("FUZZ_SEED", "20260101"))
#: Longest time that one message may keep the worker busy, in seconds.
SLOW = 1.0
_AT_ONCE = 100
#: Ledger and DLQ keep what would be months of them.
_ROOM = 1 << 30
#: The only tag that the worker itself writes.
_OWN_TAG = re.compile(r"\{\{tasks\.[a-z0-9-]+\.outputs\.parameters\.[a-z_]+\}\}")
_PATH = re.compile(r"\$([.\[].*)?")


async def test_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with Arena(tmp_path, room=_ROOM, controller=False) as arena:
        stopwatch = tmp_path / "seconds.json"
        worker = await arena.worker("--stopwatch", str(stopwatch), MAX_IN_FLIGHT="16")
        kinds = await _publish(arena)
        await arena.drained(within=240)
        assert worker.process.returncode is None, "the worker has crashed"
        metrics = (await worker.ask("/metrics"))[1]
        history = await arena.collect()

        problems = check(history)
        assert not problems, "\n".join(problems[:50])
        assert await worker.metric("retries_total", reason="unknown") == 0
        await _check_reasons(arena)
        await _check_secrets(arena, metrics)
        tags = [tag for workflow in await arena.workflows() for tag in _foreign_tags(workflow)]
        assert not tags, tags[:10]

        seconds = await _measured(worker, stopwatch)
        assert len(seconds) >= COUNT
        assert CANARY not in worker.log.read_text(), "a secret is in the log"
        delayed = [one for one in history.published if seconds[one.sequence] >= SLOW]
        await _check_alone(arena, delayed, stopwatch)
    times = sorted(seconds.values())
    with capsys.disabled():
        print(
            f"  seed {_SEED}, {dict(kinds)}: {history.summary()}; p99 {times[len(times) * 99 // 100] * 1000:.0f} ms, "
            f"slowest {times[-1] * 1000:.0f} ms, {len(delayed)} of them measured again alone"
        )


async def _publish(arena: Arena) -> Counter[str]:
    """Publish all of them, a few at a time, so that the stream never has more than a part of them."""
    kinds: Counter[str] = Counter()
    waiting = []
    for message in fuzzed(_SEED, COUNT):
        kinds[message.kind] += 1
        app = ".".join(message.subject.split(".")[2:])
        waiting.append(
            arena.publish_raw(
                message.subject, message.body, event_id="", app=app, headers=message.headers, rank=0, valid=False
            )
        )
        if len(waiting) == _AT_ONCE:
            await asyncio.gather(*waiting)
            waiting.clear()
    await asyncio.gather(*waiting)
    return kinds


async def _measured(worker: WorkerProcess, stopwatch: Path) -> dict[int, float]:
    """Stop a worker and return how many seconds each message took it, by sequence."""
    await worker.stop()
    assert worker.process.returncode == 0
    measured: dict[str, float] = json.loads(await asyncio.to_thread(stopwatch.read_text))
    return {int(delivery.rpartition(":")[2]): value for delivery, value in measured.items()}


async def _check_alone(arena: Arena, delayed: Sequence[Published], stopwatch: Path) -> None:
    """Measure again, one at a time, what took long: a busy machine delays any message, a bad message is always slow."""
    assert len(delayed) < COUNT // 50, "so many are slow that it is not the machine"
    if not delayed:
        return
    worker = await arena.worker("--stopwatch", str(stopwatch), MAX_IN_FLIGHT="1")
    for one in delayed:
        await arena.js.publish(one.subject, one.body, headers=dict(one.headers))
        await arena.drained(within=180)
    slow = {sequence: value for sequence, value in (await _measured(worker, stopwatch)).items() if value >= SLOW}
    assert not slow, f"messages that take long, and not because the machine is busy: {slow}"


async def _check_reasons(arena: Arena) -> None:
    """Whoever is rejected is told what, where and what to do instead; in the ledger and in the DLQ."""
    for letter in arena.history.dead:
        assert letter.reason, f"dead letter {letter.sequence} has no reason"
        assert _PATH.fullmatch(letter.path), f"dead letter {letter.sequence} has the path {letter.path!r}"
    async for message in arena.stored(names.STATUS_STREAM, names.STATUS_SUBJECTS):
        event = json.loads(message.data)
        if event["data"]["disposition"] == "rejected":
            errors = event["data"]["errors"]
            assert errors, event
            assert all(_PATH.fullmatch(one["path"]) and one["message"] and one["code"] for one in errors), errors


async def _check_secrets(arena: Arena, metrics: str) -> None:
    """Canaries are nowhere but in the original bytes that the DLQ keeps."""
    assert any(CANARY.encode() in letter.body for letter in arena.history.dead), "no canary was ever sent"
    places = {"metrics": metrics, "Workflows": json.dumps(await arena.workflows())}
    for stream, subjects in (
        (names.STATUS_STREAM, names.STATUS_SUBJECTS),
        (f"KV_{names.STATE_BUCKET}", "$KV.>"),
        (names.DLQ_STREAM, names.DLQ_SUBJECTS),
    ):
        async for message in arena.stored(stream, subjects):
            text = f"{message.subject} {message.headers}"
            if stream != names.DLQ_STREAM:
                text += message.data.decode()
            assert CANARY not in text, f"a secret is in {stream}: {text}"
    leaks = [place for place, text in places.items() if CANARY in text]
    assert not leaks, f"secrets are in {leaks}"


def _foreign_tags(value: object) -> Iterator[str]:
    """Yield every text of a Workflow that opens a tag which the worker did not write."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _foreign_tags(key)
            yield from _foreign_tags(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _foreign_tags(inner)
    elif isinstance(value, str) and "{{" in _OWN_TAG.sub("", value):
        yield value
