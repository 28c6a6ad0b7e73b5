"""What the world is told: the status events of dispositions and of runs, with ids that a repetition shares."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from worker.domain.events import AppKey, Order
from worker.domain.model import Problem, Skipped
from worker.domain.record import Cause


class StatusKind(StrEnum):
    """The last-but-one word of ``io.platform.provisioning.<kind>.v1``."""

    ACCEPTED = "accepted"
    UNCHANGED = "unchanged"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """One component's line in a status event."""

    name: str
    type: str
    pattern: int
    action: str
    state: str
    message: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The run that a status event speaks of."""

    name: str
    attempt: int
    phase: str


@dataclass(frozen=True, slots=True)
class Status:
    """One status event, before it is put on the wire.

    Attributes:
        order: Place of the causing event; ``None`` if the event could not be read that far.
        components: Those that a plan touches or keeps on purpose.
        unchanged: Names of the components that are as they should be.
        disposition: The end of the causing event; for run events ``accepted``, because only accepted events run.
    """

    kind: StatusKind
    app: AppKey
    cause: Cause
    order: Order | None = None
    disposition: str = ""
    run: RunStatus | None = None
    components: tuple[ComponentStatus, ...] = ()
    unchanged: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    traceparent: str = ""
    tracestate: str = ""

    @property
    def id(self) -> str:
        """Deterministic CloudEvent id: the same statement about the same delivery and run has the same id for ever."""
        run = f"{self.run.name}" if self.run else ""
        parts = "\0".join((self.kind, str(self.app), self.cause.key, self.cause.delivery, run))
        return hashlib.sha256(parts.encode()).hexdigest()[:32]
