"""Names and addresses: NATS takes those that the schema takes, and the pod gets the names that KEDA looks at.

The server is real. A name is part of a request's subject there, so '.', '*', '>' and spaces can't even be asked for.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import nats
import pytest

from tests.local_lane.node.environment import variables
from tests.platform import fixtures, goldens
from tests.platform.goldens import Layout
from tests.support.nats import NatsServer
from tools.platform_api.apis import EVENT_DRIVEN_SERVICE
from tools.platform_api.crds import load_definition
from worker.settings import Settings

if TYPE_CHECKING:
    from nats.aio.client import Client

LAYOUT = Layout()
(VERSION,) = load_definition()["spec"]["versions"]
FIELDS = VERSION["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["nats"]["properties"]
NAMES = sorted(
    {
        name
        for fixture in fixtures.valid(EVENT_DRIVEN_SERVICE)
        for name in (fixture.claim["spec"]["nats"]["stream"], fixture.claim["spec"]["nats"]["consumer"])
    }
)
#: Refused by the schema, and by the server if it is asked.
ILLEGAL = ["a/b", "a\\b", "é" * 128]


async def ask(client: Client, subject: str, body: dict[str, Any]) -> str:
    """Return the server's error, empty if there is none."""
    answer = json.loads((await client.request(f"$JS.API.{subject}", json.dumps(body).encode(), timeout=10)).data)
    return str(answer.get("error", {}).get("description", ""))


async def make(client: Client, stream: str, consumer: str) -> list[str]:
    """Make a stream and a consumer of these names; return what the server has against them."""
    try:
        errors = [await ask(client, f"STREAM.CREATE.{stream}", {"name": stream, "subjects": ["s"]})]
        body = {"stream_name": stream, "config": {"durable_name": consumer, "ack_policy": "explicit"}}
        errors.append(await ask(client, f"CONSUMER.DURABLE.CREATE.{stream}.{consumer}", body))
    finally:
        await client.request(f"$JS.API.STREAM.DELETE.{stream}", b"", timeout=10)
    return [error for error in errors if error]


async def test_the_server_takes_the_names_that_the_schema_takes() -> None:
    assert len(NAMES) > 10
    with NatsServer() as server:
        client = await nats.connect(server.url)
        try:
            assert {name: await make(client, name, name) for name in NAMES} == {name: [] for name in NAMES}
        finally:
            await client.close()


async def test_the_server_refuses_the_names_that_the_schema_refuses() -> None:
    for name in ILLEGAL:
        fits = all(re.search(FIELDS[field]["pattern"], name) for field in ("stream", "consumer"))
        assert not fits or len(name.encode()) > 255, name
    with NatsServer() as server:
        client = await nats.connect(server.url)
        try:
            for name in ILLEGAL:
                assert await make(client, name, "consumer"), name
        finally:
            await client.close()


async def container_environment(case: str, data: dict[str, dict[str, bytes]]) -> list[dict[str, str]]:
    """Return the environments of a render's containers, as a kubelet resolves them."""

    async def read(_kind: str, name: str) -> dict[str, Any] | None:
        return {"data": {key: base64.b64encode(value).decode() for key, value in data[name].items()}}

    pod = manifest(case, "deployment")["spec"]["template"]["spec"]
    containers = [*pod["containers"], *pod.get("initContainers", [])]
    service = {"HOSTNAME": "orders-1"}
    return [await variables(container, {}, service, "shop", read) for container in containers]


def manifest(case: str, step: str) -> dict[str, Any]:
    made = goldens.objects(goldens.rendered(LAYOUT, case))[step]
    return dict(made["spec"]["forProvider"]["manifest"])


async def test_the_pod_gets_the_very_names_that_the_scaler_looks_at() -> None:
    case = "nats-names-with-dollars"
    (environment,) = await container_environment(case, {})
    claimed = goldens.claim_of(LAYOUT, case)["spec"]["nats"]
    trigger = manifest(case, "scaledobject")["spec"]["triggers"][0]["metadata"]
    for field, variable in (("stream", "NATS_STREAM_NAME"), ("consumer", "NATS_CONSUMER_GROUP")):
        assert environment[variable] == trigger[field] == claimed[field]


async def test_the_address_may_name_variables_of_secrets() -> None:
    secrets = {"orders-nats": {"username": b"orders"}, "orders-nats-password": {"NATS_PASSWORD": b"s3cret"}}
    environments = await container_environment("nats-url-from-secrets", secrets)
    assert len(environments) == 2
    for environment in environments:
        assert environment["NATS_URL"] == "nats://orders:s3cret@nats.nats.svc:4222"


async def test_clients_refuse_the_mixtures_that_the_schema_refuses() -> None:
    mixed = [fixture for fixture in fixtures.invalid(EVENT_DRIVEN_SERVICE) if fixture.breaks == "spec.nats.url: rule 0"]
    assert len(mixed) == 2
    for fixture in mixed:
        servers = [address.strip() for address in fixture.claim["spec"]["nats"]["url"].split(",")]
        with pytest.raises(nats.errors.Error, match="mixing of websocket and non websocket URLs"):
            await nats.connect(servers, allow_reconnect=False)


def test_the_worker_takes_the_addresses_that_the_schema_takes() -> None:
    taken = set()
    for fixture in fixtures.valid(EVENT_DRIVEN_SERVICE):
        url = fixture.claim["spec"]["nats"].get("url")
        if url is not None:
            taken.add(len(Settings.from_environment({"NATS_URL": url}).nats_url))
    assert taken >= {1, 2, 3}
