"""Everything of one installation on the NATS server: its declaration under its own names, and its creation.

Used by whoever needs the streams to be there: the worker that checks them, the commands and the tests that make them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.names import STATE_BUCKET
from contracts.streams import topology
from worker.outbound.jetstream import JetStream
from worker.outbound.state_kv import KvState
from worker.outbound.streams import Streams, tailored

if TYPE_CHECKING:
    from nats.aio.client import Client

    from contracts.streams import Topology
    from worker.outbound.streams import Change
    from worker.settings import Settings


def declared_streams(settings: Settings) -> Topology:
    """Return streams, consumer and bucket under this installation's names; small ones for a single server."""
    return tailored(
        topology("production" if settings.nats_replicas > 1 else "dev"),
        stream=settings.nats_stream_name,
        consumer=settings.nats_consumer_group,
        replicas=settings.nats_replicas,
    )


async def apply_streams(client: Client, declared: Topology, *, answer_within: float = 5.0) -> list[Change]:
    """Create or change streams, consumer and bucket; a bucket as new as its event stream is marked as the right one.

    Args:
        client: A connection.
        declared: What has to be there, see ``declared_streams``.
        answer_within: Seconds to wait for each answer.

    Raises:
        Misconfigured: A change would lose messages, or the server refuses it.
        Unavailable: No answer.
    """
    changes = await Streams(client, declared, timeout=answer_within).apply()
    created = {change.name for change in changes if change.action == "created"}
    [consumer] = declared.consumers.values()
    if {consumer.stream, STATE_BUCKET} <= created:
        await KvState(JetStream(client, answer_within), events=consumer.stream).accept()
    return changes
