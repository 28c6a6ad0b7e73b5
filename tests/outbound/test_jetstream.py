"""JetStream's failures and their errors, each provoked on a real nats-server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from nats.js.api import DiscardPolicy, StreamConfig

from worker.errors import LostRace, Misconfigured, Rejected, Unavailable
from worker.outbound.jetstream import JetStream

if TYPE_CHECKING:
    from nats.aio.client import Client

    from tests.support.nats import NatsServer


@pytest.fixture
async def js(nats_client: Client) -> JetStream:
    await nats_client.jetstream().add_stream(
        StreamConfig(name="S", subjects=["s.>"], max_msg_size=1000, max_bytes=4000, discard=DiscardPolicy.NEW)
    )
    return JetStream(nats_client, timeout=1)


async def test_messages_are_read_with_their_place(js: JetStream) -> None:
    assert await js.last("S", "s.a") is None
    first = await js.publish("s.a", b"1", headers={"x": "y"})
    second = await js.publish("s.b", b"")

    last = await js.last("S", "s.a")
    assert last is not None
    assert (last.subject, last.sequence, last.body) == ("s.a", first, b"1")
    assert b"x: y" in last.headers
    after = await js.after("S", "s.*", first + 1)
    assert after is not None
    assert (after.subject, after.sequence, after.body, after.headers) == ("s.b", second, b"", b"")
    assert await js.after("S", "s.*", second + 1) is None


async def test_an_id_is_stored_once(js: JetStream) -> None:
    assert await js.publish("s.a", b"1", message_id="x") == await js.publish("s.a", b"1", message_id="x")


async def test_a_lost_comparison(js: JetStream) -> None:
    await js.publish("s.a", b"1", last=0)
    with pytest.raises(LostRace):
        await js.publish("s.a", b"2", last=0)
    with pytest.raises(LostRace):
        await js.publish("s.a", b"2", last=99)


async def test_a_message_above_the_streams_limit(js: JetStream) -> None:
    with pytest.raises(Rejected) as caught:
        await js.publish("s.a", b"x" * 1001)
    assert caught.value.code == "message-too-large"


async def test_a_message_above_the_servers_limit_costs_no_connection(js: JetStream, nats_client: Client) -> None:
    with pytest.raises(Rejected):
        await js.publish("s.a", b"x" * (js.max_payload + 1))
    await js.publish("s.a", b"1")
    assert nats_client.is_connected


async def test_a_full_stream_is_no_fault_of_the_event(js: JetStream) -> None:
    for number in range(3):
        await js.publish(f"s.{number}", b"x" * 900)
    with pytest.raises(Unavailable) as caught:
        await asyncio.gather(*(js.publish(f"s.full-{number}", b"x" * 900) for number in range(3)))
    assert not isinstance(caught.value, Misconfigured)
    assert "maximum bytes" in str(caught.value)


async def test_a_ttl_where_none_is_allowed(js: JetStream) -> None:
    with pytest.raises(Misconfigured) as caught:
        await js.publish("s.a", b"1", ttl=5)
    assert "streams check" in caught.value.fix


async def test_what_does_not_exist(js: JetStream) -> None:
    with pytest.raises(Misconfigured, match="stream nowhere"):
        await js.last("nowhere", "s.a")
    with pytest.raises(Misconfigured, match="nobody answers"):
        await js.publish("elsewhere", b"1")


async def test_no_answer_in_time(js: JetStream, nats_server: NatsServer) -> None:
    nats_server.freeze()
    for call in (js.last("S", "s.a"), js.publish("s.a", b"1"), js.info("S")):
        with pytest.raises(Unavailable, match="within 1 s"):
            await call
