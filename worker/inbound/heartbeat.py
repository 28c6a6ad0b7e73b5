"""Keeps what is in hand from being delivered to somebody else while it is worked on.

One task beats for all messages: a task per message would cost more than the messages that are handled at once, which
is nearly all.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import nats.errors

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from worker.inbound.held import Held

_log = logging.getLogger(__name__)
#: Beats per ack_wait: two may get lost before the server hands the message to another worker.
_PER_ACK_WAIT = 3
#: Looks per beat, so that a beat is at most a quarter late.
_LOOKS = 4


class Heartbeat:
    """Sends ``in_progress`` for each held message every third of ``ack_wait``.

    Attributes:
        ack_wait: The consumer's setting in seconds; the subscriber updates it when it binds.
    """

    def __init__(
        self,
        held: Callable[[], Collection[Held]],
        *,
        ack_wait: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Beat for what ``held`` returns at the time of each look."""
        self._held = held
        self._clock = clock
        self.ack_wait = ack_wait

    @property
    def interval(self) -> float:
        """Seconds between two beats of one message."""
        return self.ack_wait / _PER_ACK_WAIT

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            await asyncio.sleep(self.interval / _LOOKS)
            await self.beat()

    async def beat(self) -> int:
        """Send what is due now and return how many were sent."""
        due = self._clock() - self.interval
        sent = 0
        for held in [held for held in self._held() if held.beat <= due]:
            try:
                await held.in_progress(self._clock())
            except nats.errors.Error as error:
                # Disconnected: nothing can be kept until the connection is back, and then each message is due at once.
                _log.debug("no heartbeat for %s: %s", held.message.delivery.key, error)
                return sent
            sent += 1
        return sent
