"""References: a property that names another component becomes a dependency and the name of its connection secret.

Looked for in this order: a sibling (which wins over a literal of the same name), a word that the platform knows (what a
neighbour calls its components must not change what ``postgres`` means), a component of another application of the
namespace, for ``realtime`` a platform outside of this worker. What is left is an error with a suggestion.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from worker.domain.classify import TYPES, Provides
from worker.domain.model import Identity, Pattern, Problem, Reference, ReferenceKind
from worker.domain.record import ComponentRecord, Record, State

#: Words that stand for a database or cache that is no component, or for none.
LITERALS = frozenset({"postgres", "postgresql", "mysql", "mongodb", "redis", "none"})
#: Those of them that the claim of a pattern-1 service brings along; nothing comes along with any other word.
_BROUGHT_ALONG = {Provides.DATABASE: frozenset({"postgres", "postgresql"}), Provides.CACHE: frozenset({"redis"})}

#: Parameter ← output of the component that provides it, by what is provided.
OUTPUTS: Mapping[Provides, Mapping[str, str]] = {
    Provides.DATABASE: {"database_secret": "connection_secret"},
    Provides.CACHE: {"cache_secret": "connection_secret"},
    Provides.REALTIME: {"realtime_endpoint": "endpoint", "realtime_secret": "connection_secret"},
}
#: The same for properties whose parameters are named otherwise.
OUTPUTS_OF_PROPERTY: Mapping[str, Mapping[str, str]] = {"realtime_platform": {"realtime_platform": "endpoint"}}

#: An external platform's name becomes part of an address.
_HOST_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

_Resolution = tuple[Reference | None, str, Problem | None]


def outputs_for(property_name: str, provides: Provides) -> Mapping[str, str]:
    """Return parameter name → output name for one kind of reference."""
    return OUTPUTS_OF_PROPERTY.get(property_name, OUTPUTS[provides])


def brought_along(component_type: str, provides: Provides, word: str) -> str:
    """Return what the claim of a service is told about a literal: the word, or ``none`` if it cannot bring that along.

    Args:
        component_type: Type of the service.
        provides: What the reference stands for.
        word: One of ``LITERALS``.
    """
    offers = TYPES[component_type].pattern is Pattern.FOUNDATIONAL and word in _BROUGHT_ALONG.get(provides, ())
    return word if offers else "none"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where references can lead.

    Attributes:
        siblings: Type of each component of the same desired state by name, unknown types included.
        neighbours: Records of the other applications of the namespace by name.
        own: Name of the application itself.
    """

    siblings: Mapping[str, str]
    neighbours: Mapping[str, Record]
    own: str = ""

    def foreign(self, value: str) -> list[tuple[str, ComponentRecord]]:
        """Return the components of other applications that ``app/component`` or a bare name means, leaving ones too."""
        app, slash, name = value.rpartition("/")
        found = []
        for neighbour, record in self.neighbours.items():
            if slash and neighbour != app:
                continue
            component = record.component(name)
            if component is not None:
                found.append((neighbour, component))
        return found

    def names(self, provides: Provides) -> list[str]:
        """Return all names that could have been meant, for suggestions."""
        own = [n for n, t in self.siblings.items() if t in TYPES and TYPES[t].provides is provides]
        others = [
            f"{app}/{c.identity.name}"
            for app, record in self.neighbours.items()
            for c in record.components
            if TYPES[c.identity.type].provides is provides and c.state is not State.REMOVING
        ]
        return [*own, *others]


def leaves_the_application(value: str, siblings: Mapping[str, str]) -> bool:
    """Tell whether a reference can be resolved only with the records of other applications."""
    return value not in siblings and value.lower() not in LITERALS


