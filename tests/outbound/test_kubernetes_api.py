"""The adapter against the embedded API and, with the same bodies, against a real kube-apiserver."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.golden.scenarios import SCENARIOS, workflow_of
from tests.outbound.clusters import (
    VERBS,
    Cluster,
    EmbeddedCluster,
    RealCluster,
    new_namespace,
    service_account,
)
from tests.support.records import a_record
from worker.dev.kubernetes import KubernetesApi
from worker.domain.events import AppKey
from worker.errors import Deferred, Misconfigured, Rejected, Unavailable
from worker.outbound.breaker import Breaker, BreakerState
from worker.outbound.kubernetes_api import KubernetesApplications, KubernetesWorkflows, workflows_path
from worker.outbound.kubernetes_client import KubernetesAccess, KubernetesClient
from worker.outbound.workflow import HeraWorkflowBuilder
from worker.outbound.workflow_settings import WorkflowSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.cluster)])
async def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cluster]:
    if request.param == "real":
        yield RealCluster(request.getfixturevalue("control_plane"))
        return
    async with KubernetesApi() as api:
        yield EmbeddedCluster(api, tmp_path)


@pytest.fixture
async def namespace(cluster: Cluster) -> str:
    return await new_namespace(cluster)


@pytest.fixture
async def client(cluster: Cluster, namespace: str) -> AsyncIterator[KubernetesClient]:
    token = await service_account(cluster, namespace, VERBS)
    async with KubernetesClient(KubernetesAccess(str(cluster.kubeconfig(token)))) as client:
        yield client


@pytest.fixture
def workflows(client: KubernetesClient, namespace: str) -> KubernetesWorkflows:
    return KubernetesWorkflows(client, namespace)


def body(namespace: str, name: str, **spec: Any) -> bytes:
    record = a_record()
    assert record.run is not None
    built = HeraWorkflowBuilder(WorkflowSettings(namespace=namespace)).build(record.app, "uid-1", record.run, record)
    workflow = json.loads(built)
    workflow["metadata"]["name"] = name
    workflow["spec"].update(spec)
    return json.dumps(workflow).encode()


async def stored(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    code, found = await cluster.call("GET", f"{workflows_path(namespace)}/{name}")
    assert code == 200
    return found


async def test_what_was_created_is_there_suspended(
    cluster: Cluster, workflows: KubernetesWorkflows, namespace: str
) -> None:
    assert await workflows.create("shop-1", body(namespace, "shop-1"))

    run = await workflows.get("shop-1")

    assert run is not None
    assert (run.name, run.namespace, run.application) == ("shop-1", "default", "shop")
    assert run.delivery == "2026-11-21T06:00:00+00:00:17"
    assert run.suspended
    assert not run.finished
    assert abs(run.created_at - time.time()) < 60
    spec = (await stored(cluster, namespace, "shop-1"))["spec"]
    assert spec == json.loads(body(namespace, "shop-1"))["spec"], "the server keeps every field that was sent"


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_the_server_takes_every_golden_workflow_strictly(cluster: Cluster, namespace: str, scenario: str) -> None:
    workflow = json.loads(workflow_of(SCENARIOS[scenario]()))
    workflow["metadata"]["namespace"] = namespace
    path = f"{workflows_path(namespace)}?fieldValidation=Strict"

    code, answer = await cluster.call("POST", path, workflow)

    assert code == 201, answer
    assert answer["spec"] == workflow["spec"]
    assert answer["metadata"]["annotations"] == workflow["metadata"]["annotations"]


async def test_a_name_that_exists_is_told_and_nothing_is_overwritten(
    cluster: Cluster, workflows: KubernetesWorkflows, namespace: str
) -> None:
    await workflows.create("shop-1", body(namespace, "shop-1"))

    assert not await workflows.create("shop-1", body(namespace, "shop-1", entrypoint="other"))
    assert (await stored(cluster, namespace, "shop-1"))["spec"]["entrypoint"] == "main"


async def test_a_missing_run_is_none(workflows: KubernetesWorkflows) -> None:
    assert await workflows.get("nobody") is None
    assert not await workflows.start("nobody")
    assert not await workflows.stop("nobody", "x")


async def test_start_removes_the_suspension_once(
    cluster: Cluster, workflows: KubernetesWorkflows, namespace: str
) -> None:
    await workflows.create("shop-1", body(namespace, "shop-1"))

    assert await workflows.start("shop-1")
    assert "suspend" not in (await stored(cluster, namespace, "shop-1"))["spec"]
    assert not await workflows.start("shop-1")


async def test_a_stopped_run_cannot_be_started(
    cluster: Cluster, workflows: KubernetesWorkflows, namespace: str
) -> None:
    await workflows.create("shop-1", body(namespace, "shop-1"))

    assert await workflows.stop("shop-1", "shop-2")
    assert not await workflows.start("shop-1")

    found = await stored(cluster, namespace, "shop-1")
    assert found["spec"]["shutdown"] == "Stop"
    assert "suspend" not in found["spec"], "a suspended Workflow that is only stopped would hang for ever"
    run = await workflows.get("shop-1")
    assert run is not None
    assert (run.superseded_by, run.shutdown, run.suspended) == ("shop-2", "Stop", False)


async def test_stop_is_harmless_when_repeated_and_after_the_start(
    workflows: KubernetesWorkflows, namespace: str
) -> None:
    await workflows.create("shop-1", body(namespace, "shop-1"))
    await workflows.start("shop-1")

    assert [await workflows.stop("shop-1", "shop-2") for _ in range(2)] == [True, True]


async def test_of_a_start_and_a_stop_at_the_same_time_the_stop_wins(
    cluster: Cluster, workflows: KubernetesWorkflows, namespace: str
) -> None:
    for number in range(10):
        name = f"race-{number}"
        await workflows.create(name, body(namespace, name))
        started, stopped = await asyncio.gather(workflows.start(name), workflows.stop(name, "x"))
        assert stopped
        assert isinstance(started, bool)
        assert (await stored(cluster, namespace, name))["spec"]["shutdown"] == "Stop"


async def test_of_many_creates_of_one_name_one_wins(workflows: KubernetesWorkflows, namespace: str) -> None:
    results = await asyncio.gather(*(workflows.create("shop-1", body(namespace, "shop-1")) for _ in range(16)))

    assert sorted(results) == [False] * 15 + [True]


# --- refusals --------------------------------------------------------------------------------------------------------


async def test_an_invalid_workflow_is_the_events_fault(workflows: KubernetesWorkflows, namespace: str) -> None:
    with pytest.raises(Rejected) as caught:
        await workflows.create("shop-1", body(namespace, "shop-1", entrypoint=3))
    assert caught.value.code == "workflow-invalid"
    assert "spec.entrypoint" in caught.value.message


async def test_what_is_no_json_is_the_events_fault(workflows: KubernetesWorkflows) -> None:
    with pytest.raises(Rejected):
        await workflows.create("shop-1", b"{")


@pytest.mark.filterwarnings("ignore:Sending a large body")  # aiohttp, above 1 MiB; the builder refuses those
@pytest.mark.parametrize("size", [1_600_000, 3_300_000], ids=["for-the-store", "for-the-server"])
async def test_a_body_that_is_too_large_is_the_events_fault(
    workflows: KubernetesWorkflows, namespace: str, size: int
) -> None:
    labels = {"padding": "x" * size}
    with pytest.raises(Rejected) as caught:
        await workflows.create("shop-1", body(namespace, "shop-1", podMetadata={"annotations": labels}))
    assert caught.value.code == "workflow-too-large"


async def test_a_quota_concerns_this_event_only(
    cluster: Cluster, workflows: KubernetesWorkflows, namespace: str
) -> None:
    async with cluster.refusing("quota", namespace):
        with pytest.raises(Deferred) as caught:
            await workflows.create("shop-1", body(namespace, "shop-1"))
    assert caught.value.reason == "namespace-quota"
    assert workflows.breaker.state is BreakerState.CLOSED


async def test_a_policy_refuses_for_good_in_its_own_words(
    cluster: Cluster, workflows: KubernetesWorkflows, namespace: str
) -> None:
    async with cluster.refusing("policy", namespace):
        with pytest.raises(Rejected) as caught:
            await workflows.create("shop-1", body(namespace, "shop-1"))
    assert caught.value.code == "denied-by-policy"
    assert "refused by policy" in caught.value.message


async def test_missing_rights_open_the_breaker_and_name_the_way_out(cluster: Cluster, namespace: str) -> None:
    token = await service_account(cluster, namespace, ["get"])
    breaker = Breaker("kubernetes")
    async with KubernetesClient(KubernetesAccess(str(cluster.kubeconfig(token)))) as client:
        limited = KubernetesWorkflows(client, namespace, breaker=breaker)
        assert await limited.get("nobody") is None
        with pytest.raises(Misconfigured) as caught:
            await limited.create("shop-1", body(namespace, "shop-1"))
    assert "Role" in caught.value.fix
    assert breaker.state is BreakerState.OPEN
    assert breaker.fix == caught.value.fix


async def test_a_missing_namespace_is_configuration(cluster: Cluster) -> None:
    async with KubernetesClient(KubernetesAccess(str(cluster.kubeconfig()))) as client:
        with pytest.raises(Misconfigured, match="nowhere") as caught:
            await KubernetesWorkflows(client, "nowhere").create("shop-1", body("nowhere", "shop-1"))
    assert "WORKFLOW_NAMESPACE" in caught.value.fix


async def test_a_missing_kind_is_configuration(cluster: Cluster, namespace: str) -> None:
    async with KubernetesClient(KubernetesAccess(str(cluster.kubeconfig()))) as client:
        workflows = KubernetesWorkflows(client, namespace)
        workflows._path = workflows._path.replace("/workflows", "/cronworkflows")
        with pytest.raises(Misconfigured) as caught:
            await workflows.get("shop-1")
    assert "CRD" in caught.value.fix


async def test_an_unknown_token_is_an_outage(cluster: Cluster, namespace: str) -> None:
    async with KubernetesClient(KubernetesAccess(str(cluster.kubeconfig("nobody")))) as client:
        with pytest.raises(Unavailable) as caught:
            await KubernetesWorkflows(client, namespace).get("shop-1")
    assert not isinstance(caught.value, Misconfigured)


async def test_a_renewed_token_is_read_without_losing_a_request(cluster: Cluster, namespace: str) -> None:
    good = cluster.kubeconfig(await service_account(cluster, namespace, VERBS))
    used = cluster.kubeconfig("expired")
    async with KubernetesClient(KubernetesAccess(str(used))) as client:
        used.write_text(good.read_text())

        created = await asyncio.gather(
            *(KubernetesWorkflows(client, namespace).create(f"s-{n}", body(namespace, f"s-{n}")) for n in range(8))
        )

    assert all(created)


# --- applications ----------------------------------------------------------------------------------------------------


async def test_an_application_is_read(cluster: Cluster, namespace: str) -> None:
    application = {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {"name": "shop"},
        "spec": {"components": [{"name": "db", "type": "postgresql"}]},
    }
    path = f"/apis/core.oam.dev/v1beta1/namespaces/{namespace}/applications"
    assert (await cluster.call("POST", path, application))[0] == 201
    async with KubernetesClient(KubernetesAccess(str(cluster.kubeconfig()))) as client:
        reader = KubernetesApplications(client)

        found = await reader.get(AppKey(namespace, "shop"))

        assert found is not None
        assert found["metadata"]["uid"]
        assert found["spec"]["components"] == application["spec"]["components"]  # type: ignore[index]
        assert await reader.get(AppKey(namespace, "other")) is None
        assert await reader.get(AppKey("a/../b", "x y")) is None


async def test_applications_that_may_not_be_read_are_refused_with_the_way_out(
    client: KubernetesClient, namespace: str
) -> None:
    reader = KubernetesApplications(client)
    with pytest.raises(Rejected) as caught:
        await reader.get(AppKey(namespace, "shop"))
    assert caught.value.code == "application-unreadable"
    assert "CloudEvent" in caught.value.fix
    assert reader.breaker.state is BreakerState.CLOSED
