"""What happens to a call when the server, the network or the credentials fail."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.outbound.clusters import VERBS, EmbeddedCluster, RealCluster, new_namespace, service_account
from tests.outbound.test_kubernetes_api import body, stored
from tests.support.control_plane import ControlPlane
from tests.support.crds import install_crds
from tests.support.proxy import LosingProxy
from worker.dev.kubernetes import KubernetesApi
from worker.dev.loopback import free_port
from worker.errors import Deferred, LostRace, Misconfigured, Rejected, Unavailable, WorkerError
from worker.outbound.breaker import Breaker, BreakerState
from worker.outbound.kubernetes_api import KubernetesWorkflows
from worker.outbound.kubernetes_client import KubernetesAccess, KubernetesClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def api() -> AsyncIterator[KubernetesApi]:
    async with KubernetesApi() as api:
        yield api


@pytest.fixture
async def namespace(api: KubernetesApi, tmp_path: Path) -> str:
    return await new_namespace(EmbeddedCluster(api, tmp_path))


def workflows(client: KubernetesClient, namespace: str) -> KubernetesWorkflows:
    """Each with a breaker of its own: one call's failure is not what the next one tests."""
    return KubernetesWorkflows(client, namespace, breaker=Breaker("kubernetes"))


@pytest.fixture
async def client(api: KubernetesApi, tmp_path: Path) -> AsyncIterator[KubernetesClient]:
    access = KubernetesAccess(str(EmbeddedCluster(api, tmp_path).kubeconfig()), connect_timeout=1, total_timeout=1)
    async with KubernetesClient(access) as client:
        yield client


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        ("quota", Deferred),
        ("policy", Rejected),
        ("rbac", Misconfigured),
        ("too-many-requests", Unavailable),
        ("unauthorized", Unavailable),
        ("conflict", LostRace),
        ("storage", Rejected),
        ("body-too-large", Rejected),
        ("internal", Unavailable),
        ("unavailable", Unavailable),
        ("timeout", Unavailable),
    ],
)
async def test_each_refusal_of_a_create_has_its_error(
    api: KubernetesApi, client: KubernetesClient, namespace: str, refusal: str, error: type[WorkerError]
) -> None:
    api.faults.inject(refuse=refusal, times=None, match={"verb": "create", "resource": "workflows.argoproj.io"})
    adapter = workflows(client, namespace)
    with pytest.raises(error) as caught:
        await adapter.create("shop-1", body(namespace, "shop-1"))
    assert type(caught.value) is error
    opened = adapter.breaker.state is BreakerState.OPEN
    assert opened == isinstance(caught.value, Unavailable)


async def test_a_conflict_on_the_start_is_looked_at_again(
    api: KubernetesApi, client: KubernetesClient, namespace: str
) -> None:
    """Taken for "was stopped", it would leave an accepted run suspended."""
    await workflows(client, namespace).create("shop-1", body(namespace, "shop-1"))
    api.faults.inject(refuse="conflict", match={"verb": "patch"})

    with pytest.raises(LostRace):
        await workflows(client, namespace).start("shop-1")
    assert await workflows(client, namespace).start("shop-1")


async def test_a_wait_that_the_server_asks_for_holds_all_calls(
    api: KubernetesApi, client: KubernetesClient, namespace: str
) -> None:
    answer = {"code": 429, "text": "Too many requests, please try again later.\n", "headers": {"Retry-After": "3"}}
    api.faults.inject(answer=answer, match={"verb": "create"})
    adapter = workflows(client, namespace)
    with pytest.raises(Unavailable) as caught:
        await adapter.create("shop-1", body(namespace, "shop-1"))
    assert caught.value.retry_after == 3
    before = len(list(api.log))
    with pytest.raises(Unavailable, match="not asked again yet"):
        await adapter.get("shop-1")
    assert len(list(api.log)) == before


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_create_without_an_answer_can_be_repeated(
    api: KubernetesApi, client: KubernetesClient, namespace: str, when: str
) -> None:
    api.faults.inject(drop=when, match={"verb": "create", "resource": "workflows.argoproj.io"})
    with pytest.raises(Unavailable):
        await workflows(client, namespace).create("shop-1", body(namespace, "shop-1"))

    created = await workflows(client, namespace).create("shop-1", body(namespace, "shop-1"))

    assert created == (when == "before")
    assert list(api.log.creates("workflows.argoproj.io").values()) == [1]


async def test_a_slow_server_is_given_up_in_time(api: KubernetesApi, client: KubernetesClient, namespace: str) -> None:
    api.faults.inject(delay=30, match={"verb": "create"})
    started = time.monotonic()
    with pytest.raises(Unavailable, match="no answer in time"):
        await workflows(client, namespace).create("shop-1", body(namespace, "shop-1"))
    assert time.monotonic() - started < 3


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(_kubeconfig(f"http://127.0.0.1:{free_port()}"))
    async with KubernetesClient(KubernetesAccess(str(path))) as client:
        with pytest.raises(Unavailable) as caught:
            await workflows(client, "argo").get("x")
    assert not isinstance(caught.value, Misconfigured)


