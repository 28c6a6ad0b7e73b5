"""Sequences of events that a plausible worker gets wrong, each played with a real worker process to its end.

They share one broker and one worker, and each has applications of its own; those that break what is shared have theirs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.crash.arena import Arena
from tests.crash.checker import check
from tests.crash.events import changed, deleted, retry
from worker.domain.record import ComponentRecord, Phase, State

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("sequences")]

DELETE: dict[str, Any] = {"annotations": {"platform.io/deletion-policy": "delete"}}
#: Of an object that was created after all others.
NEWER = {"creationTimestamp": "2026-01-02T00:00:00Z", "resourceVersion": "5001"}
API = {"type": "webservice", "properties": {"language": "python", "framework": "fastapi", "database": "db"}}
API_ALONE = {"type": "webservice", "properties": {"language": "python", "framework": "fastapi"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena(
    server: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Arena]:
    """One arena with one worker for all sequences that leave it as it was."""
    kubeconfig: Path | None = None
    if server == "real":
        kubeconfig = request.getfixturevalue("control_plane").kubeconfig()
    async with Arena(tmp_path_factory.mktemp("arena"), kubeconfig=kubeconfig) as opened:
        await opened.worker()
        yield opened


async def _end(arena: Arena) -> None:
    """Let everything come to rest and judge all that has happened so far."""
    await arena.at_rest(within=180)
    problems = check(await arena.collect())
    assert not problems, "\n".join([*problems, await arena.describe()])


async def _component(arena: Arena, app: str, name: str) -> ComponentRecord | None:
    return (await arena.records())[app].component(name)


def _tasks(arena: Arena, app: str, component: str) -> list[tuple[str, str]]:
    """Return (entry, value) of every task that was carried out for a component."""
    return [(one.entry, one.value) for one in arena.runner.executed if (one.app, one.component) == (app, component)]


@pytest.mark.parametrize("policy", ["delete", "retain"])
@pytest.mark.parametrize("busy", ["db", "api"])
async def test_components_of_a_stopped_run_are_not_orphaned(arena: Arena, policy: str, busy: str) -> None:
    """g1 adds db and api and is stopped, before or after db is there, by g2 which drops db."""
    name = f"shop-{policy}-{busy}"
    app, options = f"team-a/{name}", DELETE if policy == "delete" else {}
    arena.runner.hold(f"{app}/{busy}")
    await arena.publish(changed(name, 1, {"db": "small", "api": API}, **options), rank=1)
    await arena.until(_begun(arena, f"{app}/{busy}"), 60, f"{busy} is not begun")
    newer = await arena.publish(changed(name, 2, {"api": API_ALONE}, **options), rank=2)
    await arena.told(newer, "accepted")
    arena.runner.release(f"{app}/{busy}")
    await _end(arena)
    database = await _component(arena, app, "db")
    if policy == "delete":
        assert database is None
        assert _tasks(arena, app, "db")[-1][0] == "teardown"
    else:
        assert database is not None
        assert (database.state, database.wanted) == (State.RETAINED, False)
    service = await _component(arena, app, "api")
    assert service is not None
    assert service.state is State.APPLIED


async def test_going_back_while_the_change_runs(arena: Arena) -> None:
    """v1 is applied and v2 is running when v1 is wanted again: v1 it is at rest, though v1 had been applied before."""
    component = "team-a/back/db"
    first = await arena.publish(changed("back", 1, {"db": "small"}), rank=1)
    await arena.told(first, "succeeded")
    arena.runner.hold(component)
    await arena.publish(changed("back", 2, {"db": "large"}), rank=2)
    await arena.until(_begun(arena, component), 60, "v2 does not run")
    third = await arena.publish(changed("back", 3, {"db": "small"}), rank=3, wish=(("db", "small"),))
    await arena.told(third, "accepted")
    arena.runner.release(component)
    await _end(arena)
    found = await _component(arena, "team-a/back", "db")
    assert found is not None
    assert (found.state, dict(found.spec.inputs)["size"]) == (State.APPLIED, "small")
    assert _tasks(arena, "team-a/back", "db")[-1] == ("main", "small")


async def test_recreation_and_late_events_of_the_past_uid(arena: Arena) -> None:
    """Deleted and created again under the same name; then the old object's events come late, its deletion too."""
    app = "team-a/again"
    reborn: dict[str, Any] = {
        "uid": "uid-again-2",
        "creationTimestamp": "2026-01-02T00:00:00Z",
        "resourceVersion": "5001",
    }
    await arena.publish(changed("again", 1, {"db": "small"}), rank=1)
    await arena.publish(deleted("again", 2, **DELETE), rank=2)
    await arena.at_rest(within=180)
    assert _tasks(arena, app, "db")[-1][0] == "teardown"
    new = await arena.publish(changed("again", 1, {"db": "large"}, **reborn), rank=4, wish=(("db", "large"),))
    await arena.told(new, "succeeded")
    before = list(arena.runner.executed)
    late = [
        await arena.publish(changed("again", 3, {"db": "small"}), rank=3),
        await arena.publish(deleted("again", 9, **DELETE), rank=3),
    ]
    for event in late:
        await arena.told(event, "superseded")
    await _end(arena)
    assert arena.runner.executed == before
    found = await _component(arena, app, "db")
    assert found is not None
    assert found.state is State.APPLIED


