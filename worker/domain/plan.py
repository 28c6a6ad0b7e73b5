"""A plan: what one event changes, component by component, before anything has been done."""

from __future__ import annotations

from dataclasses import dataclass

from worker.domain.events import AppKey
from worker.domain.model import Identity, Problem, Retained, Skipped, Task
from worker.domain.record import ComponentRecord


@dataclass(frozen=True, slots=True)
class Link:
    """``component`` of this application uses ``target`` of another one of the namespace."""

    component: str
    target_app: str
    target: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The comparison of what is wanted with what is recorded.

    Attributes:
        tasks: What a run must do, in execution order.
        unchanged: Components that are applied as wanted.
        retained: Components that are not wanted any more and stay.
        skipped: Components that are not this platform's business.
        components: The component records as they must be written before the run is created.
        links: References to other applications, which those applications' records must know.
    """

    app: AppKey
    tasks: tuple[Task, ...] = ()
    unchanged: tuple[Identity, ...] = ()
    retained: tuple[Retained, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    components: tuple[ComponentRecord, ...] = ()
    links: tuple[Link, ...] = ()
