"""Faults on demand: refuse, delay or drop the next matching requests.

Each named refusal is worded as the real server words it: the shared API suite provokes the same one on a real cluster
and compares. ``drop`` after the commit is the case that an exactly-once worker is built for.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from worker.dev.kubernetes import status
from worker.dev.kubernetes.authorization import not_permitted
from worker.dev.kubernetes.status import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.dev.kubernetes.call import Call
    from worker.dev.kubernetes.objects import JsonObject


class ConnectionDropped(Exception):
    """The server closes the connection without an answer."""


def _quota(call: Call) -> ApiError:
    what = f"count/{call.resource.qualified}"
    return status.forbidden(
        call.resource, call.name, f"exceeded quota: quota, requested: {what}=1, used: {what}=1, limited: {what}=1"
    )


def _policy(call: Call) -> ApiError:
    why = "ValidatingAdmissionPolicy 'policy' with binding 'policy' denied request: refused by policy"
    return status.forbidden(call.resource, call.name, why)


def _rbac(call: Call) -> ApiError:
    return not_permitted(call)


REFUSALS: dict[str, Callable[[Call], ApiError]] = {
    "quota": _quota,
    "policy": _policy,
    "rbac": _rbac,
    "too-many-requests": lambda _: status.too_many_requests(),
    "unauthorized": lambda _: status.unauthorized(),
    "conflict": lambda call: status.conflict(call.resource, call.name),
    "storage": lambda _: status.storage_refused(),
    "body-too-large": lambda _: status.body_too_large(),
    "internal": lambda _: ApiError(500, "InternalError", "Internal error occurred: injected"),
    "unavailable": lambda _: ApiError(
        503, "ServiceUnavailable", "the server is currently unable to handle the request"
    ),
    "timeout": lambda _: ApiError(504, "Timeout", "Timeout: request did not complete within the allotted timeout"),
    "expired": lambda _: status.expired("The resourceVersion for the provided list is too old."),
}
"""Named refusals by kind."""


@dataclass(slots=True)
class Rule:
    """One fault: which calls it meets, and what happens to them.

    Attributes:
        match: attribute → regular expression that the whole value must match; of ``verb``, ``resource``
            (``workflows.argoproj.io``), ``namespace``, ``name``, ``subresource``, ``user``.
        times: how many matching calls it meets; None for all.
        skip: how many matching calls pass before the first one is met.
        delay: seconds to wait before the call is carried out.
        refuse: name of a refusal of ``REFUSALS``.
        answer: a literal answer: ``code``, ``reason``, ``message``, ``details``, ``headers``, ``text``.
        drop: close the connection without an answer, ``before`` the call is carried out or ``after`` it is committed.
        met: how many calls it has met.
    """

    match: dict[str, str] = field(default_factory=dict)
    times: int | None = 1
    skip: int = 0
    delay: float = 0.0
    refuse: str = ""
    answer: JsonObject | None = None
    drop: Literal["", "before", "after"] = ""
    met: int = 0
    id: int = 0

    def __post_init__(self) -> None:
        if self.refuse and self.refuse not in REFUSALS:
            raise ValueError(f"refuse: {self.refuse!r} is none of {', '.join(sorted(REFUSALS))}")
        if self.drop not in {"", "before", "after"}:
            raise ValueError(f"drop: {self.drop!r} is neither 'before' nor 'after'")
        unknown = self.match.keys() - {"verb", "resource", "namespace", "name", "subresource", "user"}
        if unknown:
            raise ValueError(f"match: unknown attribute {', '.join(sorted(unknown))}")

    @property
    def spent(self) -> bool:
        """Whether it meets no more calls."""
        return self.times is not None and self.met >= self.times

    def meets(self, call: Call) -> bool:
        """Tell whether this rule applies to a call; counts it, so ask once per call."""
        found = {
            "verb": call.verb,
            "resource": call.resource.qualified,
            "namespace": call.namespace or "",
            "name": call.name,
            "subresource": call.subresource,
            "user": call.identity.user,
        }
        if self.spent or not all(re.fullmatch(pattern, found[name]) for name, pattern in self.match.items()):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.met += 1
        return True

    def refusal(self, call: Call) -> ApiError | None:
        """Return the answer that this rule gives instead of carrying the call out, if any."""
        if self.refuse:
            return REFUSALS[self.refuse](call)
        if self.answer is None:
            return None
        return ApiError(
            int(self.answer["code"]),
            self.answer.get("reason", ""),
            self.answer.get("message", ""),
            details=self.answer.get("details"),
            headers=self.answer.get("headers"),
            text=self.answer.get("text"),
        )


class Faults:
    """The fault rules in force, programmable as an object and through the admin port."""

    def __init__(self) -> None:
        """Start without faults."""
        self._rules: list[Rule] = []
        self._made = 0
        self.latency = 0.0
        """Seconds added to every call."""

    def add(self, rule: Rule) -> Rule:
        """Put a rule in force; earlier rules are asked first."""
        self._made += 1
        rule.id = self._made
        self._rules.append(rule)
        return rule

    def inject(self, **attributes: Any) -> Rule:
        """Put ``Rule(**attributes)`` in force and return it."""
        return self.add(Rule(**attributes))

    def remove(self, rule_id: int) -> bool:
        """Take a rule out of force; False when there is none of that id."""
        before = len(self._rules)
        self._rules = [rule for rule in self._rules if rule.id != rule_id]
        return len(self._rules) < before

    def clear(self) -> None:
        """Take all rules out of force."""
        self._rules.clear()
        self.latency = 0.0

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in force, spent ones included, with how many calls each has met."""
        return tuple(self._rules)

    async def before(self, call: Call) -> Rule | None:
        """Meet a call before it is carried out.

        Returns:
            The rule that the call met, to be passed to ``after``.

        Raises:
            ApiError: the rule answers in place of the server.
            ConnectionDropped: the rule drops the connection now.
        """
        if self.latency:
            await asyncio.sleep(self.latency)
        rule = next((rule for rule in self._rules if rule.meets(call)), None) if self._rules else None
        if rule is None:
            return None
        if rule.delay:
            await asyncio.sleep(rule.delay)
        refusal = rule.refusal(call)
        if refusal is not None:
            raise refusal
        if rule.drop == "before":
            raise ConnectionDropped
        return rule

    @staticmethod
    def after(rule: Rule | None) -> None:
        """Meet a call after it is carried out.

        Raises:
            ConnectionDropped: the answer is lost, the write is not.
        """
        if rule is not None and rule.drop == "after":
            raise ConnectionDropped
