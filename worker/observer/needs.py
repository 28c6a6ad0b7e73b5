"""What only the observer needs from the outside world; everything else is in ``worker.ports``.

The adapters live in ``outbound`` and ``telemetry``; ``bootstrap`` joins them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from worker.domain.events import AppKey
    from worker.domain.observed import Delta
    from worker.domain.record import Record
    from worker.errors import WorkerError
    from worker.ports import Stored


class Leadership(Protocol):
    """The right to observe; one process at a time has it."""

    @property
    def held(self) -> bool:
        """Whether this process may observe now."""

    async def lead(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` whenever the right is held, cancel it before the right ends; return when ``work`` returns."""


class WorkflowFeed(Protocol):
    """What happens to the Workflows of this installation."""

    def deltas(self) -> AsyncIterator[Delta]:
        """Yield everything that is there, ``Listed``, then each change; again from the start when changes were lost."""


class Records(Protocol):
    """The records, one by one and all of them."""

    async def load(self, app: AppKey) -> Stored:
        """Return the stored record, or an empty one with revision 0."""

    async def save(self, record: Record, revision: int) -> int:
        """Write ``record`` if the stored revision is still ``revision``. Raises ``LostRace``."""

    def all(self, unreadable: Callable[[str, WorkerError], None] | None = None) -> AsyncIterator[Stored]:
        """Yield every record of the installation; ``unreadable`` is told of the keys of those that cannot be read."""


class ObserverMeter(Protocol):
    """What is counted and timed while observing."""

    def observing(self, active: bool) -> None:
        """This process has begun or ceased to observe."""

    def run_ended(self, phase: str) -> None:
        """A run came to its end: ``succeeded``, ``failed`` or ``superseded``."""

    def component_ready(self, pattern: int, seconds: float) -> None:
        """A component was provisioned so many seconds after its event was stored."""

    def run_stopped(self) -> None:
        """A run that must not go on was stopped."""

    def run_started(self) -> None:
        """A run that its worker had left suspended was started."""

    def unreadable_workflow(self) -> None:
        """A Workflow or what it led to could not be handled; the others go on."""
