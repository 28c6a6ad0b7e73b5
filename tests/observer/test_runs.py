"""Runs are followed to their ends, whether or not somebody watched when they ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.observer.platform import APP, Platform
from tests.unit.domain.folding import API, DB, task
from worker.domain.events import AppKey
from worker.domain.model import Action
from worker.domain.observed import ObservedNode
from worker.domain.record import Phase, StaleRun, State

if TYPE_CHECKING:
    from worker.domain.record import Record


async def test_a_run_is_followed_to_its_success(platform: Platform) -> None:
    platform.runner.delay = 0.3
    async with platform.argo(), platform.observing():
        run = await platform.launch()
        record = await platform.ended(Phase.SUCCEEDED)

    assert {c.identity.name: c.state for c in record.components} == {"db": State.APPLIED, "api": State.APPLIED}
    db, api = record.component("db"), record.component("api")
    assert db is not None
    assert api is not None
    assert db.outputs["connection_secret"]
    assert api.resolved == {"database_secret": db.outputs["connection_secret"]}
    assert record.run is not None
    assert record.run.tasks == ()
    assert await platform.kinds(run) == ["running", "succeeded"]
    told = (await platform.told())[-1]["data"]
    assert told["run"] == {"name": run.name, "attempt": 1, "phase": "succeeded"}
    assert [(c["name"], c["state"]) for c in told["components"]] == [("db", "applied"), ("api", "applied")]
    assert platform.tally.counts["succeeded"] == 1
    assert sorted(pattern for pattern, _ in platform.tally.ready) == [1, 3]
    assert all(0 <= seconds < 10 for _, seconds in platform.tally.ready)


async def test_a_failure_names_the_component_and_leaves_it_dirty(platform: Platform) -> None:
    platform.runner.failures["api"] = "the repository exists"
    async with platform.argo(), platform.observing():
        run = await platform.launch()
        record = await platform.ended(Phase.FAILED)

    assert {c.identity.name: c.state for c in record.components} == {"db": State.APPLIED, "api": State.DIRTY}
    assert (await platform.kinds(run))[-1] == "failed"
    (error,) = (await platform.told())[-1]["data"]["errors"]
    assert (error["component"], error["message"]) == ("api", "the repository exists")


async def test_a_full_teardown_is_told_as_deleted(platform: Platform) -> None:
    def unwanted(record: Record) -> Record:
        parts = tuple(replace(c, wanted=False, state=State.REMOVING) for c in record.components)
        return replace(record, components=parts)

    removals = (task(API, Action.REMOVE), task(DB, Action.REMOVE, depends_on=("c-api",)))
    async with platform.argo(), platform.observing():
        run = await platform.launch(tasks=removals, change=unwanted, deletes=True)
        record = await platform.ended(Phase.SUCCEEDED)
    assert record.components == ()
    assert [k for k in await platform.kinds(run) if k != "running"] == ["succeeded", "deleted"]


async def test_an_end_that_nobody_watched_is_picked_up(platform: Platform) -> None:
    async with platform.argo():
        run = await platform.launch()
        await platform.finished(run)
    async with platform.observing():
        record = await platform.ended(Phase.SUCCEEDED)
    assert {c.state for c in record.components} == {State.APPLIED}
    assert await platform.kinds(run) == ["running", "succeeded"]


async def test_a_run_that_vanished_while_nobody_watched_failed(platform: Platform) -> None:
    run = await platform.launch()
    await platform.delete(run)
    async with platform.observing():
        record = await platform.ended(Phase.FAILED)
    assert {c.state for c in record.components} == {State.DIRTY}
    assert (await platform.told())[-1]["data"]["errors"][0]["message"].startswith("vanished: ")


async def test_a_run_that_vanishes_under_the_watch_failed(platform: Platform) -> None:
    async with platform.observing(sweep_every=60):
        run = await platform.launch()
        await asyncio.sleep(0.5)
        await platform.delete(run)
        await platform.ended(Phase.FAILED)
    assert await platform.kinds(run) == ["failed"]


async def test_a_run_that_ended_and_was_deleted_at_once_is_not_lost(platform: Platform) -> None:
    """The last state that the watch tells of a deleted Workflow is its end."""
    async with platform.argo(), platform.observing(sweep_every=60):
        run = await platform.launch()
        await platform.finished(run, poll=0.001)
        await platform.delete(run)
        await platform.ended(Phase.SUCCEEDED)


async def test_an_intended_run_without_workflow_is_left_to_its_event(platform: Platform) -> None:
    run = await platform.intend()
    async with platform.observing():
        await asyncio.sleep(1.5)
        record = await platform.record()
        assert record.run == run
        await platform.create(run)
        await platform.confirm()
        await platform.workflows.start(run.name)
        async with platform.argo():
            await platform.ended(Phase.SUCCEEDED)


async def test_a_stray_run_is_stopped_and_told_as_superseded(platform: Platform) -> None:
    """The worker died between writing the intent of the second run and stopping the first."""
    platform.runner.delays["db"] = 60
    async with platform.argo(), platform.observing():
        first = await platform.launch(1)
        await platform.ended(Phase.RUNNING)
        platform.runner.delays.clear()
        await platform.intend(2, change=lambda r: replace(r, stale_runs=(StaleRun.of(first),)))
        record = await platform.until(lambda r: not r.stale_runs)
    assert (await platform.workflow(first)).superseded_by == (record.run.name if record.run else "")
    assert await platform.kinds(first) == ["running", "superseded"]
    assert {c.state for c in record.components} == {State.DIRTY}
    assert platform.tally.counts["stopped"] >= 1


async def test_a_stray_run_that_was_never_started_is_stopped_too(platform: Platform) -> None:
    """A worker that slept created its run after a newer one had taken its place and been seen."""
    first = await platform.intend(1)
    await platform.intend(2)
    async with platform.argo(), platform.observing():
        await platform.create(first)
        await platform.finished(first)
    assert (await platform.workflow(first)).nodes == {}


@pytest.mark.parametrize("confirmed", [False, True])
async def test_a_current_run_that_is_still_suspended_is_confirmed_and_started(
    platform: Platform, confirmed: bool
) -> None:
    platform.clock.ahead = 30
    async with platform.argo(), platform.observing():
        run = await platform.intend()
        await platform.create(run)
        if confirmed:
            await platform.confirm()
        await asyncio.sleep(1.2)
        assert (await platform.workflow(run)).suspended
        platform.clock.ahead = 61
        record = await platform.ended(Phase.SUCCEEDED)
    assert await platform.kinds(run) == ["accepted", "running", "succeeded"]
    assert platform.tally.counts["started"] == 1
    past = record.past(run.cause.delivery)
    assert (past is not None) or confirmed


async def test_nothing_is_stopped_of_an_application_without_record(platform: Platform) -> None:
    run = await platform.intend(app=AppKey("shop", "lost"))
    await platform.create(run, AppKey("shop", "other"))
    async with platform.observing():
        await asyncio.sleep(1)
    assert (await platform.workflow(run)).shutdown == ""


async def test_compressed_nodes_are_read(platform: Platform) -> None:
    platform.max_workflow_size = 1
    async with platform.argo(), platform.observing():
        run = await platform.launch()
        await platform.ended(Phase.SUCCEEDED)
        path = f"/apis/argoproj.io/v1alpha1/namespaces/argo/workflows/{run.name}"
        assert b"compressedNodes" in (await platform.client.request("GET", path)).body
    assert (await platform.workflow(run)).nodes["c-db"] == ObservedNode(
        "Succeeded", "", (await platform.workflow(run)).nodes["c-db"].outputs
    )


async def test_many_applications_are_followed_at_once(platform: Platform) -> None:
    platform.runner.delay = 0.05
    apps = [AppKey("shop", f"app-{n}") for n in range(25)]
    async with platform.argo(), platform.observing():
        for app in apps:
            await platform.launch(app=app)
        for app in apps:
            await platform.ended(Phase.SUCCEEDED, app, 30)
    assert sorted(await platform.kinds()) == ["running"] * 25 + ["succeeded"] * 25


async def test_a_finished_run_is_told_once_however_often_it_is_listed(platform: Platform) -> None:
    async with platform.argo():
        async with platform.observing():
            await platform.launch()
            await platform.ended(Phase.SUCCEEDED)
        before = await platform.told()
        async with platform.observing():
            await asyncio.sleep(1.5)
    assert await platform.told() == before
    assert (await platform.record()).app == APP
