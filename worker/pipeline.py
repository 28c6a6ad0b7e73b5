"""The corridor: what happens to one message, step by step, from its bytes to its end.

Read this first. The order of the steps is what makes delivery exactly-once in effect: whatever is about to exist is
recorded before it is made (the intent), nothing runs before the record confirms that it is still the newest, and the
broker hears of the end only after everybody else has. The process may die between any two steps: a redelivery finds the
record and goes on from there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from worker.domain import report
from worker.domain.decide import (
    Launch,
    Postpone,
    Repeat,
    Resume,
    Settle,
    Supersede,
    cause_of,
    confirm,
    decide,
    give_up,
)
from worker.domain.decode import Review, cause_of_message, decode, decode_found, decode_missing
from worker.domain.events import AppKey, Event, InboundMessage
from worker.domain.links import broken, linked, links_of
from worker.domain.model import Problem
from worker.domain.normalise import needs_neighbours
from worker.domain.orchestrator import ORCHESTRATOR
from worker.domain.plan import Plan
from worker.domain.record import Disposition, Phase, Record, Run
from worker.domain.run_result import promising
from worker.domain.status import Status
from worker.errors import Deferred, LostRace, Rejected
from worker.keyed_lock import KeyedLock
from worker.ports import (
    ApplicationReader,
    DeadLetters,
    Failpoint,
    Ledger,
    Meter,
    Outcome,
    Settlement,
    StateStore,
    Stored,
    WorkflowApi,
    WorkflowBuilder,
)
from worker.telemetry import traces

logger = logging.getLogger(__name__)

#: How often a step that somebody else's write can spoil is repeated, where repeating all steps would cost API calls.
TRIES_AT_ONCE = 4

#: Names of the places between two steps where a crash test can kill the process, in the order of the corridor.
STEPS = (
    "received",
    "loaded",
    "intended",
    "linked",
    "created",
    "confirmed",
    "others-stopped",
    "started",
    "settled",
    "dead-lettered",
    "told",
)


def no_failpoint(_step: str) -> None:
    """Do nothing, which is what every process but one under a crash test does."""


@dataclass(frozen=True, slots=True)
class Adapters:
    """The outside world, as the corridor sees it."""

    store: StateStore
    workflows: WorkflowApi
    builder: WorkflowBuilder
    ledger: Ledger
    dead_letters: DeadLetters
    applications: ApplicationReader
    meter: Meter


class Pipeline:
    """Handles messages one by one; many at a time, but those of one application after each other."""

    def __init__(self, adapters: Adapters, instance: str, failpoint: Failpoint = no_failpoint) -> None:
        self._a = adapters
        self._instance = instance
        self._step = failpoint
        self._locks: KeyedLock[AppKey] = KeyedLock()

    async def handle(self, message: InboundMessage) -> Outcome:
        """Bring one delivery to its end (see ``ports.Handler``)."""
        self._step("received")
        try:
            with traces.span("decode"):
                event = await self._understand(message)
        except Rejected as error:
            with traces.continued(""):  # what cannot be read names no trace
                return await self.reject(message, error)
        if event is None:
            return await self._nothing_meant(message)
        with traces.continued(event.traceparent, event.tracestate), self._a.meter.about(event):
            event = _within_trace(event)
            async with self._locks.hold(event.app):
                try:
                    return await self._carry_out(message, event)
                except Rejected as error:
                    return await self._reject_event(message, event, error)

    async def reject(self, message: InboundMessage, error: Rejected) -> Outcome:
        """Dead-letter a message that cannot be read or that used up its tries (see ``ports.Handler``)."""
        try:
            event = await self._understand(message)
        except Rejected:
            event = None
        if event is not None:
            async with self._locks.hold(event.app):
                return await self._reject_event(message, event, error)
        app, cause = cause_of_message(message)
        await self._a.dead_letters.publish(message, app, error)
        self._step("dead-lettered")
        await self._a.ledger.publish(report.rejected(app, cause, _problem(error)))
        self._step("told")
        self._a.meter.disposed(Disposition.REJECTED.value)
        return Outcome(Settlement.TERM, error.code)

    async def _understand(self, message: InboundMessage) -> Event | None:
        """Decode; an AdmissionReview is only a hint, so look at what it points to. ``None``: it means nothing."""
        decoded = decode(message)
        if not isinstance(decoded, Review):
            return decoded
        if decoded.hint.dry_run:
            return None
        found = await self._a.applications.get(decoded.app)
        return decode_found(found, decoded) if found is not None else decode_missing(decoded)

    async def _nothing_meant(self, message: InboundMessage) -> Outcome:
        app, cause = cause_of_message(message)
        await self._a.ledger.publish(report.ignored(app, cause, "the review was a dry run or its object is gone"))
        self._step("told")
        return self._end(Disposition.UNCHANGED)

    async def _carry_out(self, message: InboundMessage, event: Event) -> Outcome:
        stored = await self._a.store.load(event.app)
        self._step("loaded")
        neighbours = await self._neighbours(event, stored.record)
        known = {name: one.record for name, one in neighbours.items()}
        with traces.span("plan"):
            decision = decide(stored.record, event, known, self._instance)
        if isinstance(decision, Settle) and decision.relies_on and await self._hopeless(stored.record):
            decision = decide(stored.record, event, known, self._instance, hopeless=decision.relies_on)
        match decision:
            case Launch():
                return await self._launch(message, event, stored, decision)
            case Resume(run):
                with traces.span("submit"):
                    return await self._submit(message, event, stored, run, None)
            case Settle():
                return await self._settle(message, event, stored, decision)
            case Supersede():
                return await self._supersede(event, decision)
            case Repeat():
                return await self._repeat(message, event, stored.record, decision)
            case Postpone(reason, why):
                raise Deferred(reason, why)

    async def _hopeless(self, record: Record) -> bool:
        """Look whether the current run will not succeed: it may have been stopped, which the record learns later."""
        run = record.run
        return run is not None and not promising(run.tasks, await self._a.workflows.get(run.name))

    async def _neighbours(self, event: Event, record: Record) -> Mapping[str, Stored]:
        if not needs_neighbours(event, record):
            return {}
        stored = await self._a.store.neighbours(event.app.namespace)
        return {name: one for name, one in stored.items() if name != event.app.name}

    async def _launch(self, message: InboundMessage, event: Event, stored: Stored, decision: Launch) -> Outcome:
        for line in ORCHESTRATOR.narrate(decision.plan):
            logger.info(line)
        with traces.span("submit"):
            body = self._a.builder.build(
                event.app, decision.run.order.uid, decision.run, decision.record
            )  # may refuse, so before the intent
            revision = await self._a.store.save(decision.record, stored.revision)
            self._step("intended")
            intent = Stored(decision.record, revision)
            return await self._submit(message, event, intent, decision.run, decision.plan, body)

    async def _link(self, record: Record) -> None:
        """Tell the providers' applications that ours uses them, before we rely on it (see ``domain.links``)."""
        for link in links_of(record):
            there = await self._a.store.load(AppKey(record.app.namespace, link.target_app))
            known = linked(there.record, link, record.app.name)
            if known is None:
                raise _error((broken(link),))
            if known is not there.record:
                await self._a.store.save(known, there.revision)

    async def _submit(
        self,
        message: InboundMessage,
        event: Event,
        stored: Stored,
        run: Run,
        plan: Plan | None,
        body: bytes | None = None,
    ) -> Outcome:
        """Two-phase start of the run that the record intends: create suspended, confirm, stop the others, start."""
        if run.phase is Phase.INTENDED:
            await self._link(stored.record)
            self._step("linked")
            await self._create(run, body or self._a.builder.build(event.app, run.order.uid, run, stored.record))
            self._step("created")
        confirmed = await self._confirm(stored, run)
        if confirmed is None:
            return await self._overtaken(message, event, run)
        self._step("confirmed")
        for stale in confirmed.record.stale_runs:
            await self._a.workflows.stop(stale.name, run.name)
        self._step("others-stopped")
        await self._a.workflows.start(run.name)  # False: a newer run has stopped it already, or it was started before
        self._step("started")
        self._a.meter.created(event)
        current = confirmed.record.run or run
        return await self._tell(report.accepted(confirmed.record, current, plan, event), Disposition.ACCEPTED)

    async def _create(self, run: Run, body: bytes) -> None:
        for _ in range(TRIES_AT_ONCE):
            if await self._a.workflows.create(run.name, body):
                return
            existing = await self._a.workflows.get(run.name)
            if existing is None:
                continue  # it was deleted in between: the name is free again
            if existing.delivery != run.cause.delivery:
                raise Rejected(
                    "collision",
                    f"a Workflow named {run.name} exists that this event did not make",
                    fix="delete or rename it; the worker's own names carry a hash of the application and its order",
                )
            return
        raise Deferred("create-delete-race", f"Workflow {run.name} is deleted as fast as it is created")

    async def _confirm(self, stored: Stored, run: Run) -> Stored | None:
        """Write that ``run`` is created and still the newest. ``None``: a newer event has taken its place."""
        for _ in range(TRIES_AT_ONCE):
            record = confirm(stored.record, run)
            if record is None:
                return None
            if record == stored.record:
                return stored
            try:
                return Stored(record, await self._a.store.save(record, stored.revision))
            except LostRace:
                stored = await self._a.store.load(record.app)
        raise LostRace(f"record {stored.record.app}")

    async def _settle(self, message: InboundMessage, event: Event, stored: Stored, decision: Settle) -> Outcome:
        await self._a.store.save(decision.record, stored.revision)
        self._step("settled")
        for name in decision.stop:
            await self._a.workflows.stop(name, "")
        status = report.settled(decision.record, event, cause_of(event), decision.disposition, decision.plan)
        if decision.disposition is Disposition.REJECTED:
            return await self._dead_letter(message, event.app, _error(decision.problems), status)
        return await self._tell(status, decision.disposition)

    async def _overtaken(self, message: InboundMessage, event: Event, run: Run) -> Outcome:
        """Our run is not the current one any more: end as the record says, which another delivery may have accepted."""
        await self._a.workflows.stop(run.name, "")
        record = (await self._a.store.load(event.app)).record
        match decide(record, event, {}, self._instance):
            case Repeat() as decision:
                return await self._repeat(message, event, record, decision)
            case Supersede() as decision:
                return await self._supersede(event, decision)
            case _:
                raise LostRace(f"record {event.app}")

    async def _repeat(self, message: InboundMessage, event: Event, record: Record, decision: Repeat) -> Outcome:
        past = decision.past
        for name in decision.stop:
            await self._a.workflows.stop(name, "")
        status = report.repeated(past, record, event, cause_of(event))
        if past.disposition is Disposition.REJECTED:
            return await self._dead_letter(message, event.app, _error(past.problems), status)
        return await self._tell(status, past.disposition)

    async def _supersede(self, event: Event, decision: Supersede) -> Outcome:
        told = await self._a.ledger.disposition_of(event.app, event.key, event.delivery.key)
        if told is not None:
            return Outcome(Settlement.ACK, told)
        for name in decision.stop:
            await self._a.workflows.stop(name, "")
        self._step("others-stopped")
        return await self._tell(report.superseded(event.app, event, cause_of(event)), Disposition.SUPERSEDED)

    async def _reject_event(self, message: InboundMessage, event: Event, error: Rejected) -> Outcome:
        """Dead-letter an event that could be read: its record learns of it, so that a redelivery says the same."""
        stored = await self._a.store.load(event.app)
        match give_up(stored.record, event, _problem(error)):
            case Repeat() as decision:
                return await self._repeat(message, event, stored.record, decision)
            case Supersede() as decision:
                return await self._supersede(event, decision)
            case Settle() as decision:
                return await self._settle(message, event, stored, decision)

    async def _dead_letter(self, message: InboundMessage, app: AppKey, error: Rejected, status: Status) -> Outcome:
        await self._a.dead_letters.publish(message, app, error)
        self._step("dead-lettered")
        await self._a.ledger.publish(status)
        self._step("told")
        self._a.meter.disposed(Disposition.REJECTED.value)
        return Outcome(Settlement.TERM, error.code)

    async def _tell(self, status: Status, disposition: Disposition) -> Outcome:
        await self._a.ledger.publish(status)
        self._step("told")
        return self._end(disposition)

    def _end(self, disposition: Disposition) -> Outcome:
        self._a.meter.disposed(disposition.value)
        return Outcome(Settlement.ACK, disposition.value)


def _within_trace(event: Event) -> Event:
    """Return the event as part of the trace that is being recorded: what it causes is part of that, too."""
    context = traces.outgoing()
    return (
        replace(event, traceparent=context["traceparent"], tracestate=context.get("tracestate", ""))
        if context
        else event
    )


def _problem(error: Rejected) -> Problem:
    return Problem(error.code, error.message, error.path, error.component, error.fix)


def _error(problems: tuple[Problem, ...]) -> Rejected:
    """The dead letter names the first problem; the status event names them all."""
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return Rejected(first.code, first.message + more, path=first.path, fix=first.fix, component=first.component)