def resolve(
    identity: Identity, property_name: str, value: str, provides: Provides, around: Surroundings, path: str
) -> _Resolution:
    """Resolve one reference.

    Args:
        identity: The component that has it.
        property_name: The property as documents spell it.
        value: What the sender wrote.
        provides: What the referenced component must provide.
        around: Where the reference can lead.
        path: JSON path of the property, for the problem.

    Returns:
        The reference (``None`` if there is none or an error), a warning or ``""``, and the problem if there is one.
    """
    app, _, name = value.rpartition("/")
    own = name if app and app == around.own else value
    said = _Said(identity, property_name, value, provides, path)
    if own in around.siblings:
        return _sibling(said, own, around.siblings[own])
    word = value.lower()
    if word == "none" or (word in LITERALS and provides is not Provides.REALTIME):
        return Reference(ReferenceKind.LITERAL, word), _nothing_comes(identity, property_name, word, provides), None
    found = around.foreign(value)
    if found:
        return _foreign(said, found)
    if provides is Provides.REALTIME and _HOST_NAME.fullmatch(value):
        warning = (
            f"{identity.name}: {property_name} {value!r} is no component here: taken as a realtime platform outside of "
            "this worker"
        )
        return Reference(ReferenceKind.EXTERNAL, value), warning, None
    near = difflib.get_close_matches(value, around.names(provides), n=2, cutoff=0.5)
    fix = f"did you mean {' or '.join(near)}?" if near else f"add a component of type {_types_of(provides)} named so"
    return said.problem("unresolved-reference", f"names {value!r}, which nothing provides", fix)


def _nothing_comes(identity: Identity, property_name: str, word: str, provides: Provides) -> str:
    if brought_along(identity.type, provides, word) == word:
        return ""
    return (
        f"{identity.name}: no {provides.value} is made for {property_name} {word!r}: add a component of type "
        f"{_types_of(provides)} and name it there"
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """One reference as the sender wrote it."""

    identity: Identity
    property_name: str
    value: str
    provides: Provides
    path: str

    def problem(self, code: str, what: str, fix: str) -> _Resolution:
        message = f"{self.property_name} of {self.identity.name} {what}"
        return None, "", Problem(code, message, self.path, self.identity.name, fix)

    def wrong_kind(self, name: str, kind: str) -> _Resolution:
        what = f"names {name}, which is a {kind} and provides no {self.provides.value}"
        return self.problem("wrong-kind", what, f"name a component of type {_types_of(self.provides)}")


def _sibling(said: _Said, name: str, kind: str) -> _Resolution:
    if name == said.identity.name:
        return said.problem("self-reference", "names the component itself", "name another component")
    if kind not in TYPES or TYPES[kind].provides is not said.provides:
        return said.wrong_kind(name, kind)
    return Reference(ReferenceKind.SIBLING, name), "", None


def _foreign(said: _Said, found: list[tuple[str, ComponentRecord]]) -> _Resolution:
    suited = [(app, c) for app, c in found if TYPES[c.identity.type].provides is said.provides]
    if not suited:
        app, component = found[0]
        return said.wrong_kind(f"{app}/{component.identity.name}", component.identity.type)
    # What was given up before it was ever provided yields nothing to wait for.
    staying = [(app, c) for app, c in suited if c.wanted or (c.state is State.RETAINED and c.outputs)]
    if not staying:
        app, component = suited[0]
        how = "is being removed" if component.state is State.REMOVING else "was given up before it was provided"
        fix = "send the event again once it exists again, or name another component"
        what = f"names {app}/{component.identity.name}, which {how}"
        return said.problem("reference-being-removed", what, fix)
    if len(staying) > 1:
        names = " or ".join(sorted(f"{app}/{c.identity.name}" for app, c in staying))
        what = f"names {said.value}, which several applications have"
        return said.problem("ambiguous-reference", what, f"say which one: {names}")
    app, component = staying[0]
    return Reference(ReferenceKind.FOREIGN, component.identity.name, app), "", None


def _types_of(provides: Provides) -> str:
    return " or ".join(name for name, row in TYPES.items() if row.provides is provides)
