"""What an event wants: which components shall exist when it has been carried out, and on top of which record.

Each kind of event says it differently: a whole desired state, less of the recorded one, nothing, or the recorded one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from worker.domain.events import Event, EventKind, OwnerKind, Settings
from worker.domain.model import ComponentSpec, Problem, ReferenceKind
from worker.domain.normalise import Normalised, salvage
from worker.domain.orchestrator import ORCHESTRATOR
from worker.domain.record import ComponentRecord, Record, State


@dataclass(frozen=True, slots=True)
class Wish:
    """What the event wants, and the record that it wants it of.

    Attributes:
        specs: The wanted components, in the order of provisioning.
        reconcile: Run also what is applied; only the components ``only``, if there are any.
        deletes: Nothing is to be left of the application.
    """

    record: Record
    specs: Sequence[ComponentSpec] = ()
    settings: Settings = field(default_factory=Settings)
    notes: Normalised = field(default_factory=Normalised)
    reconcile: bool = False
    only: tuple[str, ...] = ()
    deletes: bool = False


def wish_of(record: Record, event: Event, neighbours: Mapping[str, Record]) -> Wish:
    """Return what ``event`` wants; ``notes.problems`` says what makes it impossible."""
    current = [c.spec for c in record.components if c.wanted]
    match event.kind:
        case EventKind.RETRY:
            return _retry(record, event, current)
        case EventKind.REMOVAL:
            return _removal(record, event, current)
        case EventKind.DELETED:
            return _deletion(record, event)
        case EventKind.CHANGED | EventKind.REQUESTED:
            return _desired_state(record, event, current, neighbours)


def _impossible(record: Record, problem: Problem) -> Wish:
    return Wish(record, notes=Normalised(problems=[problem]))


def _retry(record: Record, event: Event, current: Sequence[ComponentSpec]) -> Wish:
    if record.order is None:
        message = f"nothing is recorded of {event.app}"
        return _impossible(
            record, Problem("nothing-recorded", message, "$.data", fix="check the namespace and the name")
        )
    unknown = _unknown_names(record, event, [c.spec for c in record.components])
    if unknown is not None:
        return unknown
    return Wish(
        record,
        ORCHESTRATOR.sort(current),
        record.settings,
        reconcile=event.reconcile,
        only=event.only,
        deletes=not current,
    )


def _removal(record: Record, event: Event, current: Sequence[ComponentSpec]) -> Wish:
    unknown = _unknown_names(record, event, current)
    if unknown is not None:
        return unknown
    rest = ORCHESTRATOR.sort(spec for spec in current if event.only and spec.name not in event.only)
    for spec in rest:
        for name, ref in spec.references.items():
            if ref.kind is ReferenceKind.SIBLING and ref.name in event.only:
                message = f"{ref.name} cannot be removed: it is the {name} of {spec.name}, which stays"
                fix = f"remove {spec.name} too, or send a request without the reference first"
                return _impossible(record, Problem("still-referenced", message, "$.data.components", ref.name, fix))
    # A policy that came with named components is about these: it must not delete the data of others later.
    delete = event.only if event.only and event.settings.delete else event.settings.delete
    settings = replace(record.settings, delete=tuple(dict.fromkeys((*record.settings.delete, *delete))))
    return Wish(record, rest, settings, deletes=not event.only)


def _unknown_names(record: Record, event: Event, known: Sequence[ComponentSpec]) -> Wish | None:
    names = {spec.name for spec in known}
    unknown = [name for name in event.only if name not in names]
    if not unknown:
        return None
    message = f"{event.app} has no component {', '.join(unknown)}"
    fix = f"its components are {', '.join(sorted(names)) or 'none'}"
    return _impossible(record, Problem("unknown-component", message, "$.data.components", unknown[0], fix))


def _deletion(record: Record, event: Event) -> Wish:
    settings = event.settings if event.settings.delete else replace(event.settings, delete=record.settings.delete)
    if record.order is None:
        # Nothing is recorded, but the deleted object says what it had: that is present with unknown content.
        parts = tuple(ComponentRecord(spec, wanted=False, state=State.DIRTY) for spec in salvage(event))
        known = {c.identity for c in record.components}
        record = replace(record, components=(*record.components, *(p for p in parts if p.identity not in known)))
    return Wish(record, (), settings, deletes=True)


def _desired_state(
    record: Record, event: Event, current: Sequence[ComponentSpec], neighbours: Mapping[str, Record]
) -> Wish:
    notes = ORCHESTRATOR.resolve(event, record, neighbours)
    if not notes.specs and not notes.problems and current and not event.settings.allow_empty:
        if event.owner is OwnerKind.APPLICATION:
            fix = 'annotate the Application with platform.io/allow-empty: "true" if that is meant, or delete it'
        else:
            fix = "send a removal request if that is meant"
        message = f"the update would remove all {len(current)} components of {event.app}"
        notes.problems.append(Problem("would-empty", message, event.path, fix=fix))
    return Wish(record, notes.specs, event.settings, notes)
