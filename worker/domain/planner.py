"""The comparison of what is wanted with what is recorded, and the run that closes the difference.

Provisioning goes 3 → 2 → 1 and a tier waits for the whole tier before it; taking away goes 1 → 2 → 3 and waits until whatever used
the component has succeeded without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from worker.domain.classify import TYPES
from worker.domain.digest import changed_inputs, digest
from worker.domain.events import AppKey, Settings
from worker.domain.graph import sequence
from worker.domain.handlers import HandlerContext, handler_for
from worker.domain.model import (
    Action,
    ComponentSpec,
    Identity,
    OutputOf,
    Pattern,
    ReferenceKind,
    Retained,
    Task,
)
from worker.domain.names import apply_task, teardown_task
from worker.domain.plan import Link, Plan
from worker.domain.record import ComponentRecord, Record, State
from worker.domain.references import outputs_for


@dataclass(frozen=True, slots=True)
class PlanContext:
    """What a plan is made for.

    Attributes:
        instance: Id of this installation of the worker.
        run: Name of the run that would carry it out.
        settings: Labels, annotations and policies in force.
        reconcile: Run also what is applied already.
    """

    instance: str
    app: AppKey
    run: str
    settings: Settings = field(default_factory=Settings)
    reconcile: bool = False


class NotYetProvided(Exception):
    """A referenced component of another application has no output yet; the event has to wait for it."""

    def __init__(self, app: str, component: str) -> None:
        super().__init__(f"{app}/{component} is still being provisioned")


def make_plan(
    record: Record, specs: Sequence[ComponentSpec], neighbours: Mapping[str, Record], context: PlanContext
) -> Plan:
    """Compare ``specs`` with ``record``.

    Raises:
        NotYetProvided: A reference leads to a component of another application that has not been provisioned.
    """
    return _Planner(record, sequence(specs), neighbours, context).plan()


class _Planner:
    def __init__(
        self,
        record: Record,
        specs: Sequence[ComponentSpec],
        neighbours: Mapping[str, Record],
        context: PlanContext,
    ) -> None:
        self._specs = specs
        self._neighbours = neighbours
        self._context = context
        self._known = {c.identity: c for c in record.components}
        self._siblings = {spec.name: spec for spec in specs}
        #: Why each component that needs a task needs it, in the order of provisioning.
        self._reasons: dict[Identity, tuple[Action, str]] = {}
        self._digests = {spec.identity: digest(spec, context.settings) for spec in specs}

    def plan(self) -> Plan:
        for spec in self._specs:
            verdict = self._compare(spec)
            if verdict is not None:
                self._reasons[spec.identity] = verdict
        self._include_silent_providers()
        applies = self._apply_tasks()
        unwanted = [c for identity, c in self._known.items() if identity not in {s.identity for s in self._specs}]
        retained = [(c, reason) for c in unwanted if (reason := self._why_retained(c))]
        kept = {c.identity for c, _ in retained}
        teardowns = self._teardown_tasks([c for c in unwanted if c.identity not in kept], applies)
        return Plan(
            app=self._context.app,
            tasks=(*applies, *teardowns),
            unchanged=tuple(s.identity for s in self._specs if s.identity not in self._reasons),
            retained=tuple(Retained(c.identity, TYPES[c.identity.type].pattern, reason) for c, reason in retained),
            components=self._components(kept),
            links=tuple(
                Link(spec.name, ref.app, ref.name)
                for spec in self._specs
                for ref in spec.references.values()
                if ref.kind is ReferenceKind.FOREIGN
            ),
        )

    def _compare(self, spec: ComponentSpec) -> tuple[Action, str] | None:
        known = self._known.get(spec.identity)
        if known is None:
            return Action.CREATE, "new"
        if known.state is State.RETAINED:
            return Action.CHANGE, "wanted again, it had been retained"
        if known.state is not State.APPLIED:
            return Action.CHANGE, "its content is unknown: an earlier run did not finish"
        if known.digest != self._digests[spec.identity]:
            names = changed_inputs(known.spec, spec)
            return Action.CHANGE, f"changed: {', '.join(names)}" if names else "changed: labels"
        if self._context.reconcile:
            return Action.CHANGE, "reconciliation was asked for"
        for parameter, value in self._recorded_values(spec).items():
            if value is not None and known.resolved.get(parameter, value) != value:
                return Action.CHANGE, f"{parameter} has changed"
        return None

    def _include_silent_providers(self) -> None:
        """A provider that has no recorded output must run, so that its dependents' tasks get one."""
        for spec in reversed(self._specs):
            if spec.identity not in self._reasons:
                continue
            for ref in spec.references.values():
                if ref.kind is not ReferenceKind.SIBLING:
                    continue
                provider = self._siblings[ref.name]
                if provider.identity not in self._reasons and not self._known[provider.identity].outputs:
                    self._reasons[provider.identity] = (
                        Action.CHANGE,
                        f"{spec.name} needs an output that is not recorded",
                    )

    def _recorded_values(self, spec: ComponentSpec) -> dict[str, str | None]:
        """Values of the parameters that references provide, as recorded; ``None`` where nothing is recorded yet."""
        values: dict[str, str | None] = {}
        for name, provides in TYPES[spec.identity.type].references:
            ref = spec.references.get(name)
            if ref is None:
                continue
            for parameter, output in outputs_for(name, provides).items():
                if ref.kind is ReferenceKind.SIBLING:
                    known = self._known.get(self._siblings[ref.name].identity)
                    values[parameter] = known.outputs.get(output) if known else None
                elif ref.kind is ReferenceKind.FOREIGN:
                    neighbour = self._neighbours.get(ref.app)
                    foreign = neighbour.component(ref.name) if neighbour else None
                    values[parameter] = foreign.outputs.get(output) if foreign else None
        return values

    def _provided(self, spec: ComponentSpec) -> dict[str, str | OutputOf]:
        """Parameter values of a task's references: outputs of tasks of this run, recorded outputs, literals."""
        provided: dict[str, str | OutputOf] = {}
        recorded = self._recorded_values(spec)
        for name, provides in TYPES[spec.identity.type].references:
            ref = spec.references.get(name)
            if ref is None:
                continue
            if ref.kind is ReferenceKind.LITERAL:
                if TYPES[spec.identity.type].pattern is Pattern.FOUNDATIONAL:
                    provided[name] = ref.name
                continue
            if ref.kind is ReferenceKind.EXTERNAL:
                address = f"http://{ref.name}.{self._context.app.namespace}.svc.cluster.local"
                for parameter, output in outputs_for(name, provides).items():
                    if output == "endpoint":
                        provided[parameter] = address
                continue
            for parameter, output in outputs_for(name, provides).items():
                runs = ref.kind is ReferenceKind.SIBLING and self._siblings[ref.name].identity in self._reasons
                value = recorded.get(parameter)
                if runs:
                    provided[parameter] = OutputOf(apply_task(ref.name), output)
                elif value is not None:
                    provided[parameter] = value
                elif ref.kind is ReferenceKind.FOREIGN and output == "connection_secret":
                    raise NotYetProvided(ref.app, ref.name)
        return provided

    def _apply_tasks(self) -> list[Task]:
        tasks: list[Task] = []
        for spec in self._specs:
            if spec.identity not in self._reasons:
                continue
            action, reason = self._reasons[spec.identity]
            row = TYPES[spec.identity.type]
            handler = handler_for(spec.identity.type)
            context = HandlerContext(
                self._context.instance,
                self._context.app,
                self._context.run,
                self._context.settings,
                self._provided(spec),
            )
            params = handler.prepare_workflow_params(spec, context)
            needs = [
                apply_task(n) for n in spec.needs if n in self._siblings and self._siblings[n].identity in self._reasons
            ]
            tasks.append(
                Task(
                    name=apply_task(spec.name),
                    identity=spec.identity,
                    pattern=row.pattern,
                    action=action,
                    template=handler.get_workflow_name(spec),
                    entry="main",
                    depends_on=tuple(dict.fromkeys((*needs, *_last_of_tier_before(tasks, row.pattern)))),
                    parameters={k: v for k, v in params.items() if isinstance(v, str)},
                    outputs_of={k: v for k, v in params.items() if isinstance(v, OutputOf)},
                    digest=self._digests[spec.identity],
                    reason=reason,
                )
            )
        return tasks

    def _why_retained(self, known: ComponentRecord) -> str:
        users = [name for name in known.referrers if self._still_refers(name, known.identity.name)]
        if users:
            return f"used by {', '.join(users)}"
        if TYPES[known.identity.type].retained and not self._context.settings.deletes(known.identity.name):
            return (
                f"{known.identity.type} is kept by default, with its data; the annotation "
                "platform.io/deletion-policy: delete takes it away"
            )
        return ""

    def _still_refers(self, user: str, component: str) -> bool:
        """Tell whether ``user`` (``application/component``) may still use ``component``: it does until it is applied without it."""
        app, _, name = user.partition("/")
        neighbour = self._neighbours.get(app)
        using = [c for c in neighbour.components if c.identity.name == name] if neighbour else []
        own = self._context.app.name
        return any(
            c.state is not State.APPLIED
            or any(ref.app == own and ref.name == component for ref in c.spec.references.values())
            for c in using
        )

    def _teardown_tasks(self, unwanted: Sequence[ComponentRecord], applies: Sequence[Task]) -> list[Task]:
        """Tasks that take components away: services first, and nothing before its former users have let go of it."""
        tasks: list[Task] = []
        applied = {task.component: task.name for task in applies}
        for known in _users_first(unwanted):
            row = TYPES[known.identity.type]
            users = [c for c in self._known.values() if known.identity.name in c.spec.needs]
            after = [applied[c.identity.name] for c in users if c.identity.name in applied]
            after += [t.name for t in tasks if any(c.identity == t.identity for c in users)]
            if known.identity.name in applied:
                after.append(applied[known.identity.name])
            context = HandlerContext(
                self._context.instance, self._context.app, self._context.run, self._context.settings
            )
            params = handler_for(known.identity.type).prepare_workflow_params(known.spec, context)
            tasks.append(
                Task(
                    name=teardown_task(known.identity),
                    identity=known.identity,
                    pattern=row.pattern,
                    action=Action.REMOVE,
                    template=row.template,
                    entry="teardown",
                    depends_on=tuple(dict.fromkeys((*after, *_last_of_tier_before(tasks, row.pattern)))),
                    parameters={k: v for k, v in params.items() if isinstance(v, str)},
                    reason="no longer wanted",
                )
            )
        return tasks

    def _components(self, kept: set[Identity]) -> tuple[ComponentRecord, ...]:
        """The component records as the intent writes them: whatever the run touches has unknown content from now on."""
        written = []
        for spec in self._specs:
            known = self._known.get(spec.identity, ComponentRecord(spec))
            if spec.identity in self._reasons:
                known = replace(known, state=State.DIRTY, run=self._context.run)
            written.append(replace(known, spec=spec, wanted=True))
        wanted = {spec.identity for spec in self._specs}
        for identity, known in self._known.items():
            if identity in kept:
                written.append(replace(known, wanted=False, state=State.RETAINED))
            elif identity not in wanted:
                written.append(replace(known, wanted=False, state=State.REMOVING, run=self._context.run))
        return tuple(written)


