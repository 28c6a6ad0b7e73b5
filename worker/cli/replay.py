"""Replaying dead letters: the original bytes and headers, unless that would put back what has moved on since.

An event with a generation keeps its place among the others wherever it stands in the stream. One without takes its
place from the stream, so a replay would make an old wish the newest: that is what is refused here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.names import EVENTS_STREAM, replay_message_id
from worker.domain.decode import decode
from worker.domain.events import Delivery, Event, EventKind, InboundMessage
from worker.errors import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.cli.dead_letter import DeadLetter
    from worker.domain.record import Record
    from worker.outbound.desk import Desk


@dataclass(frozen=True, slots=True)
class Replay:
    """What became of the wish to replay one dead letter.

    Attributes:
        outcome: ``replayed``, ``refused`` or ``duplicate``.
        sequence: Its new place in the event stream, 0 if it was not stored.
    """

    letter: DeadLetter
    outcome: str
    reason: str = ""
    sequence: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "sequence": self.letter.sequence,
            "application": {"namespace": self.letter.namespace, "name": self.letter.name},
            "outcome": self.outcome,
            "reason": self.reason,
            "storedAs": self.sequence or None,
        }


async def replay_all(desk: Desk, letters: Iterable[DeadLetter], *, force: bool) -> list[Replay]:
    """Replay dead letters in the order of the DLQ, which is the order in which they were given up."""
    return [await _replay(desk, letter, force=force) for letter in letters]


async def _replay(desk: Desk, letter: DeadLetter, *, force: bool) -> Replay:
    if not letter.subject:
        return Replay(letter, "refused", "it does not say which subject it came on")
    if not force:
        why = await _outdated(desk, letter)
        if why:
            return Replay(letter, "refused", f"{why}; --force sends it all the same")
    receipt = await desk.publish(
        letter.subject, letter.body, letter.original_headers(), replay_message_id(letter.sequence)
    )
    if receipt.duplicate:
        return Replay(letter, "duplicate", "it was replayed within the last two minutes already")
    return Replay(letter, "replayed", sequence=receipt.sequence)


async def _outdated(desk: Desk, letter: DeadLetter) -> str:
    """Return why replaying would put back something old, ``""`` if it would not."""
    event = _event(letter)
    if event is None:
        return ""  # it cannot be read, so nothing can come of it but the same rejection
    record = await desk.record(event.app)
    if record is None or record.order is None or event.kind is EventKind.RETRY:
        return ""
    if record.order == event.order or event.order.newer_than(record.order):
        return ""
    return f"{event.app} has moved on: {_place(record)} is recorded"


def _event(letter: DeadLetter) -> Event | None:
    """Return the event as it stood at its old place in the stream."""
    delivery = Delivery(letter.stream or EVENTS_STREAM, letter.incarnation, letter.event_sequence, time.time())
    try:
        event = decode(InboundMessage(letter.subject, letter.original_headers(), letter.body, delivery))
    except Rejected:
        return None
    return event if isinstance(event, Event) else None


def _place(record: Record) -> str:
    order = record.order
    assert order is not None  # noqa: S101 - the caller has looked
    return f"generation {order.generation}" if order.generation else f"event {order.sequence} of the stream"
