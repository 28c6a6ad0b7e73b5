"""From what the sender wrote to components that can be planned: checked, secret-free, with references resolved.

Every problem is collected, not only the first, so that one rejection tells the sender all that is wrong.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts import components as properties
from contracts.components.forms import GITHUB_OWNER, TARGET
from contracts.fields import DNS_LABEL, MAX_COMPONENTS
from contracts.names import Label
from contracts.violations import ContractViolation, quote
from worker.domain.classify import TYPES, explain_unknown
from worker.domain.events import DesiredComponent, Event, EventKind, OwnerKind
from worker.domain.graph import check_order
from worker.domain.handlers import HandlerLookup, handler_for
from worker.domain.model import ComponentSpec, Identity, Problem, Reference, ReferenceKind, Skipped
from worker.domain.record import Record
from worker.domain.references import Surroundings, leaves_the_application, resolve

#: The name by which KubeVela's topology policies and people mean the host cluster.
_HOST = "local"
_TARGET = re.compile(TARGET)
#: What the labels of an Application may be where they reach a claim.
_LABELS = {
    Label.APP_CONTAINER: (
        re.compile(DNS_LABEL),
        "the name of a monorepo: at most 63 lower-case letters, digits and '-'",
    ),
    Label.GITHUB_OWNER: (
        re.compile(GITHUB_OWNER),
        "a user or organisation of GitHub: at most 39 letters, digits and '-'",
    ),
}


@dataclass(slots=True)
class Normalised:
    """The desired state of one event, ready to be compared."""

    specs: list[ComponentSpec] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    digests: Mapping[Identity, str] = field(default_factory=dict)
    """Digests of the components, where they are known already."""


@dataclass(frozen=True, slots=True)
class _Checked:
    """A component of a known type whose properties are in order."""

    wanted: DesiredComponent
    identity: Identity
    values: Mapping[str, Any]
    path: str


def needs_neighbours(event: Event, record: Record) -> bool:
    """Tell whether the records of the namespace's other applications must be read.

    References may lead there from what is wanted, written or recorded, and may come from there to what is recorded.
    """
    for known in record.components:
        if known.referrers or any(r.kind is ReferenceKind.FOREIGN for r in known.spec.references.values()):
            return True
    if event.kind is EventKind.DELETED:
        return False
    siblings = {component.name: component.type for component in event.components}
    for component in event.components:
        row = TYPES.get(component.type)
        if row is None or not row.references:
            continue
        model = properties.PROPERTIES[component.type]
        fields = {name for name, _ in row.references}
        for key, value in component.properties.items():
            if (
                isinstance(value, str)
                and value
                and model.field_of(key) in fields
                and leaves_the_application(value, siblings)
            ):
                return True
    return False


def normalise(
    event: Event, record: Record, neighbours: Mapping[str, Record], get_handler: HandlerLookup = handler_for
) -> Normalised:
    """Return the wanted components of ``event``, and everything that is wrong or remarkable about them."""
    result = Normalised()
    if len(event.components) > MAX_COMPONENTS:
        result.problems.append(
            Problem(
                "too-many-components",
                f"{len(event.components)} components in one application, the limit is {MAX_COMPONENTS}",
                event.path,
                fix="split the application",
            )
        )
        return result
    checked = []
    for index, component in enumerate(event.components):
        one = _check(component, f"{event.path}[{index}]", event, record, result)
        if one is not None:
            checked.append(one)
    around = Surroundings(
        {c.name: c.type for c in event.components},
        {name: other for name, other in neighbours.items() if name != event.app.name},
        event.app.name,
    )
    makers = {output: c.name for c in event.components for output in c.outputs}
    for one in checked:
        references = _references(one, around, result)
        inputs = get_handler(one.identity.type).inputs(one.identity.type, one.values)
        dependencies = _dependencies(one, makers, around.siblings, result)
        result.specs.append(ComponentSpec(one.identity, inputs, references, dependencies))
    result.problems.extend(_labels(event, result.specs, get_handler))
    result.problems.extend(check_order(result.specs, {one.identity.name: one.path for one in checked}))
    return result


def salvage(event: Event) -> list[ComponentSpec]:
    """Return the components that a deleted object had, as far as their teardown needs to know them.

    Nobody is helped by refusing the deletion of what was wrong: properties that break the contract are left out.
    """
    parts = []
    for component in event.components:
        if component.type not in TYPES:
            continue
        found = Normalised()
        one = _check(component, "$", event, Record(event.app), found)
        target = one.identity.target if one else _target(component.properties.get("targetEnvironment"), event)
        parts.append(ComponentSpec(Identity(component.name, component.type, target)))
    return parts


def _check(component: DesiredComponent, path: str, event: Event, record: Record, result: Normalised) -> _Checked | None:
    if component.type not in TYPES:
        _unknown(component, path, event, record, result)
        return None
    try:
        clean, dropped = properties.strip_secrets(component.type, component.properties)
        model = properties.parse(component.type, clean, f"{path}.properties")
    except ContractViolation as violation:
        result.problems.append(
            Problem(violation.code, violation.message, violation.path, component.name, violation.fix)
        )
        return None
    result.warnings += [
        f"{component.name}: {where} is a secret and was ignored: the platform generates it and puts it into the "
        "connection secret"
        for where in dropped
    ]
    values = model.values()
    target = _target(values.get("target_environment"), event)
    if not _TARGET.fullmatch(target):
        # The component's own target is checked by its model: this one is the Application's.
        message = f"the topology policy puts {component.name} into {quote(target)}, which is no vcluster's name"
        fix = "name a vcluster in lower-case letters, digits and '-', or give the component a targetEnvironment"
        where = f"{event.path.removesuffix('components')}policies"
        result.problems.append(Problem("bad-format", message, where, component.name, fix))
        return None
    return _Checked(component, Identity(component.name, component.type, target), values, path)


def _target(written: object, event: Event) -> str:
    target = written if isinstance(written, str) and written else event.settings.cluster
    return "" if target == _HOST else target


def _labels(event: Event, specs: Sequence[ComponentSpec], get_handler: HandlerLookup) -> list[Problem]:
    """Return what is wrong with the Application's labels, as far as components use them."""
    values = {Label.APP_CONTAINER: event.settings.app_container, Label.GITHUB_OWNER: event.settings.github_owner}
    problems = []
    for label, value in values.items():
        form, wanted = _LABELS[label]
        if not value or form.fullmatch(value):
            continue
        users = [spec.name for spec in specs if label in get_handler(spec.identity.type).labels(spec)]
        if users:
            message = f"{quote(value)} has the wrong form for the label {label}, which {users[0]} needs"
            where = f'{event.path.removesuffix("spec.components")}metadata.labels["{label}"]'
            problems.append(Problem("bad-format", message, where, users[0], f"write {wanted}"))
    return problems


