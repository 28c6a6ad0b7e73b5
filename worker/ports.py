"""What the corridor needs from the outside world, in the words of the domain.

Adapters live in ``outbound``; the pipeline and the observer know only these protocols. Every method may raise the
classes of ``worker.errors`` and no others: an adapter maps its library's errors where it meets them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from worker.domain.events import AppKey, Event, InboundMessage
from worker.domain.observed import ObservedRun
from worker.domain.record import Record, Run
from worker.domain.status import Status
from worker.errors import Rejected

#: Called with the name of each step of the corridor; a crash test kills the process there.
Failpoint = Callable[[str], None]


class Settlement(StrEnum):
    """What the broker is to be told of a message that was handled to its end."""

    ACK = "ack"
    TERM = "term"
    """The event was rejected: its dead letter and its status are stored already."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one delivery: what the broker is told, and one word of why."""

    settlement: Settlement
    reason: str = ""


class Handler(Protocol):
    """Handles messages; implemented by the pipeline, called by the inbound side."""

    async def handle(self, message: InboundMessage) -> Outcome:
        """Bring one delivery to its end.

        Raises:
            Unavailable: A system is away; keep the message in hand (heartbeat) and call again after the breaker closes.
            Deferred: Come back later; the inbound side paces it and calls ``reject`` when the retry budget ends.
            NewerRecord: Leave it to a newer worker.
        """

    async def reject(self, message: InboundMessage, error: Rejected) -> Outcome:
        """Dead-letter a message (original bytes), publish its ``rejected`` status; the caller then terminates it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A record and the revision that a write must name; revision 0 means that there is none yet."""

    record: Record
    revision: int


class StateStore(Protocol):
    """Records by application, with compare-and-set."""

    async def load(self, app: AppKey) -> Stored:
        """Return the stored record, or an empty one with revision 0. Raises ``NewerRecord``, ``Unavailable``."""

    async def save(self, record: Record, revision: int) -> int:
        """Write ``record`` if the stored revision is still ``revision``; return the new one. Raises ``LostRace``."""

    async def neighbours(self, namespace: str) -> Mapping[str, Stored]:
        """Return all records of a namespace by application name (read only where references leave the application)."""


class WorkflowBuilder(Protocol):
    """Turns a run into the Workflow that the API server is given."""

    def build(self, app: AppKey, uid: str, run: Run, record: Record | None = None) -> bytes:
        """Return the JSON body; ``record`` goes along so that lost state can be rebuilt from it.

        Raises:
            Rejected: ``workflow-too-large`` above 1 MB, ``unsafe-value`` for a text that Argo would expand.
        """


class WorkflowApi(Protocol):
    """The few calls on Workflows that the worker makes; each answer has one verdict."""

    async def create(self, name: str, body: bytes) -> bool:
        """Create; ``True`` if created now, ``False`` if the name exists already (the caller looks at it)."""

    async def get(self, name: str) -> ObservedRun | None:
        """Return the Workflow, or ``None`` if there is none (404 of the object, not of namespace or CRD)."""

    async def start(self, name: str) -> bool:
        """Release a suspended run; ``False`` if it was stopped, is released already, or is gone."""

    async def stop(self, name: str, superseded_by: str) -> bool:
        """Stop a run, suspended or not, with the one merge patch; ``False`` if it is gone. Harmless if it is over."""


class ApplicationReader(Protocol):
    """Reads Applications; used only for AdmissionReviews, which are hints."""

    async def get(self, app: AppKey) -> Mapping[str, Any] | None:
        """Return the Application, ``None`` if there is none. Raises ``Rejected`` if they may not be read here."""


class Ledger(Protocol):
    """The status stream."""

    async def publish(self, status: Status) -> None:
        """Publish under the status's deterministic id and wait for the stream's acknowledgement."""

    async def disposition_of(self, app: AppKey, key: str, delivery: str) -> str | None:
        """Return the disposition that this delivery was given already, if the newest status of its event says so."""


class Meter(Protocol):
    """Counts and times what the corridor does; ``telemetry`` implements it."""

    def about(self, event: Event) -> AbstractContextManager[None]:
        """Put the event's id, application and generation on every log line inside the block."""

    def disposed(self, disposition: str) -> None:
        """Count one event that came to its end."""

    def created(self, event: Event) -> None:
        """Observe the time from the event's arrival in the stream to its started Workflow."""


class DeadLetters(Protocol):
    """The DLQ stream."""

    async def publish(self, message: InboundMessage, app: AppKey, error: Rejected) -> None:
        """Store the original bytes and headers with the reason, and wait for the stream's acknowledgement."""
