"""Every way in which handling an event can fail, and nothing else.

One class per verdict: what happens to the message is decided by the class alone (``inbound/verdict.py``), so raising
the right class is the whole of error handling elsewhere. Third-party errors are mapped once, at the edge that meets
them, and chained.

    WorkerError
    ├── Rejected           permanent: dead-letter with the original bytes, then terminate
    ├── Unavailable        a whole system is away (API server, broker): open its breaker, keep what is in hand
    │   └── Misconfigured  it answers, but refuses us until somebody changes it: the same, plus an unready detail
    ├── Deferred           this event only (its namespace's quota): come back later, paced, within the retry budget
    │   └── LostRace       another worker wrote the record first: come back at once, look again
    └── NewerRecord        the record was written by a newer worker: leave it to that worker, go unready
"""

from __future__ import annotations

from contracts.violations import ContractViolation

#: Foreign texts (server messages, exception reprs) are cut here before they travel into statuses, headers and logs.
MAX_FOREIGN_TEXT = 256


def shorten(text: str, limit: int = MAX_FOREIGN_TEXT) -> str:
    """Return ``text`` on one line, cut to ``limit`` characters with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


class WorkerError(Exception):
    """Base of all errors that this project raises on purpose."""


class Rejected(WorkerError):
    """The event can never succeed as it is.

    Attributes:
        code: Kebab-case class of the error; becomes the last token of the DLQ subject.
        message: What is wrong and why, in one sentence.
        path: JSON path of the offending place, for example ``$.data.application.spec.components[0].type``.
        fix: What the sender can do about it.
        component: Name of the component concerned, or ``""``.
    """

    def __init__(self, code: str, message: str, *, path: str = "$", fix: str = "", component: str = "") -> None:
        super().__init__(f"{message} (at {path}){': ' + fix if fix else ''}")
        self.code = code
        self.message = message
        self.path = path
        self.fix = fix
        self.component = component

    @classmethod
    def from_violation(cls, violation: ContractViolation, component: str = "") -> Rejected:
        """Translate a broken contract into the rejection that reports it."""
        return cls(violation.code, violation.message, path=violation.path, fix=violation.fix, component=component)


class Unavailable(WorkerError):
    """A system that every event needs is away; nothing is wrong with the event.

    Attributes:
        system: ``"kubernetes"`` or ``"nats"``: which breaker opens.
        retry_after: Seconds after which the system asked to be tried again, or ``None``.
    """

    def __init__(self, system: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"{system}: {shorten(message)}")
        self.system = system
        self.retry_after = retry_after


class Misconfigured(Unavailable):
    """The system answers but refuses us (RBAC, missing namespace or CRD) until an operator changes something.

    Attributes:
        fix: What the operator can do about it; shown by ``/ready``.
    """

    def __init__(self, system: str, message: str, *, fix: str) -> None:
        super().__init__(system, message)
        self.fix = fix


class Deferred(WorkerError):
    """This event must wait although the systems are fine, for example for its namespace's quota.

    Attributes:
        reason: Kebab-case word for metrics and, when the retry budget ends, for the DLQ subject.
        delay: Seconds to wait at least; ``None`` leaves it to the exponential schedule.
    """

    def __init__(self, reason: str, message: str, *, delay: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.delay = delay


class LostRace(Deferred):
    """Another worker wrote the record between our read and our write."""

    def __init__(self, what: str) -> None:
        super().__init__("lost-race", f"{what} was written by another worker in the meantime", delay=0.05)


class NewerRecord(WorkerError):
    """The stored record has a schema version that this worker does not know.

    Attributes:
        found: Schema version in the store.
        known: Newest schema version that this worker reads.
    """

    def __init__(self, key: str, found: int, known: int) -> None:
        super().__init__(
            f"record {key} has schema version {found}, this worker reads up to {known}: "
            "finish the upgrade of the workers"
        )
        self.found = found
        self.known = known
