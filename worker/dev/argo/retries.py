"""`retryStrategy`: whether a failed attempt is repeated, and when."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.dev.argo.durations import seconds
from worker.dev.argo.expression import evaluate, parse
from worker.dev.argo.expression_tag import nested

if TYPE_CHECKING:
    from worker.dev.argo.handover import Ended
    from worker.dev.argo.nodes import Json

_FAILED_EXIT = "64"
_POLICY = {"Failed": "OnFailure", "Error": "OnError"}
#: Nobody wants to watch a back-off in a simulation: pauses are shorter by this.
_HASTE = 100


@dataclass(frozen=True, slots=True)
class Retries:
    """A retry strategy.

    Attributes:
        limit: retries after the first attempt; None for any number.
        policy: which ends are repeated: OnFailure, OnError or Always.
    """

    limit: int | None
    policy: str
    expression: str
    backoff: Json

    @classmethod
    def of(cls, strategy: Json) -> Retries:
        """Read a processed template's strategy."""
        expression = strategy.get("expression", "")
        policy = strategy.get("retryPolicy") or ("Always" if expression else "OnFailure")
        limit = int(strategy["limit"]) if "limit" in strategy else None
        return cls(limit, policy, expression, strategy.get("backoff") or {})

    def refusal(self, last: Ended, attempts: int) -> str | None:
        """Return why a failed attempt is not repeated (the node's message), or None when it is."""
        if self.policy not in {"Always", _POLICY[last.phase]}:
            return last.message
        if self.limit is not None and attempts > self.limit:
            return "No more retries left"
        if self.expression:
            known = {**attempt_scope(attempts, last), "lastRetry.exitCode": _FAILED_EXIT}
            if evaluate(parse(self.expression), nested(known)) is not True:
                return "retryStrategy.expression evaluated to false"
        return None

    def pause(self, attempts: int) -> float:
        """Return the seconds before the next attempt."""
        if "duration" not in self.backoff:
            return 0.0
        pause = seconds(self.backoff["duration"]) * float(self.backoff.get("factor") or 1) ** (attempts - 1)
        pause = min(pause, seconds(self.backoff["cap"])) if "cap" in self.backoff else pause
        return pause / _HASTE * random.uniform(0.9, 1.0)  # noqa: S311 - jitter


def attempt_scope(attempts: int, last: Ended) -> dict[str, str | None]:
    """Return the variables of an attempt: how many there were, and how the last one ended."""
    return {
        "retries": str(attempts),
        "lastRetry.exitCode": _FAILED_EXIT if attempts else "0",
        "lastRetry.duration": "0",
        "lastRetry.status": last.phase,
        "lastRetry.message": last.message,
    }
