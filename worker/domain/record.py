"""What is known about one application between events: the only memory that decisions rest on.

A component is ``applied`` only after a succeeded node of its recorded run; all else that may be in the cluster is
``dirty``. That is what keeps a stopped, failed or vanished run from orphaning anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from worker.domain.events import AppKey, Order, OwnerKind, Settings
from worker.domain.model import ComponentSpec, Identity, Problem, Task

#: Version of the stored form. A worker that meets a newer one leaves the record alone.
SCHEMA_VERSION = 1
#: How many past dispositions a record remembers, so that a redelivery repeats its own instead of being judged anew.
REMEMBERED_DISPOSITIONS = 16
#: How long the uid of a deleted Application is remembered: longer than any event can wait (streams keep less).
TOMBSTONE_SECONDS = 35 * 86400


class Disposition(StrEnum):
    """The one end that each event comes to."""

    ACCEPTED = "accepted"
    UNCHANGED = "unchanged"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"


class Phase(StrEnum):
    """How far a run has come."""

    INTENDED = "intended"
    """Recorded, perhaps not created yet."""
    CONFIRMED = "confirmed"
    """Created, and still the newest: may be started."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"

    @property
    def finished(self) -> bool:
        """Nothing more will happen in this run."""
        return self in {Phase.SUCCEEDED, Phase.FAILED, Phase.SUPERSEDED}


class State(StrEnum):
    """What is known about a component in the cluster."""

    APPLIED = "applied"
    DIRTY = "dirty"
    """Present with unknown content, or perhaps not present at all."""
    REMOVING = "removing"
    RETAINED = "retained"
    """Not wanted any more, left where it is on purpose."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who manages the name."""

    kind: OwnerKind
    uid: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """The event that led to a run or disposition."""

    id: str
    source: str
    key: str
    delivery: str


@dataclass(frozen=True, slots=True)
class Run:
    """One Workflow of the application.

    Attributes:
        attempt: From 1; each further run of the same order has a higher one.
        deletes: The run carries out the deletion of the whole application.
        tasks: What it does; kept until the run is folded.
        message: Why it failed, for people.
        accepted_at: When its event was stored by the server, in seconds since the epoch.
    """

    name: str
    attempt: int
    order: Order
    cause: Cause
    phase: Phase = Phase.INTENDED
    deletes: bool = False
    tasks: tuple[Task, ...] = ()
    message: str = ""
    accepted_at: float = 0.0
    traceparent: str = ""
    tracestate: str = ""


@dataclass(frozen=True, slots=True)
class StaleRun:
    """A run that is not the current one any more and has not been seen to end.

    Attributes:
        cause: The event behind it, which is still owed the news of its end; ``None`` if that is not known any more.
    """

    name: str
    delivery: str
    attempt: int = 1
    order: Order | None = None
    cause: Cause | None = None

    @classmethod
    def of(cls, run: Run) -> StaleRun:
        """Return what must be remembered of a run that is being replaced as the current one."""
        return cls(run.name, run.cause.delivery, run.attempt, run.order, run.cause)


@dataclass(frozen=True, slots=True)
class ComponentRecord:
    """What is known about one component.

    Attributes:
        spec: The newest spec that a run was asked to apply; enough to tear it down or to run it again.
        wanted: The newest accepted desired state has it.
        digest: Digest of the applied input; meaningless unless ``applied``.
        outputs: What its last succeeded task yielded: secret names and addresses, never secrets.
        resolved: Parameter values that it got from other components' outputs when it was applied.
        run: Name of the run that is to write or has written it.
        referrers: ``application/component`` of other applications of the namespace that use it.
    """

    spec: ComponentSpec
    wanted: bool = True
    state: State = State.DIRTY
    digest: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    resolved: Mapping[str, str] = field(default_factory=dict)
    run: str = ""
    referrers: tuple[str, ...] = ()

    @property
    def identity(self) -> Identity:
        """Identity of the component."""
        return self.spec.identity


@dataclass(frozen=True, slots=True)
class PastDisposition:
    """How an earlier delivery ended, so that its redelivery says the same again."""

    delivery: str
    disposition: Disposition
    run: str = ""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A uid that this name had before; its late events mean nothing any more."""

    uid: str
    at: float


@dataclass(frozen=True, slots=True)
class Record:
    """Everything known about one application; replaced as a whole by compare-and-set."""

    app: AppKey
    owner: Owner | None = None
    order: Order | None = None
    run: Run | None = None
    stale_runs: tuple[StaleRun, ...] = ()
    components: tuple[ComponentRecord, ...] = ()
    settings: Settings = field(default_factory=Settings)
    dispositions: tuple[PastDisposition, ...] = ()
    tombstones: tuple[Tombstone, ...] = ()
    version: int = SCHEMA_VERSION

    def component(self, name: str) -> ComponentRecord | None:
        """Return the wanted component of that name, else any of that name, else ``None``."""
        named = [c for c in self.components if c.identity.name == name]
        return next((c for c in named if c.wanted), named[0] if named else None)

    def past(self, delivery: str) -> PastDisposition | None:
        """Return how the delivery with that key ended, if it is still remembered."""
        return next((d for d in self.dispositions if d.delivery == delivery), None)

    def remembering(self, past: PastDisposition) -> Record:
        """Return the record with ``past`` as the newest remembered disposition."""
        others = tuple(d for d in self.dispositions if d.delivery != past.delivery)
        return replace(self, dispositions=(*others, past)[-REMEMBERED_DISPOSITIONS:])

    @property
    def alive(self) -> bool:
        """Somebody manages this name: it has wanted components."""
        return any(c.wanted for c in self.components)

    @property
    def unfinished(self) -> bool:
        """Its current run has not been seen to end."""
        return self.run is not None and not self.run.phase.finished
