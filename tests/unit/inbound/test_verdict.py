"""One verdict per error class, and the numbers behind it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

import worker.errors
from contracts.violations import ContractViolation
from worker.errors import Deferred, LostRace, Misconfigured, NewerRecord, Rejected, Unavailable, WorkerError
from worker.inbound.verdict import Ack, DeadLetter, Facts, Hold, Limits, Nak, Term, judge, judge_arrival
from worker.ports import Outcome, Settlement

LIMITS = Limits()
#: Products of floats.
ROUNDING = 1 + 1e-9
FACTS = Facts(delivered=1, age=1.0)

#: One of each error class of the tree; the test below fails if a class is missing.
REJECTED = Rejected("unknown-type", "no", path="$.x")
EXAMPLES: dict[type[BaseException], BaseException] = {
    Rejected: REJECTED,
    Unavailable: Unavailable("kubernetes", "timeout"),
    Misconfigured: Misconfigured("kubernetes", "forbidden", fix="grant it"),
    Deferred: Deferred("quota", "exceeded quota"),
    LostRace: LostRace("app.a.b"),
    NewerRecord: NewerRecord("app.a.b", 9, 1),
}


@pytest.mark.parametrize(
    ("result", "facts", "expected"),
    [
        (Outcome(Settlement.ACK, "accepted"), FACTS, Ack()),
        (Outcome(Settlement.TERM, "unknown-type"), FACTS, Term("unknown-type")),
        (REJECTED, FACTS, DeadLetter(REJECTED)),
        (EXAMPLES[Unavailable], FACTS, Hold(0.1, "kubernetes: timeout")),
        (EXAMPLES[Unavailable], Facts(1, 1.0, attempts=4), Hold(0.8, "kubernetes: timeout")),
        (EXAMPLES[Unavailable], Facts(1, 1.0, attempts=400), Hold(5.0, "kubernetes: timeout")),
        (Unavailable("kubernetes", "429", retry_after=17.0), FACTS, Hold(17.0, "kubernetes: 429")),
        (EXAMPLES[Misconfigured], FACTS, Hold(0.1, "kubernetes: forbidden")),
        (EXAMPLES[LostRace], FACTS, Hold(0.02, str(EXAMPLES[LostRace]))),
        (EXAMPLES[LostRace], Facts(1, 1.0, attempts=10), Hold(1.0, str(EXAMPLES[LostRace]))),
        (EXAMPLES[LostRace], Facts(1, 1.0, attempts=11), Nak(1.0, "lost-race")),
        (EXAMPLES[LostRace], Facts(1, 1.0, attempts=11, namespace_full=True), Nak(1.0, "lost-race")),
        (EXAMPLES[Deferred], FACTS, Nak(5.0, "quota")),
        (EXAMPLES[Deferred], Facts(3, 60.0), Nak(20.0, "quota")),
        (EXAMPLES[Deferred], Facts(30, 60.0), Nak(1800.0, "quota")),
        (Deferred("quota", "x", delay=90.0), FACTS, Nak(90.0, "quota")),
        (EXAMPLES[NewerRecord], FACTS, Nak(30.0, "newer-record", unready=str(EXAMPLES[NewerRecord]))),
        (KeyError("x"), Facts(1, 1.0, tries=1), Nak(1.0, "unknown-error")),
        (KeyError("x"), Facts(1, 1.0, tries=4), Nak(8.0, "unknown-error")),
        (asyncio.CancelledError(), Facts(1, 1.0, tries=1), Nak(1.0, "unknown-error")),
        (SystemExit(1), Facts(1, 1.0, tries=1), Nak(1.0, "unknown-error")),
    ],
)
def test_verdicts(result: Outcome | BaseException, facts: Facts, expected: object) -> None:
    assert judge(result, facts, LIMITS) == expected


def test_every_error_class_has_an_example_and_so_a_verdict() -> None:
    def tree(cls: type[WorkerError]) -> set[type[WorkerError]]:
        return {cls}.union(*(tree(sub) for sub in cls.__subclasses__() if sub.__module__ == worker.errors.__name__))

    assert tree(WorkerError) - {WorkerError} == set(EXAMPLES)


@pytest.mark.parametrize(
    ("result", "facts", "code", "words"),
    [
        (Deferred("quota", "exceeded quota: pods"), Facts(9, 6 * 3600.0), "quota", "waited 6.0 h, the budget is 6.0 h"),
        (Deferred("quota", "exceeded"), Facts(1, 1.0, namespace_full=True), "quota", "wait already as may"),
        (LostRace("x"), Facts(9, 6 * 3600.0, attempts=11), "lost-race", "the budget"),
        (KeyError("hunter2"), Facts(5, 1.0, tries=5), "unknown-error", "KeyError was raised in 5 tries"),
        (ContractViolation("nan", "$.a", "NaN", "fix"), FACTS, "nan", "NaN"),
    ],
)
def test_what_ends_in_the_dlq_says_why_and_what_to_do(
    result: BaseException, facts: Facts, code: str, words: str
) -> None:
    verdict = judge(result, facts, LIMITS)
    assert isinstance(verdict, DeadLetter)
    assert verdict.error.code == code
    assert words in verdict.error.message
    assert verdict.error.fix
    assert "hunter2" not in str(verdict.error)


@pytest.mark.parametrize(("delivered", "dead"), [(1, False), (50, False), (51, True), (10_000, True)])
def test_a_crash_loop_is_told_on_arrival(delivered: int, dead: bool) -> None:
    verdict = judge_arrival(delivered, LIMITS)
    assert (verdict is not None) == dead
    if verdict:
        assert verdict.error.code == "crash-loop"


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(0, 1), st.sampled_from(list(EXAMPLES.values())))
def test_delays_are_bounded_whatever_the_counts(count: int, attempts: int, dice: float, error: BaseException) -> None:
    match judge(error, Facts(count, 1.0, attempts=attempts, tries=1, dice=dice), LIMITS):
        case Hold(delay=delay):
            assert 0 < delay <= 6.0 * ROUNDING
        case Nak(delay=delay):
            assert 0 < delay <= 2160.0 * ROUNDING


def test_a_patient_event_never_looks_like_a_crash_loop() -> None:
    age, delivered = 0.0, 0
    while True:
        delivered += 1
        verdict = judge(Deferred("quota", "x"), Facts(delivered, age, dice=0.0), LIMITS)
        if isinstance(verdict, DeadLetter):
            break
        assert isinstance(verdict, Nak)
        age += verdict.delay
    assert 15 < delivered < LIMITS.crash_loop