def _unknown(component: DesiredComponent, path: str, event: Event, record: Record, result: Normalised) -> None:
    """An unknown type is KubeVela's business, unless the name is ours already or a request asks us for it."""
    hint = explain_unknown(component.type)
    known = record.component(component.name)
    if known is not None and known.wanted:
        message = (
            f"component {component.name} has the unknown type {component.type!r} and is provisioned as "
            f"{known.identity.type}: a typo must not tear it down"
        )
    elif event.owner is OwnerKind.REQUEST:
        message = f"component {component.name} has the unknown type {component.type!r}"
    else:
        reason = f"the type is not this platform's: {hint}"
        result.skipped.append(Skipped(component.name, component.type, reason))
        result.warnings.append(f"{component.name} is skipped: unknown type {component.type!r}; {hint}")
        return
    result.problems.append(Problem("unknown-type", message, f"{path}.type", component.name, hint))


def _references(one: _Checked, around: Surroundings, result: Normalised) -> dict[str, Reference]:
    references: dict[str, Reference] = {}
    model = properties.PROPERTIES[one.identity.type]
    for name, provides in TYPES[one.identity.type].references:
        value = one.values.get(name)
        if not isinstance(value, str) or not value:
            continue
        written = model.documented(name)
        path = f"{one.path}.properties.{written}"
        reference, warning, problem = resolve(one.identity, written, value, provides, around, path)
        if reference is not None:
            references[name] = reference
        if warning:
            result.warnings.append(warning)
        if problem is not None:
            result.problems.append(problem)
    return references


def _dependencies(
    one: _Checked, makers: Mapping[str, str], siblings: Mapping[str, str], result: Normalised
) -> tuple[str, ...]:
    """KubeVela's ``dependsOn``, and its ``inputs`` from other components' ``outputs``."""
    kept = []
    for position, name in enumerate(one.wanted.depends_on):
        if name not in siblings:
            result.problems.append(
                Problem(
                    "unknown-dependency",
                    f"{one.identity.name} depends on {name!r}, which is no component",
                    f"{one.path}.dependsOn[{position}]",
                    one.identity.name,
                    _nearest(name, list(siblings)),
                )
            )
        elif siblings[name] not in TYPES:
            result.warnings.append(
                f"{one.identity.name}: dependsOn {name} is left to KubeVela, its type is not this platform's"
            )
        else:
            kept.append(name)
    for source in one.wanted.inputs_from:
        maker = makers.get(source, one.identity.name)
        if maker != one.identity.name and siblings[maker] in TYPES:
            kept.append(maker)
    return tuple(dict.fromkeys(kept))


def _nearest(name: str, siblings: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, siblings, n=1)
    return f"did you mean {near[0]}?" if near else "name a component of the same application"
