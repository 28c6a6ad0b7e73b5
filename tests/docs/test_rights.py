"""A worker that has the rights of docs/operations.md, and no others, does its job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
import nats
import nats.errors
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from contracts import names
from tests.docs.markdown import ROOT, blocks
from tests.nats.conftest import until
from tests.support.nats import NatsServer
from worker.dev.argo import ArgoController, ContractRunner
from worker.dev.argo.client import ApiClient
from worker.dev.kubernetes.authentication import service_account
from worker.dev.kubernetes.kubeconfig import kubeconfig, write
from worker.dev.kubernetes.server import KubernetesApi
from worker.dev.loopback import free_port
from worker.dev.process import worker_process
from worker.outbound.installation import apply_streams, declared_streams
from worker.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from nats.aio.client import Client

PAGE = ROOT / "docs" / "operations.md"
SHOP: dict[str, Any] = {
    "apiVersion": "core.oam.dev/v1beta1",
    "kind": "Application",
    "metadata": {"name": "shop", "namespace": "team-a"},
    "spec": {"components": [{"name": "db", "type": "postgresql"}]},
}


def documents() -> list[Any]:
    """Return every YAML document of the page."""
    found = [yaml.safe_load_all(block.body) for block in blocks("yaml") if block.path == PAGE]
    return [document for documents in found for document in documents]


def authorization() -> dict[str, Any]:
    [found] = [one for one in documents() if "authorization" in one]
    return dict(found)


def password(user: str) -> str:
    [found] = [one["password"] for one in authorization()["authorization"]["users"] if one["user"] == user]
    return str(found)


def event(kind: str, ident: str, **data: object) -> bytes:
    return json.dumps({"specversion": "1.0", "id": ident, "source": "urn:test", "type": kind, "data": data}).encode()


async def connect(server: NatsServer, user: str, refusals: list[str] | None = None) -> Client:
    async def note(error: Exception) -> None:
        if refusals is not None:
            refusals.append(str(error))

    return await nats.connect(server.url, user=user, password=password(user), error_cb=note)


async def ask(client: Client, subject: str, body: bytes = b"") -> dict[str, Any]:
    answer: dict[str, Any] = json.loads((await client.request(subject, body, timeout=5)).data)
    return answer


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[KubernetesApi]:
    """An API server with the page's roles, and a kubeconfig of its ServiceAccount."""
    async with KubernetesApi() as api:
        api.cluster.load({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argo"}})
        for document in documents():
            if "kind" in document:
                api.cluster.load(document)
        token = api.cluster.tokens.issue(service_account("argo", "platform-worker"))
        write(tmp_path / "kubeconfig", kubeconfig(api.url, token))
        async with ArgoController(ApiClient(api.url, api.token), runner=ContractRunner(delay=0.01)):
            yield api


async def test_the_rights_of_the_page_suffice(api: KubernetesApi, tmp_path: Path) -> None:
    port = free_port()
    with NatsServer(config=authorization()) as server:
        provisioner = await connect(server, "provisioner")
        await apply_streams(provisioner, declared_streams(Settings()))
        refusals: list[str] = []
        tenant = await connect(server, "team-a", refusals)
        told = await tenant.subscribe("platform.status.team-a.>")
        variables = {
            "NATS_URL": server.url,
            "NATS_USER": "worker",
            "NATS_PASSWORD": password("worker"),
            "KUBECONFIG": str(tmp_path / "kubeconfig"),
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(port),
            "PUBLISH_TIMEOUT": "2s",
        }
        log = tmp_path / "worker.log"
        async with worker_process(variables, port, log) as worker:
            changed, broken = names.InboundType.APPLICATION_CHANGED, b"not an event"
            stored = await ask(tenant, "platform.oam.team-a.shop", event(changed, "one", application=SHOP))
            assert stored["stream"] == names.EVENTS_STREAM
            await ask(tenant, "platform.oam.team-a.broken", broken)
            kinds: set[str] = set()
            while not {"succeeded", "rejected"} <= kinds:
                message = await told.next_msg(timeout=20)
                kinds.add(json.loads(message.data)["type"].split(".")[-2])
            await ask(tenant, "platform.oam.team-a.shop", event(changed, "two", application=SHOP))
            while "unchanged" not in kinds:
                kinds.add(json.loads((await told.next_msg(timeout=20)).data)["type"].split(".")[-2])
            await check_metrics(worker.url)
        refused = [line for line in log.read_text().splitlines() if "ermission" in line]
        assert refused == []
        await check_confinement(server, tenant, refusals)
        await tenant.close()
        await provisioner.close()


async def check_metrics(url: str) -> None:
    """The counters of the adapters are wired in a process that runs."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        families = {family.name: family for family in text_string_to_metric_families(await answer.text())}
    for name in (
        "dead_letters",
        "kubernetes_requests",
        "events",
        "settlements",
        "runs_ended",
        "event_to_created_seconds",
    ):
        assert families[f"platform_worker_{name}"].samples, name


async def check_confinement(server: NatsServer, tenant: Client, refusals: list[str]) -> None:
    """What the page says that nobody can do."""
    await tenant.publish("platform.oam.team-b.shop", b"{}")
    await tenant.publish("platform.status.team-a.shop.x", b"{}")
    await tenant.flush()
    worker_refusals: list[str] = []
    worker = await connect(server, "worker", worker_refusals)
    forbidden = [
        "platform.oam.team-a.shop",
        "$JS.API.STREAM.PURGE.PLATFORM_EVENTS",
        "$JS.API.STREAM.MSG.GET.PLATFORM_DLQ",
    ]
    for subject in forbidden:
        await worker.publish(subject, b"{}")
    await worker.flush()
    await until(lambda: len(refusals) >= 2 and len(worker_refusals) >= len(forbidden))
    assert all("permissions violation" in text.lower() for text in [*refusals, *worker_refusals])
    await worker.close()
