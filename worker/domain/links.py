"""References between applications, written into the provider's record: what another application uses stays.

Two applications decide independently, each on its own record. A provider that wants to take a component away looks at
its users' records; a user that has written its intent writes itself into the provider's record before it makes things.
Whichever comes second sees the other: the provider's write fails and is repeated, or the user finds that it is leaving.
"""

from __future__ import annotations

from dataclasses import replace

from worker.domain.model import Problem, ReferenceKind
from worker.domain.plan import Link
from worker.domain.record import Record, State


def links_of(record: Record) -> tuple[Link, ...]:
    """Return the references to other applications of all components that the record's current run is to write."""
    run = record.run.name if record.run is not None else ""
    return tuple(
        Link(component.identity.name, ref.app, ref.name)
        for component in record.components
        if component.wanted and component.run == run
        for ref in component.spec.references.values()
        if ref.kind is ReferenceKind.FOREIGN
    )


def linked(provider: Record, link: Link, user_app: str) -> Record | None:
    """Return the provider's record that knows of its user, or ``None`` if the component is leaving or gone."""
    target = provider.component(link.target)
    if target is None or not (target.wanted or target.state is State.RETAINED):
        return None
    user = f"{user_app}/{link.component}"
    if user in target.referrers:
        return provider
    known = replace(target, referrers=(*target.referrers, user))
    return replace(provider, components=tuple(known if c is target else c for c in provider.components))


def broken(link: Link) -> Problem:
    """Return why an event cannot be carried out whose reference leads to a component that is leaving."""
    return Problem(
        "reference-being-removed",
        f"{link.component} uses {link.target_app}/{link.target}, which is being removed",
        "$.data",
        link.component,
        "send the event again once it exists again, or name another component",
    )
