"""What only the embedded API can do: fail on demand, count what was asked of it, forget old revisions."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config

from tests.dev.argo import workflow
from worker.dev.argo.client import ApiAnswerError, ApiClient
from worker.dev.kubernetes import KubernetesApi
from worker.dev.kubernetes.faults import REFUSALS, Rule

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dev.argo import ArgoCluster

WORKFLOWS = "workflows.argoproj.io"


async def test_an_answer_can_be_lost_after_the_commit(cluster: ArgoCluster, kubernetes: KubernetesApi) -> None:
    rule = kubernetes.faults.inject(match={"verb": "create", "resource": WORKFLOWS}, drop="after")
    with pytest.raises(aiohttp.ClientError):
        await cluster.submit(workflow("one"))
    assert rule.met == 1
    assert kubernetes.log.created(WORKFLOWS, cluster.namespace, "one") == 1
    [entry] = kubernetes.log.entries(verb="create", name="one")
    assert (entry.code, entry.committed) == (0, True)
    with pytest.raises(ApiAnswerError, match="AlreadyExists"):
        await cluster.submit(workflow("one"))
    assert kubernetes.log.created(WORKFLOWS, cluster.namespace, "one") == 1


async def test_a_request_can_be_lost_before_the_commit(cluster: ArgoCluster, kubernetes: KubernetesApi) -> None:
    kubernetes.faults.inject(match={"verb": "create", "name": "one"}, drop="before")
    with pytest.raises(aiohttp.ClientError):
        await cluster.submit(workflow("one"))
    assert kubernetes.log.created(WORKFLOWS, cluster.namespace, "one") == 0
    await cluster.submit(workflow("one"))
    assert kubernetes.log.creates(WORKFLOWS) == {f"{cluster.namespace}/one": 1}


@pytest.mark.parametrize("kind", sorted(REFUSALS))
async def test_every_refusal_stores_nothing(cluster: ArgoCluster, kubernetes: KubernetesApi, kind: str) -> None:
    kubernetes.faults.inject(match={"verb": "create", "name": "one"}, refuse=kind)
    with pytest.raises(ApiAnswerError) as refused:
        await cluster.submit(workflow("one"))
    assert refused.value.code >= 400
    assert kubernetes.log.created(WORKFLOWS, cluster.namespace, "one") == 0
    await cluster.submit(workflow("one"))


async def test_a_rule_skips_and_ends(cluster: ArgoCluster, kubernetes: KubernetesApi) -> None:
    kubernetes.faults.inject(match={"verb": "create", "name": "w.*"}, refuse="unavailable", skip=1, times=2)
    codes = []
    for number in range(5):
        try:
            await cluster.submit(workflow(f"w{number}"))
            codes.append(201)
        except ApiAnswerError as error:
            codes.append(error.code)
    assert codes == [201, 503, 503, 201, 201]


async def test_a_literal_answer(cluster: ArgoCluster, kubernetes: KubernetesApi) -> None:
    answer = {"code": 418, "reason": "Teapot", "message": "short and stout"}
    kubernetes.faults.inject(match={"verb": "create", "resource": WORKFLOWS}, answer=answer)
    with pytest.raises(ApiAnswerError, match="short and stout") as refused:
        await cluster.submit(workflow("one"))
    assert refused.value.code == 418


async def test_delays(cluster: ArgoCluster, kubernetes: KubernetesApi) -> None:
    kubernetes.faults.inject(match={"verb": "create", "resource": WORKFLOWS}, delay=0.2)
    begin = time.monotonic()
    await cluster.submit(workflow("one"))
    assert time.monotonic() - begin >= 0.2


@pytest.mark.parametrize("attributes", [{"refuse": "nonsense"}, {"drop": "sometimes"}, {"match": {"colour": "red"}}])
def test_a_rule_that_could_never_work_is_refused(attributes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"nonsense|sometimes|colour"):
        Rule(**attributes)


async def test_a_watch_that_fell_behind_is_told() -> None:
    async with KubernetesApi(history=4) as api, ApiClient(api.url, api.token) as client:
        path = "/api/v1/namespaces/default/configmaps"
        first = await client.call("POST", path, {"metadata": {"name": "first"}})
        for number in range(20):
            await client.call("POST", path, {"metadata": {"name": f"c{number}"}})
        with pytest.raises(ApiAnswerError, match="too old resource version") as gone:
            await anext(aiter(client.watch(path, first["metadata"]["resourceVersion"])))
        assert gone.value.code == 410


async def test_a_page_token_whose_snapshot_is_forgotten_is_gone(cluster: ArgoCluster) -> None:
    for name in ("a", "b"):
        await cluster.submit(workflow(name))
    first = await cluster.client.call("GET", f"{cluster.path}?limit=1")
    for _ in range(70):
        await cluster.client.call("GET", f"{cluster.path}?limit=1")
    with pytest.raises(ApiAnswerError, match="continue parameter is too old") as gone:
        await cluster.client.call("GET", f"{cluster.path}?continue={first['metadata']['continue']}")
    assert gone.value.code == 410


def test_it_is_a_process_with_kubeconfig_and_control_port(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    command = [sys.executable, "-m", "worker.dev.kubernetes", "--kubeconfig", str(kubeconfig)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            ready = json.loads(process.stdout.readline())
            assert kubeconfig.stat().st_mode & 0o077 == 0
            asyncio.run(_use(ready, kubeconfig))
        finally:
            process.terminate()
        assert process.wait(10) == 0


async def _use(ready: dict[str, Any], kubeconfig: Path) -> None:
    configuration = kubernetes_client.Configuration()
    await kubernetes_config.load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    async with kubernetes_client.ApiClient(configuration) as api:
        objects = kubernetes_client.CustomObjectsApi(api)
        where: dict[str, Any] = {
            "group": "argoproj.io",
            "version": "v1alpha1",
            "namespace": "default",
            "plural": "workflows",
        }
        made: Any = await objects.create_namespaced_custom_object(body=workflow("one"), **where)
        assert made["metadata"]["name"] == "one"
    async with aiohttp.ClientSession(ready["admin"]) as control:
        async with control.get("/creates") as answer:
            assert await answer.json() == {"default/one": 1}
        async with control.get("/requests", params={"verb": "create", "committed": "true"}) as answer:
            [entry] = await answer.json()
            assert (entry["user"], entry["name"], entry["code"]) == ("admin", "one", 201)
        async with control.post("/faults", json={"refuse": "nonsense"}) as answer:
            assert answer.status == 400
            assert "nonsense" in await answer.text()
        async with control.post("/tokens", json={"user": "nobody"}) as answer:
            token = (await answer.json())["token"]
    async with ApiClient(ready["url"], token) as nobody:
        with pytest.raises(ApiAnswerError, match="cannot list resource"):
            await nobody.call("GET", "/apis/argoproj.io/v1alpha1/workflows")
