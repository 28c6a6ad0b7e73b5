"""The accounting against a model of the server: never too many in hand, never a slot that waits for nothing."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from worker.inbound.credits import Credits

LIFETIME = 35.0


class CreditsAgainstServer(RuleBasedStateMachine):
    """The server keeps what each request may still get; messages, ends and losses come in any order."""

    @initialize(limit=st.integers(1, 40))
    def start(self, limit: int) -> None:
        self.limit = limit
        self.credits = Credits(limit, lifetime=LIFETIME)
        self.now = 0.0
        self.server: dict[int, int] = {}
        self.ends: dict[int, float] = {}
        self.in_hand = 0

    @rule()
    def ask(self) -> None:
        count = self.credits.wanted()
        if count:
            number = self.credits.request(count, self.now)
            self.server[number] = count
            self.ends[number] = self.now + 30.0

    @precondition(lambda self: any(self.server.values()))
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from([n for n, left in self.server.items() if left]))
        self.server[number] -= 1
        if not self.server[number]:
            del self.server[number]  # answered in full: the server says nothing more about it
        self.in_hand += 1
        self.credits.received()

    @precondition(lambda self: self.in_hand)
    @rule()
    def release(self) -> None:
        self.in_hand -= 1
        self.credits.released()

    @precondition(lambda self: self.server)
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.server)))
        self.credits.ended(number, self.server.pop(number))

    @rule(seconds=st.floats(0.1, 40.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for number in [n for n in self.server if self.ends[n] <= self.now]:
            self.credits.ended(number, self.server.pop(number))
        self.credits.expire(self.now)

    @rule()
    def reconnect(self) -> None:
        self.server.clear()
        self.credits.reset()

    @invariant()
    def never_more_than_the_limit(self) -> None:
        if hasattr(self, "credits"):
            assert self.in_hand + sum(self.server.values()) <= self.limit
            assert self.credits.in_hand == self.in_hand

    @invariant()
    def exact(self) -> None:
        if hasattr(self, "credits"):
            assert self.credits.outstanding == sum(self.server.values())

    @invariant()
    def never_idle_with_free_slots(self) -> None:
        if hasattr(self, "credits") and self.in_hand < self.limit and not self.server:
            assert self.credits.wanted() > 0


TestCreditsAgainstServer = CreditsAgainstServer.TestCase
TestCreditsAgainstServer.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


def test_a_quarter_must_be_free_before_more_is_asked_for() -> None:
    account = Credits(32, lifetime=LIFETIME)
    assert account.wanted() == 32
    account.request(32, 0.0)
    for _ in range(7):
        account.received()
        account.released()
    assert account.wanted() == 0
    account.received()
    account.released()
    assert account.wanted() == 8


def test_a_refusal_without_a_count_gives_everything_back() -> None:
    account = Credits(8, lifetime=LIFETIME)
    number = account.request(8, 0.0)
    account.ended(number, None)
    assert account.wanted() == 8


def test_an_answer_about_a_request_of_an_earlier_connection_changes_nothing() -> None:
    account = Credits(8, lifetime=LIFETIME)
    old = account.request(8, 0.0)
    account.reset()
    account.request(8, 1.0)
    account.ended(old, 8)
    assert account.outstanding == 8


def test_credits_that_were_lost_come_back_after_the_requests_lifetime() -> None:
    account = Credits(8, lifetime=LIFETIME)
    account.request(8, 0.0)
    account.expire(LIFETIME - 1)
    assert account.wanted() == 0
    account.expire(LIFETIME)
    assert account.wanted() == 8


def test_no_slots_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="limit is 0"):
        Credits(0, lifetime=LIFETIME)
