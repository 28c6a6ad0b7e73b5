"""Observers die, lose races and lose their servers; the next one, or the next try, brings every run to the same end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.observer.platform import (
    APP,
    ContendedRecords,
    CrashingLedger,
    CrashingWorkflows,
    Platform,
)
from tests.unit.domain.folding import DB, task
from worker.domain.events import AppKey
from worker.domain.record import Disposition, PastDisposition, Phase, StaleRun, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.domain.record import Record


@contextlib.asynccontextmanager
async def process(platform: Platform) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run an observer, with the timing of production, in a process of its own and wait until it observes."""
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.observer.process",
        platform.server.url,
        str(platform.folder / "kubeconfig"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert started.stdout is not None
        assert await asyncio.wait_for(started.stdout.readline(), 20) == b"observing True\n"
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            started.kill()
        await started.wait()


async def test_the_death_of_an_observer_hands_over_within_15_seconds(platform: Platform) -> None:
    platform.runner.delay = 1.0
    async with platform.argo(), process(platform) as first:
        watched = await platform.launch()
        await platform.ended(Phase.RUNNING)
        async with platform.observing(await platform.connect(), lease_timing={}):
            await asyncio.sleep(0.5)
            assert platform.tally.active == 0
            os.kill(first.pid, signal.SIGKILL)
            killed = time.monotonic()
            await platform.finished(watched)
            record = await platform.ended(Phase.SUCCEEDED, seconds=killed + 15 - time.monotonic())
    assert {c.state for c in record.components} == {State.APPLIED}
    assert await platform.kinds(watched) == ["running", "succeeded"]


async def test_two_observers_tell_everything_once(platform: Platform) -> None:
    async with (
        platform.argo(),
        platform.observing(await platform.connect()) as first,
        platform.observing(await platform.connect()),
    ):
        one = await platform.launch(app=AppKey("shop", "one"))
        await platform.ended(Phase.SUCCEEDED, AppKey("shop", "one"))
        assert platform.tally.active == 1
        first.cancel()
        two = await platform.launch(2, app=AppKey("shop", "two"))
        await platform.ended(Phase.SUCCEEDED, AppKey("shop", "two"))
    assert await platform.kinds(one) == ["running", "succeeded"]
    assert await platform.kinds(two) == ["running", "succeeded"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["running", "succeeded"])
async def test_a_crash_around_a_status_loses_and_doubles_nothing(platform: Platform, kind: str, when: str) -> None:
    async with platform.argo():
        async with platform.observing(ledger=CrashingLedger(platform.ledger, kind, when)) as dying:
            run = await platform.launch()
            await asyncio.wait({dying}, timeout=10)
            assert dying.done()
        assert (kind in await platform.kinds(run)) is (when == "after")
        record = await platform.record()
        assert record.run is not None
        assert not record.run.phase.finished, "the record is written after the status"
        async with platform.observing():
            await platform.ended(Phase.SUCCEEDED)
    assert await platform.kinds(run) == ["running", "succeeded"]


async def test_a_crash_between_record_and_start_is_made_good(platform: Platform) -> None:
    platform.clock.ahead = 61
    async with platform.argo():
        run = await platform.intend()
        await platform.create(run)
        async with platform.observing(workflows=CrashingWorkflows(platform.client, "argo")) as dying:
            await asyncio.wait({dying}, timeout=10)
            assert dying.done()
        assert (await platform.workflow(run)).suspended
        await platform.ended(Phase.CONFIRMED)
        async with platform.observing():
            await platform.ended(Phase.SUCCEEDED)
    assert await platform.kinds(run) == ["accepted", "running", "succeeded"]


async def test_a_record_that_others_write_is_folded_anew(platform: Platform) -> None:
    def touched(record: Record) -> Record:
        past = PastDisposition(f"x:{len(record.dispositions)}", Disposition.UNCHANGED)
        return record.remembering(past)

    records = ContendedRecords(platform.store, 7, touched)  # more often than is tried at once
    async with platform.argo(), platform.observing(records=records):
        run = await platform.launch()
        record = await platform.ended(Phase.SUCCEEDED)
    assert len(record.dispositions) == 7
    assert await platform.kinds(run) == ["running", "succeeded"]


async def test_a_run_that_is_superseded_while_its_end_is_told_has_one_end(platform: Platform) -> None:
    """The run vanished, which is told as failed; before that is recorded, a newer event takes its place."""

    def retired(record: Record) -> Record:
        assert record.run is not None
        newer = replace(record.run, name="orders-2-1-ffffffffff", phase=Phase.INTENDED)
        return replace(record, run=newer, stale_runs=(StaleRun.of(record.run),))

    run = await platform.launch()
    await platform.delete(run)
    async with platform.observing(records=ContendedRecords(platform.store, 1, retired)):
        await platform.until(lambda r: r.run is not None and r.run.name != run.name and not r.stale_runs)
    assert await platform.kinds(run) == ["failed"]


async def test_a_refusing_api_is_tried_again(platform: Platform) -> None:
    first = await platform.intend(1)
    await platform.create(first)
    second = await platform.intend(2)
    await platform.create(second)
    platform.api.faults.inject(match={"verb": "patch"}, refuse="unavailable", times=2)
    platform.api.faults.inject(match={"verb": "patch"}, refuse="rbac", skip=2, times=1)
    async with platform.argo(), platform.observing(sweep_every=1):
        await platform.finished(first)
    assert (await platform.workflow(second)).suspended
    assert platform.tally.counts["stopped"] == 1
    assert platform.tally.counts["unreadable"] == 0


async def test_an_outage_of_the_broker_is_survived(platform: Platform) -> None:
    async with platform.argo(), platform.observing():
        await platform.launch()
        await platform.ended(Phase.SUCCEEDED)
        run = await platform.launch(2, tasks=(task(DB, parameters={"component": "db"}),))
        platform.server.kill()
        await platform.finished(run)
        await asyncio.sleep(4)  # longer than the lease
        assert platform.tally.active == 0, "nobody observes without a lease"
        await platform.server.restart()
        await platform.until(
            lambda r: r.run is not None and r.run.name == run.name and r.run.phase.finished, seconds=20
        )
    assert (await platform.kinds(run))[-1] == "succeeded"


async def test_one_application_that_cannot_be_handled_delays_no_other(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    bad = AppKey("shop", "bad")
    async with platform.argo(), platform.observing():
        await platform.launch(app=bad)
        await platform.ended(Phase.SUCCEEDED, bad)
        await platform.intend(2, app=bad)
        body = b'{"version": 99, "app": {"namespace": "shop", "name": "bad"}}'
        await platform.jetstream.publish("$KV.platform-state.app.shop.bad", body)
        other = await platform.launch(3)
        await platform.ended(Phase.SUCCEEDED)
        await asyncio.sleep(1.2)
    assert await platform.kinds(other) == ["running", "succeeded"]
    assert bad != APP
    assert caplog.text.count("finish the upgrade of the workers") >= 1


async def test_a_workflow_that_names_no_application_is_complained_about_once(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    labels = {"platform.io/managed-by": "platform-worker", "platform.io/instance": "default"}
    workflow = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "odd", "labels": labels},
        "spec": {"suspend": True, "entrypoint": "main", "templates": []},
    }
    async with platform.observing():
        assert await platform.workflows.create("odd", json.dumps(workflow).encode())
        await asyncio.sleep(1.5)
    assert platform.tally.counts["unreadable"] == 1
    assert caplog.text.count("which application it belongs to") == 1


async def test_a_run_that_vanishes_in_a_gap_of_the_watch_failed(platform: Platform) -> None:
    async with platform.observing(sweep_every=60):
        run = await platform.launch()
        await asyncio.sleep(0.5)
        platform.api.faults.inject(match={"verb": "watch"}, refuse="expired", delay=1.0)
        await platform.api.stop()
        await platform.api.start(port=int(platform.api.url.rpartition(":")[2]))
        await platform.delete(run)
        await platform.ended(Phase.FAILED, seconds=20)
    assert await platform.kinds(run) == ["failed"]


async def test_a_clean_stop_hands_over_at_once(platform: Platform) -> None:
    async with platform.argo(), platform.observing(await platform.connect(), lease_timing={}) as first:
        await platform.launch()
        await platform.ended(Phase.SUCCEEDED)
        async with platform.observing(await platform.connect(), lease_timing={}):
            await asyncio.sleep(0.3)
            assert platform.tally.active == 1
            first.cancel()
            stopped = time.monotonic()
            run = await platform.launch(2, tasks=(task(DB, parameters={"component": "db"}),))
            await platform.until(lambda r: r.run is not None and r.run.name == run.name and r.run.phase.finished)
            assert time.monotonic() - stopped < 5


async def test_an_observer_ends_whenever_it_is_told_to(platform: Platform) -> None:
    """On Python 3.11 ``asyncio.wait_for``, which NATS requests use, swallows a cancellation that meets a result."""
    for number in range(10):
        await platform.launch(app=AppKey("shop", f"app-{number}"))
    for turn in range(60):
        task = asyncio.create_task(platform.observer(sweep_every=0.005).run())
        await asyncio.sleep(0.001 * turn)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=5)
        assert done, f"still observing in turn {turn}"
