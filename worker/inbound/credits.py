"""How many messages may still be asked for: pure accounting, no I/O.

A pull consumer sends what was asked for and not one message more, so the number of free slots is the only
back-pressure there is. Asking for too few leaves slots idle; asking for too many leaves messages waiting here while
their ack timer runs. Every number below is checked against a model of the server in
``tests/unit/inbound/test_credits.py``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _Request:
    granted: int
    ends_at: float


class Credits:
    """Accounts for one consumer's slots: in hand, asked for, free.

    Attributes:
        limit: Slots in all, at least 1.
        in_hand: Messages received and not yet released.
        outstanding: Messages asked for and neither received nor given back.
    """

    def __init__(self, limit: int, *, lifetime: float) -> None:
        """Start with every slot free.

        Args:
            limit: Slots in all, at least 1.
            lifetime: Seconds after which a request that was never heard of again counts as gone; longer than the
                server keeps it.

        Raises:
            ValueError: ``limit`` is below 1.
        """
        if limit < 1:
            raise ValueError(f"limit is {limit}: at least one message must be allowed in hand")
        self.limit = limit
        self.in_hand = 0
        self.outstanding = 0
        self._lifetime = lifetime
        self._low = max(1, limit // 4)
        self._requests: dict[int, _Request] = {}
        self._last = 0

    @property
    def free(self) -> int:
        """Slots for which nothing was asked yet; never negative."""
        return max(0, self.limit - self.in_hand - self.outstanding)

    def wanted(self) -> int:
        """Return how many to ask for now; 0 waits until a quarter of the slots is free, so that requests stay few."""
        free = self.free
        if free >= self._low or (free and not self.outstanding):
            return free
        return 0

    def request(self, count: int, now: float) -> int:
        """Book a request for ``count`` messages and return its number, by which the server's status answers name it."""
        self._last += 1
        self._requests[self._last] = _Request(count, now + self._lifetime)
        self.outstanding += count
        return self._last

    def received(self) -> None:
        """Book a message that arrived; which request it answers is not on the wire."""
        self.in_hand += 1
        self.outstanding = max(0, self.outstanding - 1)

    def released(self) -> None:
        """Book a message that is no longer in hand."""
        self.in_hand = max(0, self.in_hand - 1)

    def ended(self, number: int, pending: int | None) -> None:
        """Book the end of a request.

        Args:
            number: The request; unknown numbers (of an earlier connection) are ignored.
            pending: Messages it asked for and did not get (header ``Nats-Pending-Messages``); ``None`` means it was
                refused whole.
        """
        request = self._requests.pop(number, None)
        if request is None:
            return
        self._give_back(request.granted if pending is None else pending)

    def expire(self, now: float) -> None:
        """Forget requests past their lifetime: answered in full (the server does not say so) or lost."""
        for number in [number for number, request in self._requests.items() if request.ends_at <= now]:
            del self._requests[number]
        if not self._requests:
            self.outstanding = 0

    def reset(self) -> None:
        """Forget every request: the server, or the subscription they would be answered on, is a new one."""
        self._requests.clear()
        self.outstanding = 0

    def _give_back(self, count: int) -> None:
        self.outstanding = 0 if not self._requests else max(0, self.outstanding - count)