def _last_of_tier_before(tasks: Sequence[Task], pattern: Pattern) -> list[str]:
    """Names of the tasks that end the tier before ``pattern``: waiting for them is waiting for the whole tier."""
    others = [task for task in tasks if task.pattern is not pattern]
    if not others:
        return []
    before = others[-1].pattern
    tier = [task for task in others if task.pattern is before]
    inner = {name for task in tier for name in task.depends_on}
    return [task.name for task in tier if task.name not in inner]


def _users_first(unwanted: Sequence[ComponentRecord]) -> list[ComponentRecord]:
    """Sort for taking away: pattern 1, 2, 3, and within a pattern users before what they use."""
    place = {spec.identity: i for i, spec in enumerate(_sequence_by_identity(unwanted))}
    return sorted(unwanted, key=lambda c: (TYPES[c.identity.type].pattern, -place[c.identity]))


def _sequence_by_identity(unwanted: Sequence[ComponentRecord]) -> list[ComponentSpec]:
    """Two unwanted components can share a name (an earlier change of type); each is placed by its own needs."""
    placed: list[ComponentSpec] = []
    seen: set[str] = set()
    rest = [c.spec for c in unwanted]
    while rest:
        batch = [spec for spec in rest if spec.name not in seen]
        unique = list({spec.name: spec for spec in batch}.values()) or rest
        ordered = sequence(unique)
        placed += ordered
        seen |= {spec.name for spec in ordered}
        rest = [spec for spec in rest if not any(spec is p for p in placed)]
    return placed
