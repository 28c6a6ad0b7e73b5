"""Names, units and labels."""

from __future__ import annotations

import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from worker.domain.events import AppKey, Delivery, DesiredComponent, Event, EventKind, Order
from worker.telemetry.metrics import Metrics


def event(age: float, *types: str) -> Event:
    return Event(
        id="e",
        key="k",
        source="s",
        kind=EventKind.CHANGED,
        app=AppKey("team", "shop"),
        order=Order("2026", 1),
        delivery=Delivery("S", "2026", 1, timestamp=time.time() - age),
        components=tuple(DesiredComponent(f"c{i}", name) for i, name in enumerate(types)),
    )


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"platform_worker_{name}", labels)


def test_an_event_is_timed_once_per_pattern() -> None:
    metrics = Metrics(process=False)
    metrics.created(event(2.0, "postgresql", "redis", "webservice", "no-such-type"))
    assert sample(metrics, "event_to_created_seconds_count", pattern="3") == 1
    assert sample(metrics, "event_to_created_seconds_count", pattern="1") == 1
    assert sample(metrics, "event_to_created_seconds_count", pattern="2") is None
    assert sample(metrics, "event_to_created_seconds_sum", pattern="3") == pytest.approx(2.0, abs=0.5)


def test_a_clock_that_goes_backwards_gives_no_negative_time() -> None:
    metrics = Metrics(process=False)
    metrics.created(event(-100.0, "redis"))
    metrics.component_ready(3, -5.0)
    assert sample(metrics, "event_to_created_seconds_sum", pattern="3") == 0
    assert sample(metrics, "event_to_ready_seconds_sum", pattern="3") == 0


def test_counters_and_gauges() -> None:
    metrics = Metrics(process=False)
    metrics.settled("ack")
    metrics.retried("Unavailable")
    metrics.dead_lettered("unknown-type")
    metrics.requested("go on")
    metrics.run_ended("failed")
    metrics.observing(active=True)
    metrics.breaker("kubernetes", "open")
    metrics.watch("in_flight_messages", "In hand.", lambda: 7)
    assert sample(metrics, "settlements_total", kind="ack") == 1
    assert sample(metrics, "dead_letters_total", error_class="unknown-type") == 1
    assert sample(metrics, "breaker_open", system="kubernetes") == 1
    metrics.breaker("kubernetes", "closed")
    assert sample(metrics, "breaker_open", system="kubernetes") == 0
    assert sample(metrics, "in_flight_messages") == 7
    assert sample(metrics, "observing") == 1


def test_words_from_outside_cannot_make_endless_series() -> None:
    metrics = Metrics(process=False)
    for n in range(1_000):
        metrics.dead_lettered(f"class-{n}")
    families = {family.name: family for family in text_string_to_metric_families(metrics.render().decode())}
    labels = {
        s.labels["error_class"] for s in families["platform_worker_dead_letters"].samples if s.name.endswith("_total")
    }
    assert len(labels) == 65
    assert sample(metrics, "dead_letters_total", error_class="other") == 936


def test_every_name_ends_in_a_unit_or_says_what_it_counts() -> None:
    metrics = Metrics(process=False)
    names = {family.name for family in text_string_to_metric_families(metrics.render().decode())}
    assert all(name.startswith("platform_worker_") for name in names)
    timed = {name for name in names if "event_to" in name}
    assert timed
    assert all(name.endswith("_seconds") for name in timed)


def test_two_workers_in_one_process_do_not_share_numbers() -> None:
    one, other = Metrics(), Metrics()
    one.settled("ack")
    assert sample(other, "settlements_total", kind="ack") is None
