"""The lease on a real nats-server: one holder, hand-over in time, and nobody observes past the end of the TTL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import nats
import pytest
from nats.js.api import StreamConfig

from tests.support.state_stream import state_stream
from worker.outbound.lease import TTL, Lease

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from nats.js import JetStreamContext

    from tests.support.nats import NatsServer

BUCKET = "platform-state"


def bucket(*, allow_msg_ttl: bool = True) -> StreamConfig:
    return state_stream(BUCKET, allow_msg_ttl=allow_msg_ttl)


@pytest.fixture
async def js(nats_server: NatsServer) -> AsyncIterator[JetStreamContext]:
    async with connected(nats_server.url) as context:
        await context.add_stream(bucket())
        yield context


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[JetStreamContext]:
    async def quiet(_: Exception) -> None:
        """Outages are part of these tests; nats-py would print them."""

    client = await nats.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.1, error_cb=quiet)
    try:
        yield client.jetstream()
    finally:
        await client.close()


class Work:
    """Work that runs until it is cancelled and keeps the times."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.running = False
        self.stopped_at = 0.0

    async def __call__(self) -> None:
        self.running = True
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.running = False
            self.stopped_at = time.monotonic()


@contextlib.asynccontextmanager
async def leading(lease: Lease, work: Callable[[], object]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(lease.lead(work))  # type: ignore[arg-type]
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def lease(js: JetStreamContext, holder: str, *, instance: str = "default", **timing: float) -> Lease:
    fast = {"ttl": 3, "renew_every": 0.5, "retry_every": 0.2, **timing}
    return Lease(js, BUCKET, instance, holder, **fast)  # type: ignore[arg-type]


async def test_only_one_of_two_observes_and_a_clean_stop_hands_over_at_once(js: JetStreamContext) -> None:
    first, second = Work(), Work()
    async with leading(lease(js, "a"), first) as holder:
        await asyncio.wait_for(first.started.wait(), 10)
        async with leading(lease(js, "b"), second):
            await asyncio.sleep(3.5)  # longer than the TTL: renewals carry their own
            assert first.running
            assert not second.running
            holder.cancel()
            began = time.monotonic()
            await asyncio.wait_for(second.started.wait(), 10)
            assert time.monotonic() - began < 3, "at once, not when the TTL of 3 s is over"
            assert not first.running


async def test_renewals_keep_the_ttl(js: JetStreamContext) -> None:
    work = Work()
    async with leading(lease(js, "a"), work):
        await work.started.wait()
        await asyncio.sleep(1.2)
        stored = await js.get_last_msg(f"KV_{BUCKET}", f"$KV.{BUCKET}.lease.default")
        assert stored.seq is not None
        assert stored.seq > 1
        assert (stored.headers or {})["Nats-TTL"] == "3"


async def test_instances_do_not_share_a_lease(js: JetStreamContext) -> None:
    first, second = Work(), Work()
    async with leading(lease(js, "a", instance="x"), first), leading(lease(js, "a", instance="y"), second):
        await asyncio.wait_for(first.started.wait(), 10)
        await asyncio.wait_for(second.started.wait(), 10)


async def test_a_frozen_server_ends_the_work_before_the_ttl(js: JetStreamContext, nats_server: NatsServer) -> None:
    work = Work()
    async with leading(lease(js, "a"), work):
        await work.started.wait()
        await asyncio.sleep(0.7)
        frozen = time.monotonic()
        nats_server.freeze()
        try:
            while work.running:
                assert time.monotonic() - frozen < 3
                await asyncio.sleep(0.02)
        finally:
            nats_server.thaw()
        assert work.stopped_at - frozen < 3, "before anybody else may take it"
        work.started.clear()
        await asyncio.wait_for(work.started.wait(), 10)  # and it comes back by itself


async def test_a_lease_that_somebody_else_took_ends_the_work_at_the_next_renewal(js: JetStreamContext) -> None:
    work = Work()
    async with leading(lease(js, "a"), work):
        await work.started.wait()
        await (await js.key_value(BUCKET)).put("lease.default", b'{"holder": "thief"}')
        began = time.monotonic()
        while work.running:
            assert time.monotonic() - began < 10
            await asyncio.sleep(0.02)


async def test_a_renewal_whose_answer_was_lost_is_no_loss(js: JetStreamContext) -> None:
    work = Work()
    mine = lease(js, "a")
    async with leading(mine, work):
        await work.started.wait()
        for _ in range(3):  # the server stored more than the holder heard of
            stored = await js.get_last_msg(f"KV_{BUCKET}", f"$KV.{BUCKET}.lease.default")
            await js.publish(f"$KV.{BUCKET}.lease.default", stored.data or b"", msg_ttl=3)
            await asyncio.sleep(0.7)
        assert work.running
        assert mine.held


async def test_a_holder_that_restarts_under_its_name_goes_on_at_once(js: JetStreamContext) -> None:
    work = Work()
    await (await js.key_value(BUCKET)).create("lease.default", b'{"holder": "a"}', msg_ttl=60)
    async with leading(lease(js, "a"), work):
        await asyncio.wait_for(work.started.wait(), 1)


async def test_an_error_of_the_work_is_raised_and_the_lease_given_back(js: JetStreamContext) -> None:
    async def broken() -> None:
        raise ValueError("planted")

    with pytest.raises(ValueError, match="planted"):
        await lease(js, "a").lead(broken)
    after = Work()
    async with leading(lease(js, "b"), after):
        await asyncio.wait_for(after.started.wait(), 0.5)


async def test_a_bucket_without_ttl_is_explained(nats_server: NatsServer, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(nats_server.url) as js:
        await js.add_stream(bucket(allow_msg_ttl=False))
        async with leading(lease(js, "a"), Work()):
            for _ in range(100):
                if "streams apply" in caplog.text:
                    break
                await asyncio.sleep(0.02)
    assert "lacks allow_msg_ttl" in caplog.text


_HOLDER = f"""
import asyncio, sys, nats
from worker.outbound.lease import Lease
async def work():
    print("observing", flush=True)
    await asyncio.Event().wait()
async def main():
    client = await nats.connect(sys.argv[1])
    await Lease(client.jetstream(), "{BUCKET}", "default", "first").lead(work)
asyncio.run(main())
"""


async def test_the_death_of_the_holder_hands_over_within_15_seconds(
    js: JetStreamContext, nats_server: NatsServer
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HOLDER, nats_server.url, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 10) == b"observing\n"
        second = Work()
        async with leading(Lease(js, BUCKET, "default", "second"), second):
            await asyncio.sleep(1)
            assert not second.running
            os.kill(process.pid, signal.SIGKILL)
            killed = time.monotonic()
            await asyncio.wait_for(second.started.wait(), 15)
            assert time.monotonic() - killed > TTL - 4, "the lease of a live holder must not be taken"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
