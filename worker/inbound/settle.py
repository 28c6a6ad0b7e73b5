"""Performs a verdict towards the server. What is worth repeating is repeated here; what fails is left to redelivery.

Acks and terms are confirmed (double ack): a lost ack would bring a finished event back after ``ack_wait``, which is
harmless but costs a reader of the ledger a second look.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

import nats.errors

from worker.inbound.verdict import Ack, Nak, Term

if TYPE_CHECKING:
    from worker.inbound.held import Held

_log = logging.getLogger(__name__)


class SettleMetrics(Protocol):
    """What settling counts."""

    def settled(self, kind: str) -> None:
        """Count one settlement: ``ack``, ``nak``, ``term`` or ``unconfirmed``."""


class Settler:
    """Tells the server what becomes of a message."""

    def __init__(self, metrics: SettleMetrics, *, timeout: float = 5.0, tries: int = 2) -> None:
        """Wait ``timeout`` seconds for a confirmation, in each of ``tries``."""
        self._metrics = metrics
        self._timeout = timeout
        self._tries = tries

    async def settle(self, held: Held, verdict: Ack | Term | Nak) -> bool:
        """Perform ``verdict``; ``False`` if the server did not confirm it, so that the message will come again."""
        if not held.answerable:
            self._metrics.settled("orphaned")
            return False
        for last in [False] * (self._tries - 1) + [True]:
            try:
                kind = await self._tell(held, verdict)
            except nats.errors.Error as error:
                if last:
                    self._metrics.settled("unconfirmed")
                    _log.warning("%s of %s not confirmed: %s", type(verdict).__name__, held.message.delivery.key, error)
            else:
                self._metrics.settled(kind)
                return True
        return False

    async def _tell(self, held: Held, verdict: Ack | Term | Nak) -> str:
        match verdict:
            case Ack():
                await held.ack(self._timeout)
                return "ack"
            case Term(reason):
                await held.term(reason, self._timeout)
                return "term"
            case Nak(delay=delay):
                await held.nak(delay)
                return "nak"
