"""The one way from an event's components to a plan: sort 3 → 2 → 1, resolve, prepare each with its pattern's handler.

Pure like everything here: what is to be logged is narrated, and the corridor logs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from worker.domain.classify import TYPES
from worker.domain.digest import digest
from worker.domain.events import Event
from worker.domain.graph import sequence
from worker.domain.handlers import HANDLERS, PatternHandler
from worker.domain.memo import Resolved, WishMemo
from worker.domain.model import Action, ComponentSpec
from worker.domain.normalise import Normalised, normalise
from worker.domain.plan import Plan
from worker.domain.planner import PlanContext, make_plan
from worker.domain.record import Record


class PatternOrchestrator:
    """Brings the components of all patterns into one order, each by the handler of its pattern."""

    def __init__(self, handlers: Sequence[PatternHandler] = HANDLERS) -> None:
        self._memo = WishMemo()
        self._handlers = {kind: handler for handler in reversed(handlers) for kind in TYPES if handler.can_handle(kind)}

    def get_handler(self, component_type: str) -> PatternHandler:
        """Return the handler of a component type.

        Raises:
            LookupError: No pattern has such a type.
        """
        handler = self._handlers.get(component_type)
        if handler is None:
            raise LookupError(f"no pattern handles components of type {component_type!r}")
        return handler

    def sort(self, specs: Iterable[ComponentSpec]) -> list[ComponentSpec]:
        """Return the components in the order of provisioning; their dependencies must be free of cycles."""
        return sequence(specs)

    def resolve(self, event: Event, record: Record, neighbours: Mapping[str, Record]) -> Normalised:
        """Return the components that ``event`` wants, references resolved, and all that is wrong with them."""
        recalled = self._memo.recall(event)
        if recalled is not None:
            return Normalised(list(recalled.specs), digests=recalled.digests)
        found = normalise(event, record, neighbours, self.get_handler)
        if found.problems:
            return found
        found.specs = self.sort(found.specs)
        if not (found.skipped or found.warnings):
            found.digests = {spec.identity: digest(spec, event.settings) for spec in found.specs}
            self._memo.keep(event, Resolved(tuple(found.specs), found.digests))
        return found

    def plan(
        self, record: Record, specs: Sequence[ComponentSpec], neighbours: Mapping[str, Record], context: PlanContext
    ) -> Plan:
        """Compare what is wanted with what is recorded (see ``make_plan``)."""
        return make_plan(record, specs, neighbours, context, self.get_handler)

    def narrate(self, plan: Plan) -> Iterator[str]:
        """Yield one line for the log per component, in the order in which they are dealt with."""
        for component in plan.components:
            if component.wanted:
                kind = component.identity.type
                yield f"Processing pattern {int(TYPES[kind].pattern)}: {kind}"
        for task in plan.tasks:
            if task.action is Action.REMOVE:
                yield f"Removing pattern {int(task.pattern)}: {task.identity.type}"


#: The orchestrator with the platform's three patterns.
ORCHESTRATOR = PatternOrchestrator()
