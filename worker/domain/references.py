"""References: a property that names another component becomes a dependency and the name of its connection secret.

Looked for in this order: a sibling (which wins over a literal of the same name), a component of another application of the
namespace, a word that the platform knows, for ``realtime`` a platform outside of it. What is left is an error with a suggestion.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from worker.domain.classify import TYPES, Provides
from worker.domain.model import Identity, Problem, Reference, ReferenceKind
from worker.domain.record import ComponentRecord, Record, State

#: Words that stand for a database or cache that the service's own claim brings along, or for none.
LITERALS = frozenset({"postgres", "postgresql", "mysql", "mongodb", "redis", "none"})

#: Parameter ← output of the component that provides it, by what is provided.
OUTPUTS: Mapping[Provides, Mapping[str, str]] = {
    Provides.DATABASE: {"database_secret": "connection_secret"},
    Provides.CACHE: {"cache_secret": "connection_secret"},
    Provides.REALTIME: {"realtime_endpoint": "endpoint", "realtime_secret": "connection_secret"},
}
#: The same for properties whose parameters are named otherwise.
OUTPUTS_OF_PROPERTY: Mapping[str, Mapping[str, str]] = {"realtime_platform": {"realtime_platform": "endpoint"}}


def outputs_for(property_name: str, provides: Provides) -> Mapping[str, str]:
    """Return parameter name → output name for one kind of reference."""
    return OUTPUTS_OF_PROPERTY.get(property_name, OUTPUTS[provides])


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where references can lead.

    Attributes:
        siblings: Type of each component of the same desired state by name, unknown types included.
        neighbours: Records of the other applications of the namespace by name.
    """

    siblings: Mapping[str, str]
    neighbours: Mapping[str, Record]

    def foreign(self, value: str) -> list[tuple[str, ComponentRecord]]:
        """Return the components of other applications that ``app/component`` or a bare name means."""
        app, slash, name = value.rpartition("/")
        found = []
        for neighbour, record in self.neighbours.items():
            if slash and neighbour != app:
                continue
            component = record.component(name)
            if component is not None and (component.wanted or component.state is State.RETAINED):
                found.append((neighbour, component))
        return found

    def names(self, provides: Provides) -> list[str]:
        """Return all names that could have been meant, for suggestions."""
        own = [n for n, t in self.siblings.items() if t in TYPES and TYPES[t].provides is provides]
        others = [
            f"{app}/{c.identity.name}"
            for app, record in self.neighbours.items()
            for c in record.components
            if TYPES[c.identity.type].provides is provides
        ]
        return [*own, *others]


def leaves_the_application(value: str, siblings: Mapping[str, str]) -> bool:
    """Tell whether a reference can be resolved only with the records of other applications."""
    return value not in siblings and value.lower() not in LITERALS


def resolve(
    identity: Identity, property_name: str, value: str, provides: Provides, around: Surroundings, path: str
) -> tuple[Reference | None, str, Problem | None]:
    """Resolve one reference.

    Returns:
        The reference (``None`` if there is none or an error), a warning or ``""``, and the problem if there is one.
    """

    def problem(code: str, message: str, fix: str) -> tuple[None, str, Problem]:
        return None, "", Problem(code, message, path, identity.name, fix)

    if value in around.siblings:
        kind = around.siblings[value]
        if value == identity.name:
            return problem(
                "self-reference", f"{identity.name} names itself as its {property_name}", "name another component"
            )
        if kind not in TYPES or TYPES[kind].provides is not provides:
            return problem(
                "wrong-kind",
                f"{property_name} of {identity.name} names {value}, which is a {kind} and provides no {provides.value}",
                f"name a component of type {_types_of(provides)}",
            )
        return Reference(ReferenceKind.SIBLING, value), "", None

    if value.lower() in LITERALS and provides is not Provides.REALTIME:
        return Reference(ReferenceKind.LITERAL, value.lower()), "", None
    if value.lower() == "none":
        return Reference(ReferenceKind.LITERAL, "none"), "", None

    found = around.foreign(value)
    suited = [(app, c) for app, c in found if TYPES[c.identity.type].provides is provides]
    if len(suited) > 1:
        names = " or ".join(sorted(f"{app}/{c.identity.name}" for app, c in suited))
        return problem(
            "ambiguous-reference",
            f"{property_name} of {identity.name} names {value}, which several applications have",
            f"say which one: {names}",
        )
    if suited:
        app, component = suited[0]
        if component.state is State.REMOVING:
            return problem(
                "reference-being-removed",
                f"{property_name} of {identity.name} names {app}/{component.identity.name}, which is being removed",
                "send the event again once it exists again, or name another component",
            )
        return Reference(ReferenceKind.FOREIGN, component.identity.name, app), "", None
    if found:
        app, component = found[0]
        return problem(
            "wrong-kind",
            f"{property_name} of {identity.name} names {app}/{component.identity.name}, which is a {component.identity.type} "
            f"and provides no {provides.value}",
            f"name a component of type {_types_of(provides)}",
        )
    if provides is Provides.REALTIME and "/" not in value:
        return (
            Reference(ReferenceKind.EXTERNAL, value),
            f"{identity.name}: {property_name} {value!r} is no component here: taken as a realtime platform outside of this worker",
            None,
        )
    near = difflib.get_close_matches(value, around.names(provides), n=2, cutoff=0.5)
    fix = (
        f"did you mean {' or '.join(near)}?"
        if near
        else f"add a component of type {_types_of(provides)} with that name"
    )
    return problem(
        "unresolved-reference", f"{property_name} of {identity.name} names {value!r}, which nothing provides", fix
    )


def _types_of(provides: Provides) -> str:
    return " or ".join(name for name, row in TYPES.items() if row.provides is provides)
