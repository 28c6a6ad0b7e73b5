"""Dead letters on a real server: original bytes, reasons in headers, once, within the server's limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import nats
import pytest

from contracts.streams import topology
from tests.support.nats import NatsServer
from worker.domain.events import AppKey, Delivery, InboundMessage
from worker.errors import Rejected, Unavailable
from worker.outbound.dead_letters import JetStreamDeadLetters
from worker.outbound.jetstream import JetStream
from worker.outbound.streams import Streams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

APP = AppKey("team", "my.app")
ERROR = Rejected("unknown-type", "no such type", path="$.data.type", fix="did you mean redis?", component="cache")


def message(body: bytes = b"{}", *, sequence: int = 7, headers: dict[str, str] | None = None) -> InboundMessage:
    delivery = Delivery(
        "PLATFORM_EVENTS", "2026-01-02T03:04:05+00:00", sequence, timestamp=1_767_323_045.5, delivered=3
    )
    return InboundMessage("platform.oam.team.my=2Eapp", headers or {}, body, delivery)


@pytest.fixture
async def client(nats_server: NatsServer) -> AsyncIterator[nats.NATS]:
    client = await nats.connect(nats_server.url)
    await Streams(client, topology("dev")).apply()
    yield client
    await client.close()


@dataclass
class Stored:
    subject: str
    data: bytes
    headers: dict[str, str]


async def newest(client: nats.NATS) -> Stored:
    """Read the newest dead letter without nats-py's e-mail parser, which hides what is not ASCII."""
    found = await JetStream(client).last("PLATFORM_DLQ", "platform.dlq.>")
    assert found
    lines = found.headers.decode().split("\r\n")[1:]
    return Stored(found.subject, found.body, dict(line.split(": ", 1) for line in lines if line))


async def test_a_dead_letter_has_the_original_bytes_and_all_headers_of_the_contract(client: nats.NATS) -> None:
    body = b"\xff\x00 not JSON"
    headers = {
        "traceparent": "00-a-b-01",
        "Nats-Msg-Id": "mine",
        "Nats-Expected-Last-Msg-Id": "x",
        "Dlq-Class": "forged",
    }
    await JetStreamDeadLetters(JetStream(client)).publish(message(body, headers=headers), APP, ERROR)
    found = await newest(client)
    assert found.data == body
    assert found.subject == "platform.dlq.team.my=2Eapp.unknown-type"
    assert found.headers == {
        "Nats-Msg-Id": "PLATFORM_EVENTS:7:2026-01-02T03:04:05+00:00",
        "Dlq-Class": "unknown-type",
        "Dlq-Reason": "cache: no such type; did you mean redis?",
        "Dlq-Path": "$.data.type",
        "Dlq-Deliveries": "3",
        "Dlq-Stream": "PLATFORM_EVENTS",
        "Dlq-Sequence": "7",
        "Dlq-Subject": "platform.oam.team.my=2Eapp",
        "Dlq-First-Seen": "2026-01-02T03:04:05.500+00:00",
        "traceparent": "00-a-b-01",
        "Original-Nats-Msg-Id": "mine",
        "Original-Nats-Expected-Last-Msg-Id": "x",
    }


async def test_a_repetition_is_stored_once(client: nats.NATS) -> None:
    queue = JetStreamDeadLetters(JetStream(client))
    for sequence in (7, 7, 8):
        await queue.publish(message(sequence=sequence), APP, ERROR)
    assert (await client.jetstream().stream_info("PLATFORM_DLQ")).state.messages == 2


@pytest.mark.parametrize("spare", [0, 1, 100, 700, 1_500, 5_000])
async def test_at_the_servers_limit_headers_give_way_and_the_body_does_not(spare: int) -> None:
    limit = 20_000
    error = Rejected("x", "ä" * 3_000, path="$." + "p" * 1_000, fix="f" * 3_000)
    async with NatsServer(config={"max_payload": limit}) as server:
        client = await nats.connect(server.url)
        await Streams(client, topology("dev")).apply()
        body = b"x" * (limit - 700 - spare)
        headers = {f"h{i}": "v" * 100 * i for i in range(10)}
        await JetStreamDeadLetters(JetStream(client)).publish(message(body, headers=headers), APP, error)
        assert client.is_connected
        found = await newest(client)
        assert found.data == body
        assert found.headers["Dlq-Class"] == "x"
        dropped = set(headers) - set(found.headers)
        assert dropped
        if spare == 5_000:
            assert len(dropped) < len(headers)
            assert set(found.headers["Dlq-Dropped-Headers"].split(",")) == dropped
        await client.close()


async def test_hostile_text_cannot_break_a_header(client: nats.NATS) -> None:
    error = Rejected("x", "a\r\nNats-TTL: 1\r\n\r\nb\x00\ud800", path="$['\n']")
    await JetStreamDeadLetters(JetStream(client)).publish(message(headers={"h": "é\t1"}), APP, error)
    found = await newest(client)
    assert found.headers["Dlq-Reason"] == "a Nats-TTL: 1 b"
    assert "Nats-TTL" not in found.headers
    assert found.headers["h"] == "é 1"


async def test_a_full_or_missing_dlq_is_an_error_so_that_nothing_is_terminated(client: nats.NATS) -> None:
    await client.jetstream().delete_stream("PLATFORM_DLQ")
    with pytest.raises(Unavailable):
        await JetStreamDeadLetters(JetStream(client, timeout=0.5)).publish(message(), APP, ERROR)
