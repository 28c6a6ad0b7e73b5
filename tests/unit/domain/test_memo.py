"""A remembered resolution is the resolution: same wish, same result; anything else is resolved anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from worker.domain.events import AppKey, Delivery, DesiredComponent, Event, EventKind, Order, Settings
from worker.domain.memo import Resolved, WishMemo
from worker.domain.orchestrator import PatternOrchestrator
from worker.domain.record import Record

APP = AppKey("team", "shop")


def an_event(size: str = "small", **changes: object) -> Event:
    components = (
        DesiredComponent("db", "postgresql", {"size": size}),
        DesiredComponent("api", "webservice", {"database": "db"}),
    )
    event = Event(
        "id", "key", "source", EventKind.CHANGED, APP, Order("i", 1), Delivery("S", "i", 1), components=components
    )
    return replace(event, **changes)  # type: ignore[arg-type]


@pytest.fixture
def orchestrator() -> PatternOrchestrator:
    return PatternOrchestrator()


def test_the_same_wish_is_resolved_to_the_same_components(orchestrator: PatternOrchestrator) -> None:
    first = orchestrator.resolve(an_event(), Record(APP), {})
    later = orchestrator.resolve(an_event(order=Order("i", 2), id="other"), Record(APP), {})
    assert later == first
    assert later.specs is not first.specs


@pytest.mark.parametrize(
    "other",
    [
        an_event("large"),
        an_event(settings=Settings(cluster="dev")),
        an_event(settings=Settings(app_container="mono")),
        an_event(settings=Settings(github_owner="me")),
        an_event(components=an_event().components[:1]),
    ],
)
def test_another_wish_is_resolved_anew(orchestrator: PatternOrchestrator, other: Event) -> None:
    before = orchestrator.resolve(an_event(), Record(APP), {})
    fresh = PatternOrchestrator().resolve(other, Record(APP), {})
    assert orchestrator.resolve(other, Record(APP), {}) == fresh != before


def test_equal_texts_that_are_different_objects_are_the_same_wish() -> None:
    memo = WishMemo()
    memo.keep(an_event("".join(["sm", "all"])), Resolved((), {}))
    assert memo.recall(an_event("".join(["s", "mall"]))) is not None


def test_what_depends_on_the_record_or_on_neighbours_is_not_kept(orchestrator: PatternOrchestrator) -> None:
    stranger = replace(an_event(), components=(DesiredComponent("x", "cron-task"),))
    orchestrator.resolve(stranger, Record(APP), {})
    external = replace(an_event(), components=(DesiredComponent("api", "webservice", {"realtime": "elsewhere"}),))
    orchestrator.resolve(external, Record(APP), {})
    assert orchestrator.resolve(external, Record(APP), {}).warnings
    assert orchestrator.resolve(stranger, Record(APP), {}).skipped


def test_the_least_recently_used_application_is_forgotten() -> None:
    memo = WishMemo(capacity=2)
    events = [an_event(app=AppKey("team", name)) for name in ("a", "b", "c")]
    memo.keep(events[0], Resolved((), {}))
    memo.keep(events[1], Resolved((), {}))
    assert memo.recall(events[0]) is not None
    memo.keep(events[2], Resolved((), {}))
    assert [memo.recall(event) is not None for event in events] == [True, False, True]
    assert len(memo) == 2
