"""What becomes of a message, decided on its outcome or error alone: the only answer to "why was it retried?".

Pure, and one verdict per class:

=========================  ==================  =====================================================================
outcome                    Ack, Term           its status (and dead letter) are stored already
Rejected                   DeadLetter          permanent
Unavailable, Misconfigured Hold                a system is away: keep it in hand until the system is back
LostRace                   Hold, then Nak      look again at once; after a few tries make room for others
Deferred                   Nak, DeadLetter     this event only: paced, until the budget or its namespace's share ends
NewerRecord                Nak, unready        leave it to a newer worker
anything else              Nak, DeadLetter     a defect: a counted number of tries
=========================  ==================  =====================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.violations import ContractViolation
from worker.errors import Deferred, LostRace, NewerRecord, Rejected, Unavailable, shorten
from worker.ports import Settlement

if TYPE_CHECKING:
    from worker.ports import Outcome


@dataclass(frozen=True, slots=True)
class Ack:
    """Handled to its end; told to the server with a double ack."""


@dataclass(frozen=True, slots=True)
class Term:
    """Rejected and stored as such; ``reason`` shows in the server's advisory."""

    reason: str


@dataclass(frozen=True, slots=True)
class Nak:
    """Give it back for ``delay`` seconds; ``unready`` says why this worker should get no traffic meanwhile."""

    delay: float
    reason: str
    unready: str = ""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Store it in the DLQ, publish its rejection, and only then terminate it."""

    error: Rejected


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep it in hand by heartbeat; call the handler again after ``delay`` seconds and after the breaker closed."""

    delay: float
    reason: str


#: What lets go of a message.
Final = Ack | Term | Nak
Verdict = Final | DeadLetter | Hold


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers behind the verdicts; times in seconds.

    Attributes:
        retry_budget: Age of a message at which waiting for its namespace ends.
        unknown_tries: How often an unexpected exception may happen to one message.
        alone_after: Deliveries above which a message is handled alone.
        crash_loop: Deliveries above which a message is dead-lettered before anybody touches it.
        races_in_hand: Lost races in a row that are retried at once, before the message is given back.
    """

    retry_budget: float = 6 * 3600.0
    unknown_tries: int = 5
    alone_after: int = 20
    crash_loop: int = 50
    races_in_hand: int = 10


@dataclass(frozen=True, slots=True)
class Facts:
    """What besides the error counts.

    Attributes:
        delivered: Deliveries of this message, this one included.
        age: Seconds since the server stored the message.
        attempts: Calls of the handler in this delivery, the last one included; from 1.
        tries: Unexpected exceptions of this message over all deliveries, the last one included.
        namespace_full: As many messages of this namespace wait already as it may have waiting.
        dice: A number from 0 to 1 that spreads retries.
    """

    delivered: int
    age: float
    attempts: int = 1
    tries: int = 0
    namespace_full: bool = False
    dice: float = 0.5


_HOLD_FIRST, _HOLD_MOST = 0.1, 5.0
_RACE_FIRST, _RACE_MOST = 0.02, 1.0
_UNKNOWN_FIRST, _UNKNOWN_MOST = 1.0, 60.0
#: With a cap of half an hour, six hours take 20 deliveries: a patient message never looks like a crash loop.
_DEFER_FIRST, _DEFER_MOST = 5.0, 1800.0
_NEWER_RECORD = 30.0


_ACK = Ack()


def judge(result: Outcome | BaseException, facts: Facts, limits: Limits) -> Verdict:
    """Return what is to be done with a message after its handler returned or raised ``result``."""
    return judge_error(result, facts, limits) if isinstance(result, BaseException) else judge_outcome(result)


def judge_outcome(outcome: Outcome) -> Ack | Term:
    """Return the verdict on a message that was handled to its end."""
    return _ACK if outcome.settlement is Settlement.ACK else Term(outcome.reason)


def judge_arrival(delivered: int, limits: Limits) -> DeadLetter | None:
    """Return the verdict on a message that must not reach its handler at all, or ``None``."""
    if delivered <= limits.crash_loop:
        return None
    message = f"delivered {delivered} times without coming to an end: its handling probably kills the worker"
    fix = "look for restarts in the worker's logs, then replay it from the DLQ"
    return DeadLetter(Rejected("crash-loop", message, fix=fix))


def judge_error(error: BaseException, facts: Facts, limits: Limits) -> Verdict:
    """Return the verdict on a message whose handler raised ``error``."""
    match error:
        case Rejected():
            return DeadLetter(error)
        case ContractViolation():
            return DeadLetter(Rejected.from_violation(error))
        case Unavailable():
            pause = _spread(_HOLD_FIRST, _HOLD_MOST, facts.attempts, facts.dice)
            return Hold(max(pause, error.retry_after or 0.0), str(error))
        case LostRace() if facts.attempts <= limits.races_in_hand:
            return Hold(_spread(_RACE_FIRST, _RACE_MOST, facts.attempts, facts.dice), str(error))
        case Deferred():
            return _judge_deferred(error, facts, limits)
        case NewerRecord():
            return Nak(_NEWER_RECORD, "newer-record", unready=str(error))
        case _:
            return _judge_unknown(error, facts, limits)


def _judge_deferred(error: Deferred, facts: Facts, limits: Limits) -> Verdict:
    if facts.age >= limits.retry_budget:
        message = f"{error}; waited {facts.age / 3600:.1f} h, the budget is {limits.retry_budget / 3600:.1f} h"
        return DeadLetter(Rejected(error.reason, shorten(message), fix="remove the cause, then replay it from the DLQ"))
    if facts.namespace_full and not isinstance(error, LostRace):
        message = f"{error}; and as many events of this namespace wait already as may"
        return DeadLetter(Rejected(error.reason, shorten(message), fix="remove the cause, then replay it from the DLQ"))
    if isinstance(error, LostRace):
        return Nak(_spread(_RACE_MOST, _HOLD_MOST, facts.delivered, facts.dice), error.reason)
    pause = _spread(_DEFER_FIRST, _DEFER_MOST, facts.delivered, facts.dice)
    return Nak(max(pause, error.delay or 0.0), error.reason)


def _judge_unknown(error: BaseException, facts: Facts, limits: Limits) -> Verdict:
    if facts.tries < limits.unknown_tries:
        return Nak(_spread(_UNKNOWN_FIRST, _UNKNOWN_MOST, max(1, facts.tries), facts.dice), "unknown-error")
    # The text of a foreign exception may quote the payload, secrets included; its type cannot.
    message = f"{type(error).__name__} was raised in {facts.tries} tries: this is a defect of the worker"
    fix = "report it with the worker's log lines of this event, then replay it from the DLQ"
    return DeadLetter(Rejected("unknown-error", message, fix=fix))


def _spread(first: float, most: float, count: int, dice: float) -> float:
    """Exponential delay for the ``count``-th time, between 80 % and 120 %, in seconds."""
    # The exponent is bounded so that a huge count cannot overflow a float.
    return float(min(first * 2 ** min(count - 1, 32), most) * (0.8 + 0.4 * dice))
