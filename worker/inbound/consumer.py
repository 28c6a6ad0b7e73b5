"""One message from arrival to settlement: the loop around the handler.

It never raises for what a handler does: whatever comes out of it, a stray ``CancelledError`` included, becomes a
verdict. Only a real cancellation of its own task (shutdown after the grace) passes through, and then the caller
gives the message back.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
import traceback
from typing import TYPE_CHECKING, Protocol

from contracts.violations import ContractViolation
from worker.errors import Deferred, LostRace, NewerRecord, Rejected, Unavailable
from worker.inbound.deferrals import Deferrals
from worker.inbound.settle import SettleMetrics
from worker.inbound.turnstile import Turnstile
from worker.inbound.verdict import (
    DeadLetter,
    Facts,
    Final,
    Hold,
    Limits,
    Nak,
    judge_arrival,
    judge_error,
    judge_outcome,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.domain.events import Delivery
    from worker.errors import Rejected
    from worker.inbound.held import Held
    from worker.inbound.settle import Settler
    from worker.inbound.verdict import Verdict
    from worker.ports import Handler, Outcome

_log = logging.getLogger(__name__)
_dice = random.SystemRandom().random
#: A dead letter that cannot be stored, for another reason than a missing system, is tried again after so many seconds.
_UNSTORABLE = 30.0
#: Errors that have a verdict of their own; anything else, a bare ``WorkerError`` too, is a defect and counted.
_EXPECTED = (Rejected, Unavailable, Deferred, NewerRecord, ContractViolation)
#: ``platform.<kind>.<namespace>.<name>``
_NAMESPACE_TOKEN = 2


class Admission(Protocol):
    """The breakers as the inbound side sees them."""

    @property
    def open(self) -> bool:
        """Whether messages may be taken in now."""

    async def wait(self) -> None:
        """Return when messages may be taken in."""


class Tries(Protocol):
    """Counts unexpected exceptions per message across deliveries and workers."""

    async def add(self, delivery: Delivery) -> int:
        """Count one more and return how many there are now. Raises ``Unavailable``."""


class InboundMetrics(SettleMetrics, Protocol):
    """What handling and settling count."""

    def retried(self, reason: str) -> None:
        """Count one call of the handler that has to be repeated, by the class of its error."""


class Consumer:
    """Calls the handler for each message and settles it.

    Attributes:
        turnstile: Closed while a suspect is handled alone.
        deferrals: Messages that wait, by namespace.
        unready: Why this worker should get no traffic although its connection is fine; ``""`` normally.
    """

    def __init__(
        self,
        handler: Handler,
        settler: Settler,
        *,
        admission: Admission,
        tries: Tries,
        metrics: InboundMetrics,
        limits: Limits | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._handler = handler
        self._settler = settler
        self._admission = admission
        self._tries = tries
        self._metrics = metrics
        self._limits = limits or Limits()
        self._now = wall_clock
        self.deferrals = Deferrals()
        self.turnstile = Turnstile()
        self.unready = ""

    async def consume(self, held: Held) -> None:
        """Handle one message to its settlement."""
        alone = held.message.delivery.delivered > self._limits.alone_after
        await self.turnstile.enter(alone=alone)
        try:
            verdict = await self._conclude(held)
            if isinstance(verdict, Nak):
                self.unready = verdict.unready or self.unready
            await self._settler.settle(held, verdict)
        finally:
            self.turnstile.leave(alone=alone)

    async def _conclude(self, held: Held) -> Final:
        """Call the handler until a verdict lets go of the message."""
        arrival = judge_arrival(held.message.delivery.delivered, self._limits)
        rejection = arrival.error if arrival else None
        attempts = 0
        while True:
            attempts += 1
            held.idle = False
            result = await self._call(held, rejection)
            verdict = await self._judge(held, result, attempts)
            match verdict:
                case Hold(delay=delay):
                    self._metrics.retried(type(result).__name__)
                    held.idle = True
                    await asyncio.sleep(delay)
                    await self._admission.wait()
                case DeadLetter() | Nak() if rejection is not None:
                    _log.error("cannot dead-letter %s: %s", held.message.delivery.key, type(result).__name__)
                    return Nak(_UNSTORABLE, "unstorable")
                case DeadLetter(error):
                    rejection = error
                case _:
                    return verdict

    async def _call(self, held: Held, rejection: Rejected | None) -> Outcome | BaseException:
        """Call the handler, or its ``reject``; return what it returns or raises."""
        try:
            if rejection is not None:
                return await self._handler.reject(held.message, rejection)
            return await self._handler.handle(held.message)
        except BaseException as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return error

    async def _judge(self, held: Held, result: Outcome | BaseException, attempts: int) -> Verdict:
        """Gather the facts that the verdict needs, and note who waits."""
        if not isinstance(result, BaseException):
            if held.message.delivery.delivered > 1:
                self._forget(held)
            return judge_outcome(result)
        tries = 0
        if not isinstance(result, _EXPECTED):
            _log.error("handling %s failed: %s", held.message.delivery.key, _without_values(result))
            try:
                tries = await self._tries.add(held.message.delivery)
            except Unavailable as away:
                result = away
        verdict = judge_error(result, self._facts(held, attempts, tries), self._limits)
        if isinstance(verdict, Nak):
            self._metrics.retried(type(result).__name__)
        if isinstance(verdict, Nak) and isinstance(result, Deferred) and not isinstance(result, LostRace):
            self.deferrals.add(_namespace(held), held.message.delivery.key, self._now() + verdict.delay)
        else:
            self._forget(held)
        return verdict

    def _facts(self, held: Held, attempts: int = 1, tries: int = 0) -> Facts:
        delivery = held.message.delivery
        now = self._now()
        return Facts(
            delivered=delivery.delivered,
            age=max(0.0, now - delivery.timestamp),
            attempts=attempts,
            tries=tries,
            namespace_full=self.deferrals.full(_namespace(held), delivery.key, now),
            dice=_dice(),
        )

    def _forget(self, held: Held) -> None:
        self.deferrals.remove(_namespace(held), held.message.delivery.key)


def _namespace(held: Held) -> str:
    tokens = held.message.subject.split(".")
    return tokens[_NAMESPACE_TOKEN] if len(tokens) > _NAMESPACE_TOKEN else ""


def _without_values(error: BaseException) -> str:
    """Describe where an exception came from without its text, which may quote a payload and so a secret."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return type(error).__name__ + " at " + " > ".join(f"{frame.name}:{frame.lineno}" for frame in frames)
