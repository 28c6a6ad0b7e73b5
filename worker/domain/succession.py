"""How a record passes from one event to the next: order, owner, tombstones, the current run, what is remembered.

Everything here only says what is to be written; the corridor writes it by compare-and-set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from worker.domain.events import Event, EventKind, Order, Settings
from worker.domain.model import Problem
from worker.domain.record import (
    TOMBSTONE_SECONDS,
    Cause,
    Disposition,
    Owner,
    PastDisposition,
    Phase,
    Record,
    Run,
    StaleRun,
    Tombstone,
)


def cause_of(event: Event) -> Cause:
    """Return how statuses and runs name ``event``."""
    return Cause(event.id, event.source, event.key, event.delivery.key)


def order_after(record: Record, event: Event) -> Order:
    """Return the record's place after ``event``; a retry brings no new desired state, so takes no new place."""
    if event.kind is EventKind.RETRY and record.order is not None:
        return record.order
    return event.order


def next_attempt(record: Record, order: Order) -> int:
    """Return the number of the next run for ``order``, from 1; after a run that did not succeed it goes on counting."""
    run = record.run
    if run is None:
        return 1
    if run.order == order or run.phase is not Phase.SUCCEEDED:
        return run.attempt + 1
    return 1


def advance(record: Record, event: Event) -> Record:
    """Return the record after ``event`` took its place, whatever becomes of it: order and tombstones."""
    if event.kind is EventKind.RETRY:
        return record
    tombstones = tuple(s for s in record.tombstones if event.delivery.timestamp - s.at < TOMBSTONE_SECONDS)
    before = record.order
    if before is not None and before.uid and before.uid != event.order.uid and (event.order.uid or before.deleted):
        tombstones = (*tombstones, Tombstone(before.uid, event.delivery.timestamp))
    return replace(record, order=event.order, tombstones=tombstones)


def accept(record: Record, event: Event, settings: Settings) -> Record:
    """Return the record after ``event``'s desired state became the newest: its owner and settings hold from now on."""
    if event.kind is EventKind.RETRY:
        return record
    ends = event.kind is EventKind.DELETED or (event.kind is EventKind.REMOVAL and not event.only)
    owner = None if ends else Owner(event.owner, event.order.uid, event.source)
    return replace(advance(record, event), owner=owner, settings=settings)


def retire_run(record: Record) -> Record:
    """Return the record without a current run; one that has not been seen to end is remembered as stale.

    A run that was confirmed was accepted: that is remembered, so that a late redelivery of its event says the same.
    """
    run = record.run
    if run is None:
        return record
    if run.phase not in {Phase.INTENDED, Phase.SUPERSEDED} and record.past(run.cause.delivery) is None:
        record = record.remembering(PastDisposition(run.cause.delivery, Disposition.ACCEPTED, run.name))
    if run.phase.finished:
        return record
    # An intent that was never confirmed was never accepted: its own redelivery tells that it was superseded.
    confirmed = run.phase is not Phase.INTENDED
    stale = StaleRun.of(run) if confirmed else StaleRun(run.name, run.cause.delivery, run.attempt, run.order)
    superseded = replace(run, phase=Phase.SUPERSEDED, tasks=())
    return replace(record, run=superseded, stale_runs=(*record.stale_runs, stale))


def confirm(record: Record, run: Run) -> Record | None:
    """Return the record that makes ``run`` the one that may start, or ``None`` if a newer one has taken its place."""
    current = record.run
    if current is None or current.name != run.name or current.phase is Phase.SUPERSEDED:
        return None
    past = record.past(run.cause.delivery)
    if past is not None and past.disposition is not Disposition.ACCEPTED:
        return None
    phase = Phase.CONFIRMED if current.phase is Phase.INTENDED else current.phase
    accepted = PastDisposition(run.cause.delivery, Disposition.ACCEPTED, run.name)
    return replace(record, run=replace(current, phase=phase)).remembering(accepted)


def without_stale_runs(record: Record, stopped: Sequence[str]) -> Record:
    """Return the record without those stopped runs whose end nobody is owed; the observer tells the others' end."""
    return replace(
        record, stale_runs=tuple(r for r in record.stale_runs if r.name not in stopped or r.cause is not None)
    )


def abandon(record: Record, delivery: str, problem: Problem) -> Record:
    """Return the record after the delivery was dead-lettered: its disposition is known, an intent of it is given up."""
    past = PastDisposition(delivery, Disposition.REJECTED, problems=(problem,))
    run = record.run
    if run is not None and run.cause.delivery == delivery and run.phase is Phase.INTENDED:
        given_up = replace(run, phase=Phase.FAILED, message=problem.message, tasks=())
        stale = StaleRun(run.name, delivery, run.attempt, run.order)
        record = replace(record, run=given_up, stale_runs=(*record.stale_runs, stale))
    return record.remembering(past)
