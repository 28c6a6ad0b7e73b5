"""Suspend, stop, mutexes, restarts: the behaviour of the real controller that the worker's corridor is built on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.dev.argo import phases, task, workflow
from worker.dev.argo import ContractRunner
from worker.dev.argo.mutex import Mutexes

if TYPE_CHECKING:
    from tests.dev.argo import ArgoCluster
    from worker.dev.kubernetes import KubernetesApi

FOREVER = 600.0
THREE = (task("a"), task("b", "a.Succeeded"), task("c", "b.Succeeded"))


async def test_a_suspended_workflow_takes_its_mutex_and_runs_nothing(any_cluster: ArgoCluster) -> None:
    async with any_cluster.controller():
        await any_cluster.submit(workflow("first", mutex="m", suspend=True))
        status = await any_cluster.phase("first", "Running")
        assert phases(status) == {}
        await any_cluster.submit(workflow("second", mutex="m"))
        waiting = await any_cluster.phase("second", "Pending")
        assert waiting["message"] == f"Waiting for {any_cluster.namespace}/Mutex/m lock. Lock status: 0/1"
        await any_cluster.patch("first", {"spec": {"suspend": None}})
        assert (await any_cluster.ended("first"))["phase"] == "Succeeded"
        assert (await any_cluster.ended("second"))["phase"] == "Succeeded"


async def test_stop_alone_leaves_a_suspended_workflow_running(any_cluster: ArgoCluster) -> None:
    async with any_cluster.controller():
        await any_cluster.submit(workflow("one", suspend=True))
        await any_cluster.phase("one", "Running")
        await any_cluster.patch("one", {"spec": {"shutdown": "Stop"}})
        await asyncio.sleep(0.3)
        assert (await any_cluster.get("one"))["status"]["phase"] == "Running"
        await any_cluster.stop("one")
        status = await any_cluster.ended("one")
    assert (status["phase"], status["message"]) == ("Failed", "Stopped with strategy 'Stop'")
    assert phases(status) == {}


async def test_stop_in_the_middle(any_cluster: ArgoCluster) -> None:
    async with any_cluster.controller(ContractRunner(delays={"b": FOREVER})):
        await any_cluster.submit(workflow("one", *THREE))
        await any_cluster.node_phase("one", "b", "Running")
        await any_cluster.stop("one")
        status = await any_cluster.ended("one")
    assert (status["phase"], status["message"]) == ("Failed", "Stopped with strategy 'Stop'")
    assert phases(status) == {"a": "Succeeded", "b": "Failed", "c": "Omitted"}


async def test_stopping_the_holder_lets_the_waiter_start(any_cluster: ArgoCluster) -> None:
    async with any_cluster.controller(ContractRunner(delays={"long": FOREVER})):
        await any_cluster.submit(workflow("first", task("long"), mutex="m"))
        await any_cluster.node_phase("first", "long", "Running")
        await any_cluster.submit(workflow("second", mutex="m"))
        await any_cluster.phase("second", "Pending")
        await any_cluster.stop("first")
        assert (await any_cluster.ended("second"))["phase"] == "Succeeded"


async def test_deleting_the_holder_lets_the_waiter_start(cluster: ArgoCluster) -> None:
    async with cluster.controller(ContractRunner(delays={"long": FOREVER})):
        await cluster.submit(workflow("first", task("long"), mutex="m"))
        await cluster.phase("first", "Running")
        await cluster.submit(workflow("second", mutex="m"))
        await cluster.phase("second", "Pending")
        await cluster.client.call("DELETE", f"{cluster.path}/first")
        assert (await cluster.ended("second"))["phase"] == "Succeeded"


async def test_a_waiter_that_is_stopped_waits_on(cluster: ArgoCluster) -> None:
    async with cluster.controller(ContractRunner(delays={"long": FOREVER})):
        await cluster.submit(workflow("first", task("long"), mutex="m"))
        await cluster.phase("first", "Running")
        await cluster.submit(workflow("second", mutex="m"))
        await cluster.phase("second", "Pending")
        await cluster.stop("second")
        await asyncio.sleep(0.2)
        assert (await cluster.get("second"))["status"]["phase"] == "Pending"
        await cluster.stop("first")
        status = await cluster.ended("second")
    assert (status["phase"], status["message"]) == ("Failed", "Stopped with strategy 'Stop'")


async def test_a_waiter_that_is_terminated_succeeds_without_having_run(cluster: ArgoCluster) -> None:
    async with cluster.controller(ContractRunner(delays={"long": FOREVER})):
        await cluster.submit(workflow("first", task("long"), mutex="m"))
        await cluster.phase("first", "Running")
        await cluster.submit(workflow("second", mutex="m"))
        await cluster.phase("second", "Pending")
        await cluster.stop("second", "Terminate")
        status = await cluster.ended("second")
    assert (status["phase"], status["nodes"]) == ("Succeeded", {})


async def test_a_workflow_that_was_stopped_before_anyone_saw_it_fails(cluster: ArgoCluster) -> None:
    await cluster.submit(workflow("one", shutdown="Stop"))
    async with cluster.controller():
        status = await cluster.ended("one")
    assert (status["phase"], phases(status)) == ("Failed", {})


async def test_a_restarted_controller_goes_on(any_cluster: ArgoCluster) -> None:
    async with any_cluster.controller(ContractRunner(delays={"b": FOREVER, "long": FOREVER})):
        await any_cluster.submit(workflow("chain", *THREE, mutex="m"))
        await any_cluster.node_phase("chain", "b", "Running")
        await any_cluster.submit(workflow("waiter", mutex="m"))
        await any_cluster.phase("waiter", "Pending")
    runner = ContractRunner(delays={"b": 0.3})
    async with any_cluster.controller(runner):
        await asyncio.sleep(0.1)
        assert (await any_cluster.get("waiter"))["status"]["phase"] == "Pending"
        status = await any_cluster.ended("chain")
        assert phases(status) == {"a": "Succeeded", "b": "Succeeded", "c": "Succeeded"}
        assert (await any_cluster.ended("waiter"))["phase"] == "Succeeded"


async def test_what_others_write_meanwhile_is_kept(any_cluster: ArgoCluster) -> None:
    tasks = [task(f"t{number}", f"t{number - 1}" if number else "") for number in range(10)]
    async with any_cluster.controller(ContractRunner(delay=0.02)):
        await any_cluster.submit(workflow("one", *tasks))
        for number in range(20):
            await any_cluster.patch("one", {"metadata": {"annotations": {"count": str(number)}}})
        status = await any_cluster.ended("one")
    assert status["phase"] == "Succeeded"
    assert status["progress"] == "10/10"
    assert (await any_cluster.get("one"))["metadata"]["annotations"] == {"count": "19"}


@pytest.mark.parametrize(
    "fault",
    [
        {"drop": "before", "match": {"verb": "update"}, "times": 5},
        {"drop": "after", "match": {"verb": "update"}, "times": 5},
        {"refuse": "unavailable", "match": {"verb": "update"}, "times": 5},
        {"refuse": "conflict", "match": {"verb": "update"}, "times": 5},
        {"drop": "before", "match": {"verb": "watch"}, "times": 3},
        {"refuse": "expired", "match": {"verb": "watch"}, "times": 2},
    ],
    ids=["lost-request", "lost-answer", "unavailable", "conflict", "watch", "gone"],
)
async def test_faults_of_the_api_are_survived(
    cluster: ArgoCluster, kubernetes: KubernetesApi, fault: dict[str, object]
) -> None:
    kubernetes.faults.inject(**fault)
    async with cluster.controller():
        for name in ("one", "two", "three"):
            await cluster.submit(workflow(name, *THREE, mutex="m"))
        for name in ("one", "two", "three"):
            status = await cluster.ended(name)
            assert status["phase"] == "Succeeded"
            assert phases(status) == {"a": "Succeeded", "b": "Succeeded", "c": "Succeeded"}


async def test_many_workflows_cost_a_few_requests_each(cluster: ArgoCluster, kubernetes: KubernetesApi) -> None:
    count = 200
    async with cluster.controller():
        for number in range(count):
            await cluster.submit(workflow(f"w{number}", *THREE))
        for number in range(count):
            assert (await cluster.ended(f"w{number}"))["phase"] == "Succeeded"
        updates = kubernetes.log.entries(verb="update", code=200)
    per_workflow = len(updates) / count
    assert per_workflow <= 4.5  # begin, and one for each of the three tasks' ends
    assert len(kubernetes.log.entries(verb="list")) == 2


def test_the_queue_of_a_mutex_is_by_age_then_priority() -> None:
    mutexes = Mutexes()
    assert mutexes.acquire("a", ["m"], created="2026-01-01T00:00:05Z") == ""
    assert mutexes.acquire("late", ["m"], created="2026-01-01T00:00:09Z") == "m"
    assert mutexes.acquire("early", ["m"], created="2026-01-01T00:00:07Z") == "m"
    assert mutexes.release("a") == {"early"}
    assert mutexes.acquire("late", ["m"], created="2026-01-01T00:00:09Z") == "m"
    assert mutexes.acquire("vip", ["m"], created="2026-01-01T00:00:09Z", priority=9) == ""
    assert mutexes.release("vip") == {"early"}
    assert mutexes.release("early") == {"late"}
    assert mutexes.acquire("late", ["m"], created="2026-01-01T00:00:09Z") == ""
    assert mutexes.release("late") == set()