async def test_deletion_of_a_uid_that_was_never_the_newest(arena: Arena) -> None:
    """The sender saw the new object first and tells of the old one's deletion afterwards: nothing happens."""
    new: dict[str, Any] = {
        "uid": "uid-missed-2",
        "creationTimestamp": "2026-01-02T00:00:00Z",
        "resourceVersion": "5001",
    }
    await arena.publish(changed("missed", 1, {"db": "small"}), rank=1)
    there = await arena.publish(changed("missed", 1, {"db": "medium"}, **new), rank=3, wish=(("db", "medium"),))
    await arena.told(there, "succeeded")
    gone = await arena.publish(deleted("missed", 2, **DELETE), rank=2)
    await arena.told(gone, "superseded")
    await _end(arena)
    assert ("teardown", "") not in _tasks(arena, "team-a/missed", "db")


async def test_typo_in_the_type_of_an_applied_component(arena: Arena) -> None:
    """A type that KubeVela may know is skipped, but not under the name of what is applied: that would tear it down."""
    first = await arena.publish(changed("typo", 1, {"db": "small"}, **DELETE), rank=1, wish=(("db", "small"),))
    await arena.told(first, "succeeded")
    wrong = {"db": {"type": "postgresqll", "properties": {"size": "small"}}}
    refused = await arena.publish(changed("typo", 2, wrong, **DELETE), rank=2, valid=False)
    await arena.told(refused, "rejected")
    await _end(arena)
    assert _tasks(arena, "team-a/typo", "db") == [("main", "small")]
    found = await _component(arena, "team-a/typo", "db")
    assert found is not None
    assert (found.state, found.wanted) == (State.APPLIED, True)
    [letter] = [one for one in arena.history.dead if one.sequence == refused.sequence]
    assert letter.path == "$.data.application.spec.components[0].type"
    assert "postgresql" in letter.reason


async def test_failed_run_then_retry(arena: Arena) -> None:
    """What a run left undone is done by a retry as a further attempt of the same order."""
    arena.runner.inner.failures["flaky"] = "no capacity"
    first = await arena.publish(
        changed("failing", 1, {"flaky": "small", "steady": "large"}),
        rank=1,
        wish=(("flaky", "small"), ("steady", "large")),
    )
    await arena.told(first, "failed")
    record = (await arena.records())["team-a/failing"]
    assert record.run is not None
    assert (record.run.phase, record.run.attempt) == (Phase.FAILED, 1)
    [failed] = [one["data"] for one in await arena.statuses(first) if ".failed." in one["type"]]
    assert "no capacity" in {one["name"]: one.get("message", "") for one in failed["components"]}["flaky"]
    del arena.runner.inner.failures["flaky"]
    again = await arena.request(retry("failing", 1), rank=1, wish=(("flaky", "small"), ("steady", "large")))
    await arena.told(again, "succeeded")
    await _end(arena)
    record = (await arena.records())["team-a/failing"]
    assert record.run is not None
    assert (record.run.phase, record.run.attempt) == (Phase.SUCCEEDED, 2)
    assert _tasks(arena, "team-a/failing", "steady") == [("main", "large")], "what had succeeded ran again"


async def test_two_namespaces_with_equal_names_one_deleted(arena: Arena) -> None:
    """Nothing of the other namespace is touched: not its Workflow, its record, its claims."""
    for namespace in ("left", "right"):
        wish = (("db", None),) if namespace == "left" else (("db", "small"),)
        event = changed("twin", 1, {"db": "small"}, namespace=namespace, uid=f"uid-{namespace}")
        published = await arena.publish(event, rank=1, wish=wish)
        await arena.told(published, "succeeded")
    before = (await arena.records())["right/twin"]
    gone = await arena.publish(deleted("twin", 2, namespace="left", uid="uid-left", **DELETE), rank=2)
    await arena.told(gone, "deleted")
    await _end(arena)
    assert _tasks(arena, "left/twin", "db") == [("main", "small"), ("teardown", "small")]
    assert _tasks(arena, "right/twin", "db") == [("main", "small")]
    assert (await arena.records())["right/twin"] == before
    claims = {
        parameter["value"]
        for workflow in await arena.workflows()
        if workflow["metadata"]["annotations"]["platform.io/application"] == "twin"
        for task in workflow["spec"]["templates"][0]["dag"]["tasks"]
        for parameter in task["arguments"]["parameters"]
        if parameter["name"] == "claim_name"
    }
    assert len(claims) == 2, "two applications share a claim"


def _begun(arena: Arena, component: str) -> Callable[[], Awaitable[bool]]:
    async def is_begun() -> bool:
        return component in arena.runner.begun

    return is_begun
