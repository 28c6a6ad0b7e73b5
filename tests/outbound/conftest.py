"""A bucket and streams as the worker needs them, on a real nats-server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nats
import pytest
from nats.js.api import DiscardPolicy, RetentionPolicy, StreamConfig

from contracts.names import (
    DLQ_STREAM,
    DLQ_SUBJECTS,
    EVENTS_STREAM,
    OAM_SUBJECTS,
    REQUEST_SUBJECTS,
    STATUS_STREAM,
    STATUS_SUBJECTS,
)
from tests.support.state_stream import state_stream
from worker.outbound.jetstream import JetStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nats.aio.client import Client
    from nats.js import JetStreamContext

    from tests.support.nats import NatsServer

STATE = state_stream()
EVENTS = StreamConfig(
    name=EVENTS_STREAM,
    subjects=[OAM_SUBJECTS, REQUEST_SUBJECTS],
    retention=RetentionPolicy.WORK_QUEUE,
    discard=DiscardPolicy.NEW,
)


@pytest.fixture
async def nats_client(nats_server: NatsServer) -> AsyncIterator[Client]:
    async def quiet(_: Exception) -> None:
        """Outages are part of these tests; nats-py would print them."""

    client = await nats.connect(nats_server.url, max_reconnect_attempts=-1, reconnect_time_wait=0.1, error_cb=quiet)
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
async def context(nats_client: Client) -> JetStreamContext:
    """Return nats-py's own view of a server that has all streams, and no event yet."""
    js = nats_client.jetstream()
    await js.add_stream(EVENTS)
    await js.add_stream(STATE)
    await js.add_stream(StreamConfig(name=STATUS_STREAM, subjects=[STATUS_SUBJECTS]))
    await js.add_stream(StreamConfig(name=DLQ_STREAM, subjects=[DLQ_SUBJECTS]))
    return js


@pytest.fixture
def jetstream(nats_client: Client, context: JetStreamContext) -> JetStream:
    return JetStream(nats_client, timeout=2.0)
