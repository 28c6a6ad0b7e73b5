"""A dead letter as people see it, and what of it is sent when it is replayed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.names import Header, parse_subject
from contracts.violations import ContractViolation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.outbound.desk import Letter

#: Prefix of headers of our own, and of the original's that the server would have obeyed.
_OURS, _KEPT_AS, _CONTROL = "dlq-", "original-nats-", "nats-"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message of the DLQ.

    Attributes:
        sequence: Its place in the DLQ.
        namespace: As the subject says it.
        name: As the subject says it.
        event_sequence: The place that the event had in the event stream; 0 if unknown.
        incarnation: Which stream of that name it was; a recreated one counts from 1 again.
        subject: Subject that the event came on.
    """

    sequence: int
    namespace: str
    name: str
    error_class: str
    reason: str
    path: str
    subject: str
    stream: str
    event_sequence: int
    incarnation: str
    deliveries: str
    first_seen: str
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def read(cls, letter: Letter) -> DeadLetter:
        """Read a message of the DLQ."""
        headers = letter.headers
        sequence = headers.get(Header.DLQ_SEQUENCE, "")
        try:
            parsed = parse_subject(letter.subject)
            namespace, name = parsed.namespace, parsed.name
        except ContractViolation:
            namespace, name = "", letter.subject
        return cls(
            letter.sequence,
            namespace,
            name,
            headers.get(Header.DLQ_CLASS, ""),
            headers.get(Header.DLQ_REASON, ""),
            headers.get(Header.DLQ_PATH, ""),
            headers.get(Header.DLQ_SUBJECT, ""),
            headers.get(Header.DLQ_STREAM, ""),
            int(sequence) if sequence.isdecimal() else 0,
            # `<stream>:<sequence>:<incarnation>`, see the worker's dead letters
            "".join(headers.get(Header.MESSAGE_ID, "").split(":", 2)[2:]),
            headers.get(Header.DLQ_DELIVERIES, ""),
            headers.get(Header.DLQ_FIRST_SEEN, ""),
            headers,
            letter.body,
        )

    def original_headers(self) -> dict[str, str]:
        """Return the headers that the event came with, without those that tell the server what to do."""
        return {
            name: value
            for name, value in self.headers.items()
            if not name.lower().startswith((_OURS, _KEPT_AS, _CONTROL))
        }

    def to_json(self) -> dict[str, Any]:
        """Return it for programs, without its body."""
        return {
            "sequence": self.sequence,
            "application": {"namespace": self.namespace, "name": self.name},
            "class": self.error_class,
            "reason": self.reason,
            "path": self.path,
            "subject": self.subject,
            "event": {"stream": self.stream, "sequence": self.event_sequence},
            "deliveries": self.deliveries,
            "firstSeen": self.first_seen,
            "bytes": len(self.body),
        }
