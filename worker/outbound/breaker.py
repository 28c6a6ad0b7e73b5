"""One circuit breaker per system: while it is away, everybody waits and one call at a time asks.

Without it, each of the messages in hand would try on its own, and a system that comes back would be met by all of
them at once. A breaker opens at the first failure, because an event that waits half a second costs nothing.
"""

from __future__ import annotations

import asyncio
import random
import time
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from worker.errors import Misconfigured, Unavailable, WorkerError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_FIRST, _MOST = 0.5, 30.0
#: Whoever asks must have got an answer by then, or the next one is let through.
_PROBE_SECONDS = 30.0
#: Whoever was let through must ask by then, or the next one is let through: many messages turn out to need no call.
_TURN_SECONDS = 0.5
_dice = random.SystemRandom().random

P = ParamSpec("P")
T = TypeVar("T")


class BreakerState(StrEnum):
    """What a breaker lets through."""

    CLOSED = "closed"
    """Everything."""
    OPEN = "open"
    """Nothing."""
    HALF_OPEN = "half-open"
    """One call, to see whether the system is back."""


class Breaker:
    """The breaker of one system.

    Attributes:
        system: Name of the system, as in ``Unavailable.system``.
        reason: Why it is open, ``""`` while it is closed.
        fix: What the operator has to change before it can close, ``""`` if it may close by itself.
        epoch: How often it has opened: a call that began before tells nothing about the time after.
    """

    def __init__(
        self,
        system: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = _dice,
        on_change: Callable[[str, BreakerState], None] | None = None,
    ) -> None:
        """Make a closed breaker.

        Args:
            system: Name of the system.
            clock: Seconds that never go back.
            dice: A number from 0 to 1 per call; spreads the delays between 80 % and 120 %.
            on_change: Called with the system and the new state, for metrics and logs.
        """
        self.system = system
        self.reason = ""
        self.fix = ""
        self._clock = clock
        self._dice = dice
        self._on_change = on_change
        self._failures = 0
        self.epoch = 0
        self._retry_at = 0.0
        self._delay = 0.0
        self._closed_at = float("-inf")
        self._probe_until = 0.0
        self._asking = False
        self._changed = asyncio.Event()
        self._error: Unavailable | None = None

    @property
    def state(self) -> BreakerState:
        """What it lets through now."""
        if self._error is None:
            return BreakerState.CLOSED
        return BreakerState.HALF_OPEN if self._clock() >= self._retry_at else BreakerState.OPEN

    @property
    def admits(self) -> bool:
        """Whether one more message may be taken in."""
        return self._error is None or self._may_probe()

    async def wait(self) -> None:
        """Return when it is closed, or when the caller is the one that may ask."""
        while self._error is not None:
            if self._may_probe():
                self._probe_until = self._clock() + _TURN_SECONDS
                return
            now = self._clock()
            pause = max(self._retry_at - now, 0.0) or max(self._probe_until - now, 0.0)
            try:
                await asyncio.wait_for(self._changed.wait(), pause + 0.001)
            except TimeoutError:
                continue

    def call(self) -> _Call:
        """Wrap one call of the system: what it raises opens the breaker, any other end closes it.

        Entering it raises ``Unavailable`` at once, without a call, while the breaker is open.
        """
        return _Call(self)

    def begin(self) -> bool:
        """Let a call begin; return whether it is the one that asks.

        Raises:
            Unavailable: The breaker is open.
        """
        if self._error is None:
            return False
        if self._clock() < self._retry_at or self._asking:
            raise self._refusal(self._error)
        self._probe_until = self._clock() + _PROBE_SECONDS
        self._asking = True
        return True

    def end(self, error: BaseException | None, *, epoch: int, probing: bool) -> None:
        """Learn from the end of a call that began in ``epoch``."""
        if isinstance(error, Unavailable):
            self._fail(error, epoch)
        elif error is None or isinstance(error, WorkerError):
            self._succeed(epoch)
        else:
            # Cancelled, or a defect of ours: nothing is known of the system, and the next one may ask.
            self._probe_until = 0.0
        if probing:
            self._asking = False

    def _may_probe(self) -> bool:
        now = self._clock()
        return now >= self._retry_at and now >= self._probe_until

    def _refusal(self, error: Unavailable) -> Unavailable:
        left = max(self._retry_at - self._clock(), 0.0)
        if isinstance(error, Misconfigured):
            return Misconfigured(self.system, self.reason, fix=error.fix)
        return Unavailable(self.system, f"not asked again yet after: {self.reason}", retry_after=left)

    def _fail(self, failure: Unavailable, epoch: int) -> None:
        now = self._clock()
        if epoch != self.epoch:
            # It began before the breaker opened: the same outage, already counted.
            self._retry_at = max(self._retry_at, now + (failure.retry_after or 0.0))
            return
        # Reads may work where writes do not: closed and open again at once must not start from the shortest delay.
        relapse = self._error is not None or now - self._closed_at < 2 * self._delay
        self._failures = self._failures + 1 if relapse else 1
        exponential = min(_FIRST * 2 ** min(self._failures - 1, 16), _MOST) * (0.8 + 0.4 * self._dice())
        self._delay = max(min(exponential, _MOST), failure.retry_after or 0.0)
        self._retry_at, self._probe_until = now + self._delay, 0.0
        self.epoch += 1
        self._error, self.reason = failure, str(failure).removeprefix(f"{self.system}: ")
        self.fix = failure.fix if isinstance(failure, Misconfigured) else ""
        self._tell(BreakerState.OPEN)

    def _succeed(self, epoch: int) -> None:
        if self._error is None or epoch != self.epoch:
            return
        self._error, self.reason, self.fix = None, "", ""
        self._closed_at, self._probe_until = self._clock(), 0.0
        self._tell(BreakerState.CLOSED)

    def _tell(self, state: BreakerState) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
        if self._on_change is not None:
            self._on_change(self.system, state)


class _Call:
    """One call; a class of its own, because every call of every system goes through it."""

    __slots__ = ("_breaker", "_epoch", "_probing")

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._probing = False
        self._epoch = 0

    def __enter__(self) -> None:
        self._probing = self._breaker.begin()
        self._epoch = self._breaker.epoch

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._breaker.end(error, epoch=self._epoch, probing=self._probing)


class Breakers:
    """All breakers, as the side sees them that takes messages in (``inbound.consumer.Admission``)."""

    def __init__(self, *breakers: Breaker) -> None:
        """Let messages in while every one of ``breakers`` does."""
        self._breakers = breakers

    @property
    def open(self) -> bool:
        """Whether messages may be taken in now."""
        return all(breaker.admits for breaker in self._breakers)

    async def wait(self) -> None:
        """Return when messages may be taken in, or when the caller is the one that may ask."""
        for breaker in self._breakers:
            await breaker.wait()

    @property
    def unready(self) -> str:
        """Why this worker can do nothing now, with the way out if a person has to find it; ``""`` normally."""
        return "; ".join(
            f"{breaker.system}: {breaker.reason}{f' (fix: {breaker.fix})' if breaker.fix else ''}"
            for breaker in self._breakers
            if breaker.reason
        )


def guarded(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """Let the calls of an adapter's method go through ``self.breaker``."""

    @wraps(method)
    async def guard(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self.breaker.call():
            return await method(self, *args, **kwargs)

    return guard
