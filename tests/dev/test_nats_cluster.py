"""The cluster of three: a replicated stream outlives its leader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nats

if TYPE_CHECKING:
    from tests.support.nats_cluster import NatsCluster


async def test_a_replicated_stream_survives_its_killed_leader(nats_cluster: NatsCluster) -> None:
    client = await nats.connect(nats_cluster.urls, reconnect_time_wait=0.1, max_reconnect_attempts=-1, error_cb=_quiet)
    stream = client.jetstream(timeout=10)
    await stream.add_stream(name="S", subjects=["s.*"], num_replicas=3)
    for number in range(10):
        await stream.publish("s.a", b"%d" % number)

    leader = await nats_cluster.leader("S")
    leader.kill()
    follower = await nats_cluster.leader("S")
    assert follower is not leader
    assert (await stream.publish("s.a", b"after")).seq == 11
    assert (await stream.stream_info("S")).state.messages == 11

    await leader.start()
    await client.close()


async def _quiet(error: Exception) -> None:
    """The lost connection is the point of the test."""
