"""Which account KEDA's question to a real NATS server has to name: the evidence of decision 0012."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.parse
import urllib.request
from typing import Any

import nats
import pytest

from tests.support.nats import NatsServer

APP = {"accounts": {"APP": {"jetstream": "enabled", "users": [{"user": "app", "password": "secret"}]}}}


async def make_a_lag_of_two(server: NatsServer, **credentials: str) -> None:
    connection = await nats.connect(server.url, **credentials)
    try:
        jetstream = connection.jetstream()
        await jetstream.add_stream(name="ORDERS", subjects=["orders"])
        await jetstream.add_consumer("ORDERS", durable_name="orders-workers", ack_policy="explicit")
        for _ in range(2):
            await jetstream.publish("orders", b"")
        # The server tells a consumer of a message after it has acknowledged it to the publisher.
        deadline = time.monotonic() + 10
        while (await jetstream.consumer_info("ORDERS", "orders-workers")).num_pending != 2:
            assert time.monotonic() < deadline, "the consumer did not hear of both messages within 10 s"
            await asyncio.sleep(0.01)
    finally:
        await connection.close()


def keda_finds(server: NatsServer, account: str) -> list[tuple[str, str, int]]:
    """Ask as KEDA does; return stream, consumer and lag of what it could scale by."""
    query = urllib.parse.urlencode({"acc": account, "config": "true", "consumers": "true"})
    with urllib.request.urlopen(f"{server.monitor_url}/jsz?{query}") as response:
        answer: dict[str, Any] = json.load(response)
    return [
        (stream["name"], consumer["name"], consumer["num_pending"] + consumer["num_ack_pending"])
        for found in answer.get("account_details", [])
        if account in {found["name"], found["id"]}
        for stream in found["stream_detail"]
        for consumer in stream["consumer_detail"]
    ]


@pytest.mark.parametrize(("account", "found"), [("$G", [("ORDERS", "orders-workers", 2)]), ("$SYS", [])])
async def test_a_server_without_accounts(account: str, found: list[tuple[str, str, int]]) -> None:
    with NatsServer() as server:
        await make_a_lag_of_two(server)
        assert keda_finds(server, account) == found


@pytest.mark.parametrize(
    ("account", "found"), [("APP", [("ORDERS", "orders-workers", 2)]), ("$G", []), ("$SYS", [])]
)  # fmt: skip
async def test_a_server_with_accounts(account: str, found: list[tuple[str, str, int]]) -> None:
    with NatsServer(config=APP) as server:
        await make_a_lag_of_two(server, user="app", password="secret")
        assert keda_finds(server, account) == found
