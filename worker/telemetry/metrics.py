"""Every metric of the worker, by name, unit and label. Labels have few values: an application or event id is never one.

A registry of its own, so that two workers in one process (as in tests) do not share numbers.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from worker.domain.classify import TYPES
from worker.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from worker.domain.events import Event

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = "platform_worker"
#: From one round trip to a Workflow that waits for quota.
_CREATED_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
#: From a claim that exists to a database cluster that is built.
_READY_BUCKETS = (1, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600)
#: Words that come from errors and answers are cut off at so many different ones.
_MOST_WORDS = 64
_OTHER = "other"


class Metrics:
    """Counts and times what happens; implements the meters of the pipeline, the inbound side and the observer."""

    def __init__(self, *, instance: str = "default", version: str = "", process: bool = True) -> None:
        """Make all metrics at zero.

        Args:
            instance: Identity of the installation, told by ``build_info``.
            version: Of the worker.
            process: Also tell memory, CPU and file descriptors of this process.
        """
        self.registry = CollectorRegistry()
        if process:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)
            GCCollector(registry=self.registry)
        self._words: dict[str, set[str]] = {}
        self._dispositions = self._counter("events", "Events by what became of them.", "disposition")
        self._settles = self._counter("settlements", "Answers to the broker about a message.", "kind")
        self._retries = self._counter("retries", "Calls that had to be repeated, by error.", "reason")
        self._dead_letters = self._counter("dead_letters", "Events in the DLQ, by error.", "error_class")
        self._requests = self._counter("kubernetes_requests", "Kubernetes API answers by meaning.", "verdict")
        self._runs_ended = self._counter("runs_ended", "Runs by how they ended.", "phase")
        self._runs_stopped = self._counter("runs_stopped", "Runs that were stopped as superseded or stray.")
        self._runs_started = self._counter("runs_started_late", "Suspended runs that the observer started.")
        self._unreadable = self._counter("workflows_unreadable", "Workflows that the observer could not handle.")
        self._created = Histogram(
            f"{_PREFIX}_event_to_created_seconds",
            "From the event's arrival in the stream to its started Workflow.",
            ["pattern"],
            buckets=_CREATED_BUCKETS,
            registry=self.registry,
        )
        self._ready = Histogram(
            f"{_PREFIX}_event_to_ready_seconds",
            "From the event's arrival in the stream to a provisioned component.",
            ["pattern"],
            buckets=_READY_BUCKETS,
            registry=self.registry,
        )
        self._breakers = Gauge(f"{_PREFIX}_breaker_open", "1 while waiting.", ["system"], registry=self.registry)
        self._observing = Gauge(f"{_PREFIX}_observing", "1 while this process observes.", registry=self.registry)
        build = Gauge(f"{_PREFIX}_build_info", "Always 1.", ["version", "instance"], registry=self.registry)
        build.labels(version, instance).set(1)

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def watch(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Tell ``value`` at each scrape under ``platform_worker_<name>``; the unit is the name's last word."""
        Gauge(f"{_PREFIX}_{name}", description, registry=self.registry).set_function(value)

    def about(self, event: Event) -> AbstractContextManager[None]:
        """Put the event's id, application and generation on every log line inside the block."""
        return logs.context(event=event.id, application=str(event.app), generation=event.order.number)

    def disposed(self, disposition: str) -> None:
        """Count one event that came to its end."""
        self._dispositions.labels(disposition).inc()

    def created(self, event: Event) -> None:
        """Observe the time from the event's arrival to its started Workflow, once per pattern that it has."""
        seconds = max(0.0, time.time() - event.delivery.timestamp)
        patterns = {TYPES[component.type].pattern for component in event.components if component.type in TYPES}
        for pattern in patterns:
            self._created.labels(str(int(pattern))).observe(seconds)

    def settled(self, kind: str) -> None:
        """Count one answer: ``ack``, ``nak``, ``term``, ``unconfirmed`` or ``orphaned``."""
        self._settles.labels(kind).inc()

    def retried(self, reason: str) -> None:
        """Count one call of the handler that has to be repeated."""
        self._retries.labels(self._word("retries", reason)).inc()

    def dead_lettered(self, error_class: str) -> None:
        """Count one stored dead letter."""
        self._dead_letters.labels(self._word("dead_letters", error_class)).inc()

    def requested(self, verdict: str) -> None:
        """Count one answer of the Kubernetes API."""
        self._requests.labels(self._word("requests", verdict)).inc()

    def breaker(self, system: str, state: str) -> None:
        """Note that the breaker of ``system`` changed."""
        self._breakers.labels(system).set(0 if state == "closed" else 1)

    def observing(self, active: bool) -> None:
        """Note that this process began or ceased to observe."""
        self._observing.set(1 if active else 0)

    def run_ended(self, phase: str) -> None:
        """Count one run that came to its end."""
        self._runs_ended.labels(self._word("phases", phase)).inc()

    def component_ready(self, pattern: int, seconds: float) -> None:
        """Observe a provisioned component."""
        self._ready.labels(str(pattern)).observe(max(0.0, seconds))

    def run_stopped(self) -> None:
        """Count one run that was stopped."""
        self._runs_stopped.inc()

    def run_started(self) -> None:
        """Count one suspended run that the observer started."""
        self._runs_started.inc()

    def unreadable_workflow(self) -> None:
        """Count one Workflow that could not be handled."""
        self._unreadable.inc()

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", description, labels, registry=self.registry)

    def _word(self, family: str, word: str) -> str:
        """Keep the number of a label's values finite, whatever the words come from."""
        known = self._words.setdefault(family, set())
        if word in known:
            return word
        if len(known) >= _MOST_WORDS:
            return _OTHER
        known.add(word)
        return word
