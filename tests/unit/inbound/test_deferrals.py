"""Waiting messages per namespace."""

from __future__ import annotations

from worker.inbound.deferrals import Deferrals


def test_a_namespace_may_have_its_share_waiting_and_no_more() -> None:
    deferrals = Deferrals(share=2)
    deferrals.add("a", "1", 100.0)
    assert not deferrals.full("a", "2", 0.0)
    deferrals.add("a", "2", 100.0)
    assert deferrals.full("a", "3", 0.0)
    assert not deferrals.full("b", "3", 0.0)


def test_a_message_that_waited_before_may_wait_again() -> None:
    deferrals = Deferrals(share=1)
    deferrals.add("a", "1", 100.0)
    assert not deferrals.full("a", "1", 0.0)


def test_what_is_settled_or_was_taken_by_another_worker_is_not_counted() -> None:
    deferrals = Deferrals(share=1)
    deferrals.add("a", "1", 100.0)
    assert deferrals.full("a", "2", 159.0)
    assert not deferrals.full("a", "2", 161.0)
    deferrals.add("a", "3", 200.0)
    deferrals.remove("a", "3")
    assert deferrals.count() == 0
    deferrals.remove("a", "3")
