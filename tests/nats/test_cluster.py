"""What a cluster says that a single server never says, and what the worker's side makes of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import nats
import nats.errors
import pytest

from contracts import names
from contracts.streams import topology
from worker.bootstrap import apply_streams
from worker.errors import Misconfigured, Unavailable
from worker.outbound.jetstream import JetStream
from worker.outbound.streams import Streams, tailored

if TYPE_CHECKING:
    from nats.aio.client import Client

    from tests.support.nats_cluster import NatsCluster

_SUBJECT = "$KV.platform-state.app.team.shop"


async def test_a_stream_without_a_leader_is_away_and_not_missing(nats_cluster: NatsCluster) -> None:
    """Nobody listens on its subjects then, as if it did not exist: but no operator has anything to create."""
    declared = tailored(topology("dev"), stream=names.EVENTS_STREAM, consumer=names.CONSUMER, replicas=3)
    leader = nats_cluster.servers[0]
    client = await nats.connect(leader.url, allow_reconnect=False, error_cb=_quiet)
    try:
        await apply_streams(client, declared)
        for server in nats_cluster.servers[1:]:
            server.kill()
        await _leaderless(client)
        with pytest.raises(Unavailable) as published:
            await JetStream(client, 5).publish(_SUBJECT, b"{}", stream="KV_platform-state")
        assert not isinstance(published.value, Misconfigured), published.value
        with pytest.raises(Unavailable) as verified:
            await Streams(client, declared).verify()
        assert not isinstance(verified.value, Misconfigured), verified.value
    finally:
        await client.close()


async def _leaderless(client: Client) -> None:
    """Wait until the server that is left has noticed that it is alone: then nobody takes messages."""
    deadline = time.monotonic() + 90
    while True:
        try:
            await client.request(_SUBJECT, b"{}", timeout=1)
        except nats.errors.NoRespondersError:
            return
        except TimeoutError:
            pass
        assert time.monotonic() < deadline, "the last server still acts as a leader"


async def _quiet(_error: Exception) -> None:
    """Lost servers are the point of the test."""
