"""The comparison of what is wanted with what is recorded, and the run that closes the difference.

Provisioning goes 3 → 2 → 1 and a tier waits for the whole tier before it; taking away goes 1 → 2 → 3 and waits until
whatever used the component, or may have used it, has succeeded without it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from worker.domain.classify import TYPES, Provides
from worker.domain.digest import changed_inputs, digest
from worker.domain.events import AppKey, Settings
from worker.domain.graph import sequence
from worker.domain.handlers import HandlerContext, HandlerLookup, Parameters, handler_for
from worker.domain.model import (
    Action,
    ComponentSpec,
    Identity,
    OutputOf,
    Pattern,
    Reference,
    ReferenceKind,
    Retained,
    Task,
)
from worker.domain.names import apply_task, teardown_task
from worker.domain.plan import Link, Plan
from worker.domain.record import ComponentRecord, Record, State
from worker.domain.references import brought_along, outputs_for


@dataclass(frozen=True, slots=True)
class PlanContext:
    """What a plan is made for.

    Attributes:
        instance: Id of this installation of the worker.
        run: Name of the run that would carry it out.
        settings: Labels, annotations and policies in force.
        reconcile: Run also what is applied already.
        only: Names of the components that ``reconcile`` is about; empty means all.
        digests: Digests of the wanted components, where they are known already.
    """

    instance: str
    app: AppKey
    run: str
    settings: Settings = field(default_factory=Settings)
    reconcile: bool = False
    only: tuple[str, ...] = ()
    digests: Mapping[Identity, str] = field(default_factory=dict)

    def reconciles(self, component: str) -> bool:
        """Tell whether ``component`` is to run although it is applied as wanted."""
        return self.reconcile and (not self.only or component in self.only)


class NotYetProvided(Exception):
    """A referenced component of another application has no output yet; the event has to wait for it."""

    def __init__(self, app: str, component: str) -> None:
        super().__init__(f"{app}/{component} is still being provisioned")


def make_plan(
    record: Record,
    specs: Sequence[ComponentSpec],
    neighbours: Mapping[str, Record],
    context: PlanContext,
    get_handler: HandlerLookup = handler_for,
) -> Plan:
    """Compare ``specs`` with ``record``.

    Args:
        record: What is known of the application.
        specs: What is wanted, in the order of provisioning.
        neighbours: Records of the namespace's other applications, where references or referrers lead there.
        context: What the plan is made for.
        get_handler: Finds the handler of a component type.

    Raises:
        NotYetProvided: A reference leads to a component of another application that has not been provisioned.
    """
    return _Planner(record, specs, neighbours, context, get_handler).plan()


class _Planner:
    def __init__(
        self,
        record: Record,
        specs: Sequence[ComponentSpec],
        neighbours: Mapping[str, Record],
        context: PlanContext,
        get_handler: HandlerLookup,
    ) -> None:
        self._specs = specs
        self._neighbours = neighbours
        self._context = context
        self._get_handler = get_handler
        self._known = {c.identity: c for c in record.components}
        self._siblings = {spec.name: spec for spec in specs}
        #: Why each component that needs a task needs it.
        self._reasons: dict[Identity, tuple[Action, str]] = {}
        self._digests = context.digests or {spec.identity: digest(spec, context.settings) for spec in specs}

    def plan(self) -> Plan:
        for spec in self._specs:
            verdict = self._compare(spec)
            if verdict is not None:
                self._reasons[spec.identity] = verdict
        self._include_silent_providers()
        applies = self._apply_tasks()
        wanted = {spec.identity for spec in self._specs}
        unwanted = [c for identity, c in self._known.items() if identity not in wanted]
        retained = self._retained(unwanted)
        kept = {one.identity for one in retained}
        teardowns = self._teardown_tasks([c for c in unwanted if c.identity not in kept], applies)
        return Plan(
            app=self._context.app,
            tasks=(*applies, *teardowns),
            unchanged=tuple(s.identity for s in self._specs if s.identity not in self._reasons),
            retained=tuple(retained),
            components=self._components(unwanted, kept),
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
        if self._context.reconciles(spec.name):
            return Action.CHANGE, "reconciliation was asked for"
        for _, ref, parameter, output in self._provisions(spec):
            provider = self._provider(ref)
            if provider is None and ref.kind is ReferenceKind.SIBLING:
                return Action.CHANGE, f"{ref.name} is another component now"
            value = provider.outputs.get(output) if provider else None
            if value is not None and known.resolved.get(parameter, value) != value:
                return Action.CHANGE, f"{parameter} has changed"
        return None

    def _include_silent_providers(self) -> None:
        """A provider that has no recorded output must run, so that its dependents' tasks get one."""
        for spec in reversed(self._specs):
            if spec.identity not in self._reasons:
                continue
            for ref in spec.references.values():
                provider = self._siblings.get(ref.name) if ref.kind is ReferenceKind.SIBLING else None
                if provider is None or provider.identity in self._reasons:
                    continue
                if not self._known[provider.identity].outputs:
                    why = f"{spec.name} needs an output that is not recorded"
                    self._reasons[provider.identity] = (Action.CHANGE, why)

    def _provisions(self, spec: ComponentSpec) -> Iterator[tuple[Provides, Reference, str, str]]:
        """Yield (kind, reference, parameter, output) for each parameter that a reference of ``spec`` fills."""
        for name, provides in TYPES[spec.identity.type].references:
            ref = spec.references.get(name)
            if ref is not None and ref.kind is not ReferenceKind.LITERAL:
                for parameter, output in outputs_for(name, provides).items():
                    yield provides, ref, parameter, output

    def _provider(self, ref: Reference) -> ComponentRecord | None:
        """Return what is known of the component that ``ref`` leads to."""
        if ref.kind is ReferenceKind.SIBLING:
            sibling = self._siblings.get(ref.name)
            return self._known.get(sibling.identity) if sibling else None
        neighbour = self._neighbours.get(ref.app)
        return neighbour.component(ref.name) if neighbour else None

    def _provided(self, spec: ComponentSpec) -> Parameters:
        """Parameter values of a task's references: outputs of tasks of this run, recorded outputs, literals."""
        provided: Parameters = {}
        row = TYPES[spec.identity.type]
        if row.pattern is Pattern.FOUNDATIONAL:
            for name, provides in row.references:
                ref = spec.references.get(name)
                if ref is not None and ref.kind is ReferenceKind.LITERAL and provides is not Provides.REALTIME:
                    provided[name] = brought_along(spec.identity.type, provides, ref.name)
        for _, ref, parameter, output in self._provisions(spec):
            if ref.kind is ReferenceKind.EXTERNAL:
                if output == "endpoint":
                    provided[parameter] = f"http://{ref.name}.{self._context.app.namespace}.svc.cluster.local"
                continue
            sibling = self._siblings.get(ref.name) if ref.kind is ReferenceKind.SIBLING else None
            if sibling is not None and sibling.identity in self._reasons:
                provided[parameter] = OutputOf(apply_task(ref.name), output)
                continue
            provider = self._provider(ref)
            if ref.kind is ReferenceKind.FOREIGN and (provider is None or not provider.outputs):
                raise NotYetProvided(ref.app, ref.name)
            if provider is not None and output in provider.outputs:
                provided[parameter] = provider.outputs[output]
        return provided

    def _parameters(self, spec: ComponentSpec, provided: Parameters) -> Parameters:
        context = HandlerContext(
            self._context.instance, self._context.app, self._context.run, self._context.settings, provided
        )
        return self._get_handler(spec.identity.type).prepare_workflow_params(spec, context)

    def _apply_tasks(self) -> list[Task]:
        tiers = _Tiers()
        for spec in self._specs:
            if spec.identity not in self._reasons:
                continue
            action, reason = self._reasons[spec.identity]
            pattern = TYPES[spec.identity.type].pattern
            params = self._parameters(spec, self._provided(spec))
            needs = [
                apply_task(n) for n in spec.needs if n in self._siblings and self._siblings[n].identity in self._reasons
            ]
            tiers.add(
                Task(
                    name=apply_task(spec.name),
                    identity=spec.identity,
                    pattern=pattern,
                    action=action,
                    template=self._get_handler(spec.identity.type).get_workflow_name(spec),
                    entry="main",
                    depends_on=tuple(dict.fromkeys((*needs, *tiers.before(pattern)))),
                    parameters={k: v for k, v in params.items() if isinstance(v, str)},
                    outputs_of={k: v for k, v in params.items() if isinstance(v, OutputOf)},
                    digest=self._digests[spec.identity],
                    reason=reason,
                )
            )
        return tiers.tasks

    def _retained(self, unwanted: Sequence[ComponentRecord]) -> list[Retained]:
        """Those that stay, users first: what stays keeps what it uses."""
        retained: list[Retained] = []
        users: dict[str, list[str]] = defaultdict(list)
        for known in _users_first(unwanted):
            reason = self._why_retained(known, users[known.identity.name])
            if reason:
                retained.append(Retained(known.identity, TYPES[known.identity.type].pattern, reason))
                for ref in known.spec.references.values():
                    if ref.kind is ReferenceKind.SIBLING:
                        users[ref.name].append(known.identity.name)
        return retained

    def _why_retained(self, known: ComponentRecord, kept_users: Sequence[str]) -> str:
        foreign = (name for name in known.referrers if self._still_refers(name, known.identity.name))
        users = [*kept_users, *foreign]
        if users:
            return f"used by {', '.join(users)}"
        if TYPES[known.identity.type].retained and not self._context.settings.deletes(known.identity.name):
            return (
                f"{known.identity.type} is kept by default, with its data; the annotation "
                "platform.io/deletion-policy: delete takes it away"
            )
        return ""

    def _still_refers(self, user: str, component: str) -> bool:
        """Tell whether ``user`` (``application/component``) may still use ``component``.

        It does until it is applied without it.
        """
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
        if not unwanted:
            return []
        applied = {task.component: task for task in applies}
        users: dict[str, list[ComponentRecord]] = defaultdict(list)
        for known in self._known.values():
            for name in known.spec.needs:
                users[name].append(known)
        # What such a component uses at present is not known: its recorded wish may never have been carried out.
        unsure = [t.name for t in applies if t.identity in self._known and self._known[t.identity].state is State.DIRTY]
        tiers = _Tiers()
        leaving: dict[Identity, str] = {}
        for known in _users_first(unwanted):
            identity = known.identity
            pattern = TYPES[identity.type].pattern
            after = list(unsure)
            for user in users[identity.name]:
                if user.identity.name in applied:
                    after.append(applied[user.identity.name].name)
                if user.identity in leaving:
                    after.append(leaving[user.identity])
            if identity.name in applied:
                after.append(applied[identity.name].name)
            leaving[identity] = teardown_task(identity)
            params = self._parameters(known.spec, {})
            tiers.add(
                Task(
                    name=leaving[identity],
                    identity=identity,
                    pattern=pattern,
                    action=Action.REMOVE,
                    template=self._get_handler(identity.type).get_workflow_name(known.spec),
                    entry="teardown",
                    depends_on=tuple(dict.fromkeys((*after, *tiers.before(pattern)))),
                    parameters={k: v for k, v in params.items() if isinstance(v, str)},
                    reason="no longer wanted",
                )
            )
        return tiers.tasks

    def _components(self, unwanted: Sequence[ComponentRecord], kept: set[Identity]) -> tuple[ComponentRecord, ...]:
        """The records as the intent writes them: whatever the run touches has unknown content from now on."""
        written = []
        for spec in self._specs:
            known = self._known.get(spec.identity)
            if known is None:
                written.append(ComponentRecord(spec, run=self._context.run))
            elif spec.identity in self._reasons:
                written.append(replace(known, spec=spec, wanted=True, state=State.DIRTY, run=self._context.run))
            elif known.wanted and known.spec == spec:
                written.append(known)
            else:
                written.append(replace(known, spec=spec, wanted=True))
        for known in unwanted:
            if known.identity in kept:
                written.append(replace(known, wanted=False, state=State.RETAINED))
            else:
                written.append(replace(known, wanted=False, state=State.REMOVING, run=self._context.run))
        return tuple(written)


