"""A message in hand: its delivery facts, and the one place that talks back to the server about it.

nats-py's own ``Msg.ack_sync`` has a fixed idea of time-outs and ``Msg.term`` takes no reason, so the acknowledgement
protocol (https://docs.nats.io/reference/reference-protocols/nats_api_reference, "Acknowledging Messages") is spoken
here directly.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from worker.domain.events import Delivery, InboundMessage

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

_NANO = 1_000_000_000
#: ``$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<timestamp>.<pending>``
_SHORT = 9
#: The same with ``<domain>.<account hash>`` after the prefix; a random token may follow.
_LONG = 11
_PREFIX = "$JS.ACK."
#: A reason travels in the server's advisory; more than this helps nobody.
_MAX_REASON = 200


@dataclass(frozen=True, slots=True)
class ReplyFacts:
    """What a JetStream reply subject says about its delivery (ADR-15 of the NATS architecture)."""

    stream: str
    delivered: int
    sequence: int
    consumer_sequence: int
    timestamp: float
    pending: int


def is_delivery(reply: str) -> bool:
    """Tell a delivered message from the server's own status messages, which have no such reply."""
    return reply.startswith(_PREFIX)


def read_reply(reply: str) -> ReplyFacts:
    """Read the delivery facts out of a reply subject.

    Raises:
        ValueError: it is not the reply subject of a JetStream delivery.
    """
    tokens = reply.split(".")
    if len(tokens) == _SHORT:
        stream, _consumer, *numbers = tokens[2:]
    elif len(tokens) >= _LONG:
        stream, _consumer, *numbers = tokens[4:11]
    else:
        raise ValueError(f"{reply!r} is not the reply subject of a JetStream delivery")
    delivered, sequence, consumer_sequence, timestamp, pending = (int(number) for number in numbers)
    return ReplyFacts(stream, delivered, sequence, consumer_sequence, timestamp / _NANO, pending)


@dataclass(slots=True, eq=False)
class Held:
    """One message in hand until it is settled.

    Attributes:
        message: What the handler sees.
        client: Connection that the message came by.
        reply: Where acknowledgements go; a redelivery while in hand replaces it.
        since: Monotonic time of arrival, in seconds.
        beat: Monotonic time of the last sign of life given to the server.
        orphaned: The stream was recreated: its sequence now names another message, so nothing may be said about it.
        settled: A final answer was given.
        idle: Nobody works on it: it waits for its turn, or for a system that is away.
    """

    message: InboundMessage
    client: Client
    reply: str
    since: float
    beat: float
    orphaned: bool = field(default=False)
    settled: bool = field(default=False)
    idle: bool = field(default=True)

    @property
    def answerable(self) -> bool:
        """Whether the server may still be told something about this message."""
        return not (self.orphaned or self.settled)

    async def ack(self, within: float) -> None:
        """Acknowledge and wait until the server confirms (double ack). Raises ``nats.errors.Error`` on time-out."""
        await self._confirm(b"+ACK", within)

    async def term(self, reason: str, within: float) -> None:
        """Take the message out of the stream for good; the server's advisory shows ``reason``. Confirmed like ack."""
        line = " ".join(reason.split())[:_MAX_REASON]
        await self._confirm(b"+TERM " + line.encode() if line else b"+TERM", within)

    async def nak(self, delay: float = 0.0) -> None:
        """Give the message back, to be delivered again after ``delay`` seconds."""
        if not self.answerable:
            return
        body = b"-NAK " + json.dumps({"delay": int(delay * _NANO)}).encode() if delay > 0 else b"-NAK"
        await self.client.publish(self.reply, body)
        self.settled = True

    async def in_progress(self, now: float) -> None:
        """Tell the server that the message is still being worked on: restarts its ack timer."""
        if self.answerable:
            self.beat = now
            await self.client.publish(self.reply, b"+WPI")

    async def _confirm(self, body: bytes, within: float) -> None:
        if not self.answerable:
            return
        await self.client.request(self.reply, body, timeout=within)
        self.settled = True


def hold(raw: Msg, client: Client, incarnation: str, now: float) -> tuple[Held, ReplyFacts]:
    """Take a delivered message in hand. Raises ``ValueError`` if it is not a JetStream delivery."""
    facts = read_reply(raw.reply)
    delivery = Delivery(
        stream=facts.stream,
        incarnation=incarnation,
        sequence=facts.sequence,
        timestamp=facts.timestamp,
        delivered=facts.delivered,
    )
    message = InboundMessage(subject=raw.subject, headers=raw.headers or {}, body=raw.data, delivery=delivery)
    return Held(message, client, raw.reply, now, now), facts