@pytest.mark.parametrize(
    "reply",
    [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"],
    ids=["nothing", "noise", "cut"],
)
async def test_a_broken_answer_is_unavailable(tmp_path: Path, reply: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    path = tmp_path / "kubeconfig"
    path.write_text(_kubeconfig(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    async with server, KubernetesClient(KubernetesAccess(str(path))) as client:
        with pytest.raises(Unavailable):
            await workflows(client, "argo").get("x")


@pytest.mark.parametrize("text", ["", "{", "[]", "kind: Config\n", None])
async def test_an_unreadable_kubeconfig_is_configuration(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Misconfigured) as caught:
        await KubernetesClient(KubernetesAccess(str(path))).open()
    assert "KUBECONFIG" in caught.value.fix


async def test_outside_of_a_pod_the_users_kubeconfig_is_taken(
    api: KubernetesApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
    (tmp_path / "config").write_text(json.dumps(api.kubeconfig()))
    async with KubernetesClient(KubernetesAccess()) as client:
        assert await workflows(client, "default").get("x") is None


@pytest.mark.parametrize(("bypass", "proxied"), [("", True), ("127.0.0.1", False)])
async def test_the_proxy_of_the_environment_is_used(
    api: KubernetesApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, bypass: str, proxied: bool
) -> None:
    seen: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    monkeypatch.setenv("no_proxy", bypass)
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(api.kubeconfig()))
    async with server, KubernetesClient(KubernetesAccess(str(path))) as client:
        if proxied:
            with pytest.raises(Unavailable):
                await workflows(client, "default").get("x")
        else:
            assert await workflows(client, "default").get("x") is None
    assert bool(seen) == proxied


async def test_connections_are_kept_and_their_number_is_limited(
    api: KubernetesApi, namespace: str, tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    opened = 0

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        host, port = api.url.removeprefix("http://").split(":")
        there, back = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_pump(reader, back), _pump(there, writer))

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    config = api.kubeconfig()
    config["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    path.write_text(json.dumps(config))
    async with server, KubernetesClient(KubernetesAccess(str(path), pool_size=4)) as client:
        adapter = workflows(client, namespace)
        for _ in range(3):
            await asyncio.gather(*(adapter.get(f"x-{number}") for number in range(20)))
    assert 1 <= opened <= 4


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def _kubeconfig(server: str) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }
    )


# --- on the real server ----------------------------------------------------------------------------------------------


async def test_in_a_pod_a_rotated_token_is_taken_over(
    control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are read once a minute; a token that expires in between costs no request."""
    cluster = RealCluster(control_plane)
    namespace = await new_namespace(cluster)
    token = tmp_path / "token"
    token.write_text("expired")
    module = "kubernetes.aio.config.incluster_config"
    monkeypatch.setattr(f"{module}.SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(f"{module}.SERVICE_CERT_FILENAME", str(control_plane.ca_file))
    host, port = control_plane.url.removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    async with KubernetesClient(KubernetesAccess()) as client:
        token.write_text(await service_account(cluster, namespace, VERBS))
        assert await workflows(client, namespace).create("shop-1", body(namespace, "shop-1"))


async def test_an_answer_that_is_lost_on_the_way_was_carried_out(control_plane: ControlPlane, tmp_path: Path) -> None:
    cluster = RealCluster(control_plane)
    namespace = await new_namespace(cluster)
    async with LosingProxy.before(cluster.kubeconfig(), loss=1.0, most=1) as proxy:
        path = proxy.kubeconfig(cluster.kubeconfig(), tmp_path / "through-the-proxy")
        async with KubernetesClient(KubernetesAccess(str(path), total_timeout=5)) as client:
            adapter = workflows(client, namespace)
            assert await adapter.get("shop-1") is None
            with pytest.raises(Unavailable):
                await adapter.create("shop-1", body(namespace, "shop-1"))
            assert proxy.lost == {"POST": 1}
            assert not await workflows(client, namespace).create("shop-1", body(namespace, "shop-1"))
    assert (await stored(cluster, namespace, "shop-1"))["metadata"]["name"] == "shop-1"


async def test_a_certificate_of_another_authority_is_configuration(control_plane: ControlPlane, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(_kubeconfig(control_plane.url))
    async with KubernetesClient(KubernetesAccess(str(path))) as client:
        with pytest.raises(Misconfigured) as caught:
            await workflows(client, "default").get("x")
    assert "certificate authority" in caught.value.fix


async def test_a_frozen_store_is_unavailable_and_the_create_happened_at_most_once(control_plane: ControlPlane) -> None:
    cluster = RealCluster(control_plane)
    namespace = await new_namespace(cluster)
    path = cluster.kubeconfig()
    async with KubernetesClient(KubernetesAccess(str(path), total_timeout=1)) as client:
        control_plane.etcd.freeze()
        try:
            with pytest.raises(Unavailable):
                await workflows(client, namespace).create("shop-1", body(namespace, "shop-1"))
        finally:
            control_plane.etcd.thaw()
    async with KubernetesClient(KubernetesAccess(str(path), total_timeout=15)) as client:
        adapter = workflows(client, namespace)
        await adapter.create("shop-1", body(namespace, "shop-1"))
        assert not await adapter.create("shop-1", body(namespace, "shop-1"))


@pytest.mark.cluster
async def test_an_overloaded_server_asks_for_a_pause() -> None:
    flags = ("--enable-priority-and-fairness=false", "--max-mutating-requests-inflight=1")
    with ControlPlane(*flags) as server:
        install_crds(server)
        cluster = RealCluster(server)
        namespace = await new_namespace(cluster)
        token = await service_account(cluster, namespace, VERBS)
        async with KubernetesClient(KubernetesAccess(str(cluster.kubeconfig(token)))) as client:
            server.etcd.freeze()
            creates = [
                asyncio.create_task(workflows(client, namespace).create(f"w-{n}", body(namespace, f"w-{n}")))
                for n in range(3)
            ]
            for answered in itertools.islice(asyncio.as_completed(creates, timeout=10), 2):
                with pytest.raises(Unavailable):
                    await answered
            server.etcd.thaw()
            results = await asyncio.gather(*creates, return_exceptions=True)
    refused = [result for result in results if isinstance(result, Unavailable)]
    assert [result.retry_after for result in refused] == [1.0, 1.0]
    assert results.count(True) == 1