class _Tiers:
    """Collects tasks tier by tier; knows which tasks end the tier before: waiting for them is waiting for all of it."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self._pattern: Pattern | None = None
        self._begin = 0
        self._ends: tuple[str, ...] = ()

    def before(self, pattern: Pattern) -> tuple[str, ...]:
        """Return the names of the tasks that a task of ``pattern`` has to wait for."""
        if self._pattern is not None and pattern is not self._pattern:
            tier = self.tasks[self._begin :]
            inner = {name for task in tier for name in task.depends_on}
            self._ends = tuple(task.name for task in tier if task.name not in inner)
            self._begin = len(self.tasks)
        self._pattern = pattern
        return self._ends

    def add(self, task: Task) -> None:
        """Append a task of the pattern that ``before`` was asked for last."""
        self.tasks.append(task)


def _users_first(unwanted: Sequence[ComponentRecord]) -> list[ComponentRecord]:
    """Sort for taking away: pattern 1, 2, 3, and within a pattern users before what they use."""
    place: dict[Identity, int] = {}
    rest = [c.spec for c in unwanted]
    while rest:  # two unwanted components can share a name (an earlier change of type): each round takes one of a name
        one_each = {spec.name: spec for spec in reversed(rest)}
        for spec in sequence(one_each.values()):
            place[spec.identity] = len(place)
        rest = [spec for spec in rest if spec.identity not in place]
    return sorted(unwanted, key=lambda c: (TYPES[c.identity.type].pattern, -place[c.identity]))
