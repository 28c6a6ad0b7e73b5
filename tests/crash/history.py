"""What really happened in a crash test, as the outside saw it: the broker's streams and the API's objects.

Nothing here trusts the worker: published events come from the publisher, dispositions from the ledger stream, dead
letters from their stream with their bytes, Workflows from the API, and executed tasks from the simulated controller.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

DISPOSITIONS = ("accepted", "unchanged", "superseded", "rejected")


@dataclass(frozen=True, slots=True)
class Published:
    """One event that the stream has acknowledged.

    Attributes:
        rank: Its place among the events of its application by the rules of order: the highest must win.
        wish: What each component must be in the cluster if this event is the newest: name → input value.
        valid: Whether the worker must be able to read it.
        subject, headers: As they were published.
        version: ``<uid>/<generation>`` of the Application where the event says so.
    """

    sequence: int
    event_id: str
    app: str
    body: bytes
    rank: int
    wish: tuple[tuple[str, str], ...] = ()
    valid: bool = True
    subject: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    version: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """One status event."""

    event_id: str
    delivery: str
    kind: str
    disposition: str
    run: str = ""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message of the DLQ."""

    sequence: int
    body: bytes
    reason: str
    path: str


@dataclass(frozen=True, slots=True)
class Made:
    """One Workflow that the API server created, by its uid."""

    uid: str
    name: str
    app: str
    order: str
    attempt: str
    delivery: str
    app_uid: str = ""

    @property
    def version(self) -> str:
        """The version of the Application that it carries out; a retry carries out that of an earlier event."""
        return f"{self.app_uid}/{self.order}"


@dataclass(frozen=True, slots=True)
class Executed:
    """One task that the controller ran to its end, in the order of execution."""

    app: str
    component: str
    workflow: str
    entry: str
    value: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """One component as the record has it at rest."""

    app: str
    component: str
    state: str
    wanted: bool
    value: str


@dataclass(slots=True)
class History:
    """Everything that was seen."""

    published: list[Published] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    executed: list[Executed] = field(default_factory=list)
    recorded: list[Recorded] = field(default_factory=list)
    pending: int = 0

    def dispositions(self) -> dict[int, set[str]]:
        """Return the dispositions that were told of each published message, by stream sequence."""
        found: dict[int, set[str]] = {event.sequence: set() for event in self.published}
        for told in self.told:
            sequence = int(told.delivery.rsplit(":", 1)[1])
            if sequence in found:
                found[sequence].add(told.disposition)
        return found

    def summary(self) -> str:
        """Return the one line that shows that nothing was lost: published = sum of the four."""
        counts = Counter(next(iter(kinds)) for kinds in self.dispositions().values() if len(kinds) == 1)
        parts = " + ".join(f"{counts[name]} {name}" for name in DISPOSITIONS)
        return (
            f"{len(self.published)} published = {parts}; {len(self.made)} workflows, {len(self.executed)} tasks, "
            f"{len(self.dead)} dead letters"
        )
