"""The watch of Workflows against the embedded API and, where no fault is planted, a real kube-apiserver."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.outbound.clusters import VERBS, Cluster, EmbeddedCluster, RealCluster, new_namespace, service_account
from worker.dev.kubernetes import KubernetesApi
from worker.domain.observed import Delta, Gone, Listed, Seen
from worker.outbound import workflow_watch
from worker.outbound.kubernetes_api import workflows_path
from worker.outbound.kubernetes_client import KubernetesAccess, KubernetesClient
from worker.outbound.observed_workflow import observed_run
from worker.outbound.workflow_watch import WorkflowWatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from worker.domain.observed import ObservedRun

MERGE_PATCH = "application/merge-patch+json"


class Feed:
    """A running watch whose deltas are kept, so that a test can wait for one."""

    def __init__(self, watch: WorkflowWatch) -> None:
        self._watch = watch
        self.deltas: list[Delta] = []
        self._changed = asyncio.Event()

    async def run(self) -> None:
        async for delta in self._watch.deltas():
            self.deltas.append(delta)
            self._changed.set()

    def seen(self) -> list[str]:
        return [d.run.name for d in self.deltas if isinstance(d, Seen)]

    def gone(self) -> list[str]:
        return [d.run.name for d in self.deltas if isinstance(d, Gone)]

    def lists(self) -> list[set[str]]:
        return [set(d.names) for d in self.deltas if isinstance(d, Listed)]

    async def until(self, condition: Any, seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()


class Workflows:
    """The administrator's hand on the Workflows of a namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._path = workflows_path(namespace)

    async def create(self, name: str, instance: str = "default", **status: Any) -> None:
        labels = {
            "platform.io/managed-by": "platform-worker",
            "platform.io/instance": instance,
            "app.oam.dev/name": "orders",
            "app.oam.dev/namespace": "shop",
        }
        body = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {"name": name, "labels": labels},
            "spec": {"entrypoint": "main", "templates": [{"name": "main", "dag": {"tasks": []}}]},
            **({"status": status} if status else {}),
        }
        code, answer = await self._cluster.call("POST", self._path, body)
        assert code == 201, answer

    async def patch(self, name: str, **body: Any) -> None:
        code, answer = await self._cluster.call("PATCH", f"{self._path}/{name}", body, MERGE_PATCH)
        assert code == 200, answer

    async def delete(self, name: str) -> None:
        code, answer = await self._cluster.call("DELETE", f"{self._path}/{name}")
        assert code == 200, answer


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.cluster)])
async def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cluster]:
    if request.param == "real":
        yield RealCluster(request.getfixturevalue("control_plane"))
        return
    async with KubernetesApi() as api:
        yield EmbeddedCluster(api, tmp_path)


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[EmbeddedCluster]:
    async with KubernetesApi(history=4) as api:
        yield EmbeddedCluster(api, tmp_path)


@contextlib.asynccontextmanager
async def watching(cluster: Cluster, namespace: str, **options: Any) -> AsyncIterator[Feed]:
    token = await service_account(cluster, namespace, VERBS)
    async with KubernetesClient(KubernetesAccess(str(cluster.kubeconfig(token)))) as client:
        feed = Feed(WorkflowWatch(client, namespace, "default", **options))
        task = asyncio.create_task(feed.run())
        try:
            yield feed
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_everything_is_listed_in_pages_and_then_changes_are_told(cluster: Cluster) -> None:
    namespace = await new_namespace(cluster)
    there = Workflows(cluster, namespace)
    for number in range(5):
        await there.create(f"run-{number}")
    await there.create("foreign", instance="other")
    async with watching(cluster, namespace, page=2) as feed:
        await feed.until(lambda f: f.lists())
        assert feed.seen() == [f"run-{n}" for n in range(5)]
        assert feed.lists() == [{f"run-{n}" for n in range(5)}]

        await there.create("later")
        await there.patch("later", spec={"shutdown": "Stop"})
        await there.delete("run-3")
        await there.create("foreign-too", instance="other")
        await feed.until(lambda f: f.gone())
        assert feed.seen()[5:] == ["later", "later"]
        assert feed.gone() == ["run-3"]
        last = feed.deltas[-2]
        assert isinstance(last, Seen)
        assert (last.run.shutdown, last.run.namespace, last.run.application) == ("Stop", "shop", "orders")


async def test_a_watch_that_ends_goes_on_where_it_was(cluster: Cluster) -> None:
    namespace = await new_namespace(cluster)
    there = Workflows(cluster, namespace)
    async with watching(cluster, namespace, watch_seconds=1) as feed:
        for number in range(8):
            await there.create(f"run-{number}")
            await asyncio.sleep(0.4)
        await feed.until(lambda f: len(f.seen()) >= 8)
        assert feed.seen() == [f"run-{n}" for n in range(8)]
        assert len(feed.lists()) == 1


