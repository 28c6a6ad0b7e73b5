"""From a message's headers and bytes to a typed event: the whole reading side of the contract in one call.

Whatever a sender uses (structured or binary CloudEvent, one of the legacy envelopes), what comes out is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contracts import cloudevents, legacy
from contracts.cloudevents import CloudEvent
from contracts.events import EventData, parse_data
from contracts.legacy import Hint
from contracts.names import CLOUDEVENTS_JSON, InboundType, ParsedSubject
from contracts.violations import ContractViolation, quote, without_user


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """One event of the contract; `id` is None for a legacy payload."""

    type: InboundType
    id: str | None
    source: str
    data: EventData
    time: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None

    @property
    def namespace(self) -> str:
        """Namespace of what the event is about."""
        return self.data.namespace

    @property
    def name(self) -> str:
        """Name of what the event is about."""
        return self.data.name


def decode(headers: Mapping[str, str] | None, body: bytes) -> InboundEvent | Hint:
    """Read one message of the event stream.

    Raises:
        ContractViolation: What is wrong, with its JSON path within the message.
    """
    read = cloudevents.read(headers, body)
    if isinstance(read, CloudEvent):
        data = parse_data(read.type, read.data)  # refuses unknown types
        return InboundEvent(
            type=InboundType(read.type),
            id=read.id,
            source=without_user(read.source),  # it is told in statuses, and kept in the record
            data=data,
            time=read.time,
            traceparent=read.traceparent,
            tracestate=read.tracestate,
        )
    if legacy.is_legacy(read):
        converted = legacy.convert(read)
        if isinstance(converted, Hint):
            return converted
        return InboundEvent(converted.type, None, converted.source, converted.data)
    raise ContractViolation(
        "not-a-cloudevent",
        "$",
        "the message has neither ce- headers nor a specversion, and is no known older form",
        f"send a CloudEvent 1.0 as {CLOUDEVENTS_JSON}",
    )


def check_namespace(subject: ParsedSubject, event: InboundEvent | Hint) -> None:
    """Refuse an event that speaks of another namespace than its subject, which is what permissions are given for.

    Raises:
        ContractViolation: `wrong-namespace`.
    """
    if event.namespace != subject.namespace:
        raise ContractViolation(
            "wrong-namespace",
            "$.subject" if isinstance(event, Hint) else "$.data",
            f"the event is about namespace {quote(event.namespace)}, its subject about {quote(subject.namespace)}",
            "publish it to the subject of its own namespace",
        )
