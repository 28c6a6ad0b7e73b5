"""From what the sender wrote to components that can be planned: checked, secret-free, with references resolved.

Every problem is collected, not only the first, so that one rejection tells the sender all that is wrong.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts import components as properties
from contracts.violations import ContractViolation

from worker.domain.classify import TYPES, explain_unknown
from worker.domain.events import DesiredComponent, Event, OwnerKind
from worker.domain.graph import check_order
from worker.domain.handlers import handler_for
from worker.domain.model import ComponentSpec, Identity, Problem, Reference, Skipped
from worker.domain.record import Record
from worker.domain.references import Surroundings, leaves_the_application, resolve

#: A run's DAG may have this many tasks (Argo's full CRDs allow 200; nodes and status grow with it).
MAX_COMPONENTS = 100

#: Property names as people write them, where that is not the name of the model's field.
_WRITTEN = {"realtime_platform": "realtimePlatform"}


@dataclass(slots=True)
class Normalised:
    """The desired state of one event, ready to be compared."""

    specs: list[ComponentSpec] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Checked:
    """A component of a known type whose properties are in order."""

    wanted: DesiredComponent
    identity: Identity
    values: Mapping[str, Any]
    path: str


def needs_neighbours(event: Event, record: Record) -> bool:
    """Tell whether the records of the namespace's other applications must be read: references may lead there, or come from there."""
    if any(component.referrers for component in record.components):
        return True
    siblings = {component.name: component.type for component in event.components}
    for component in event.components:
        row = TYPES.get(component.type)
        for name, _ in row.references if row else ():
            value = component.properties.get(_WRITTEN.get(name, name), component.properties.get(name))
            if isinstance(value, str) and value and leaves_the_application(value, siblings):
                return True
    return False


def normalise(event: Event, record: Record, neighbours: Mapping[str, Record]) -> Normalised:
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
    around = Surroundings({c.name: c.type for c in event.components}, neighbours)
    for one in checked:
        result.specs.append(_specify(one, event.components, around, result))
    result.problems.extend(check_order(result.specs, {one.identity.name: one.path for one in checked}))
    return result


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
    for where in dropped:
        result.warnings.append(
            f"{component.name}: {where} is a secret and was ignored: the platform generates it and puts it into the connection secret"
        )
    values = model.values()
    target = str(values.get("target_environment") or event.settings.cluster)
    identity = Identity(component.name, component.type, "" if target == "local" else target)
    return _Checked(component, identity, values, path)


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


def _specify(
    one: _Checked, all_components: Sequence[DesiredComponent], around: Surroundings, result: Normalised
) -> ComponentSpec:
    row = TYPES[one.identity.type]
    references: dict[str, Reference] = {}
    for name, provides in row.references:
        value = one.values.get(name)
        if not isinstance(value, str) or not value:
            continue
        path = f"{one.path}.properties.{_WRITTEN.get(name, name)}"
        reference, warning, problem = resolve(one.identity, _WRITTEN.get(name, name), value, provides, around, path)
        if reference is not None:
            references[name] = reference
        if warning:
            result.warnings.append(warning)
        if problem is not None:
            result.problems.append(problem)
    return ComponentSpec(
        one.identity,
        handler_for(one.identity.type).inputs(one.identity.type, one.values),
        references,
        _dependencies(one, all_components, around.siblings, result),
    )


def _dependencies(
    one: _Checked, all_components: Sequence[DesiredComponent], siblings: Mapping[str, str], result: Normalised
) -> tuple[str, ...]:
    """KubeVela's ``dependsOn``, and its ``inputs`` from other components' ``outputs``."""
    makers = {output: c.name for c in all_components for output in c.outputs}
    wanted = list(one.wanted.depends_on)
    wanted += [
        makers[name] for name in one.wanted.inputs_from if makers.get(name, one.identity.name) != one.identity.name
    ]
    kept = []
    for position, name in enumerate(wanted):
        path = f"{one.path}.dependsOn[{position}]"
        if name not in siblings:
            near = difflib.get_close_matches(name, siblings, n=1)
            fix = f"did you mean {near[0]}?" if near else "name a component of the same application"
            result.problems.append(
                Problem(
                    "unknown-dependency",
                    f"{one.identity.name} depends on {name!r}, which is no component",
                    path,
                    one.identity.name,
                    fix,
                )
            )
        elif siblings[name] not in TYPES:
            result.warnings.append(
                f"{one.identity.name}: dependsOn {name} is left to KubeVela, its type is not this platform's"
            )
        else:
            kept.append(name)
    return tuple(dict.fromkeys(kept))