async def test_a_large_workflow_passes(cluster: Cluster) -> None:
    namespace = await new_namespace(cluster)
    there = Workflows(cluster, namespace)
    async with watching(cluster, namespace) as feed:
        await feed.until(lambda f: f.lists())
        await there.create("large")
        await there.patch("large", spec={"templates": [{"name": "main", "script": {"source": "x" * 900_000}}]})
        await there.create("next")
        await feed.until(lambda f: "next" in f.seen())
        assert feed.seen() == ["large", "large", "next"]


async def test_what_happened_during_an_outage_is_caught_up_with(embedded: EmbeddedCluster) -> None:
    api = embedded.api
    port = int(api.url.rpartition(":")[2])
    there = Workflows(embedded, "argo")
    await embedded.call("POST", "/api/v1/namespaces", {"metadata": {"name": "argo"}})
    await there.create("before")
    await there.create("doomed")
    async with watching(embedded, "argo") as feed:
        await feed.until(lambda f: f.lists())
        await api.stop()
        await asyncio.sleep(0.5)
        await api.start(port=port)
        await there.create("during")
        await there.delete("doomed")
        await feed.until(lambda f: f.gone(), 20)
        assert feed.seen() == ["before", "doomed", "during"]
        assert feed.gone() == ["doomed"]
        assert len(feed.lists()) == 1


@pytest.mark.parametrize("how", ["status", "event"])
async def test_everything_is_listed_again_when_the_place_is_forgotten(embedded: EmbeddedCluster, how: str) -> None:
    there = Workflows(embedded, "argo")
    await embedded.call("POST", "/api/v1/namespaces", {"metadata": {"name": "argo"}})
    await there.create("kept")
    await there.create("doomed")
    refusal = {"refuse": "expired"} if how == "status" else {}
    embedded.api.faults.inject(match={"verb": "watch"}, delay=1.0, **refusal)
    async with watching(embedded, "argo") as feed:
        await feed.until(lambda f: f.lists())
        await there.delete("doomed")  # while the watch is delayed, in one case beyond the server's history
        for number in range(20 if how == "event" else 1):
            await there.create(f"more-{number}")
        await feed.until(lambda f: len(f.lists()) == 2)
        assert "doomed" not in feed.lists()[1]
        assert {"kept", "more-0"} <= feed.lists()[1]


async def test_a_list_that_breaks_off_is_not_taken_for_complete(embedded: EmbeddedCluster) -> None:
    there = Workflows(embedded, "argo")
    await embedded.call("POST", "/api/v1/namespaces", {"metadata": {"name": "argo"}})
    for number in range(6):
        await there.create(f"run-{number}")
    embedded.api.faults.inject(match={"verb": "list", "resource": "workflows.*"}, skip=1, refuse="unavailable")
    async with watching(embedded, "argo", page=2) as feed:
        await feed.until(lambda f: f.lists())
        assert feed.lists() == [{f"run-{n}" for n in range(6)}]


@pytest.mark.parametrize("refusal", ["rbac", "too-many-requests", "unauthorized", "internal"])
async def test_a_refusal_is_waited_for(embedded: EmbeddedCluster, refusal: str) -> None:
    there = Workflows(embedded, "argo")
    await embedded.call("POST", "/api/v1/namespaces", {"metadata": {"name": "argo"}})
    for verb in ("list", "watch"):
        embedded.api.faults.inject(match={"verb": verb, "resource": "workflows.*"}, refuse=refusal)
    async with watching(embedded, "argo") as feed:
        await feed.until(lambda f: f.lists(), 20)
        await there.create("after")
        await feed.until(lambda f: f.seen(), 20)


async def test_a_dropped_connection_is_resumed(embedded: EmbeddedCluster) -> None:
    there = Workflows(embedded, "argo")
    await embedded.call("POST", "/api/v1/namespaces", {"metadata": {"name": "argo"}})
    embedded.api.faults.inject(match={"verb": "watch"}, drop="before", times=2)
    async with watching(embedded, "argo") as feed:
        await feed.until(lambda f: f.lists())
        await there.create("after")
        await feed.until(lambda f: f.seen(), 20)
        assert len(feed.lists()) == 1


async def test_one_unreadable_workflow_is_reported_once_and_passed_over(
    embedded: EmbeddedCluster, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader takes whatever it gets; should it stumble over something after all, the others go on."""

    def stumbling(item: Mapping[str, Any]) -> ObservedRun:
        if item["metadata"]["name"] == "bad":
            raise RecursionError("planted")
        return observed_run(item)

    monkeypatch.setattr(workflow_watch, "observed_run", stumbling)
    there = Workflows(embedded, "argo")
    await embedded.call("POST", "/api/v1/namespaces", {"metadata": {"name": "argo"}})
    await there.create("bad")
    await there.create("good")
    bad: list[str] = []
    async with watching(embedded, "argo", on_bad=bad.append) as feed:
        await feed.until(lambda f: f.lists())
        await there.patch("bad", metadata={"labels": {"touched": "yes"}})
        await there.create("later")
        await feed.until(lambda f: "later" in f.seen())
    assert feed.seen() == ["good", "later"]
    assert bad == ["bad"]
    assert caplog.text.count("cannot read a Workflow") == 1
