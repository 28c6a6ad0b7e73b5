"""The DLQ: original bytes and reason of every event that can't be carried out, stored before it leaves its stream.

A message that is one byte over the server's limit would cost the whole connection, not just the call: the server
closes it. So the headers are measured here, and give way to the body, which is never touched: a replay needs it as
it was.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from contracts.names import DLQ_STREAM, Header, dlq_subject
from worker.outbound.breaker import Breaker, guarded
from worker.outbound.jetstream import SYSTEM, JetStream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from worker.domain.events import AppKey, InboundMessage
    from worker.errors import Rejected

_MAX_REASON, _MAX_PATH = 1024, 256
#: Names of original headers that did not fit.
_DROPPED = "Dlq-Dropped-Headers"
#: ``Nats-…`` headers tell the server what to do with a message; copied, they would do it to the dead letter too.
_CONTROL, _KEPT_AS = "nats-", "Original-"
_OURS = "dlq-"
#: ``NATS/1.0``, its line end and the empty line after the last header; then ``: `` and a line end for each.
_BLOCK_BYTES, _LINE_BYTES = 12, 4


class JetStreamDeadLetters:
    """Publishes dead letters; implements ``ports.DeadLetters``."""

    def __init__(
        self,
        jetstream: JetStream,
        *,
        breaker: Breaker | None = None,
        count: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Write through ``jetstream``; call ``count`` with the error's class for each dead letter that is stored."""
        self.breaker = breaker or Breaker(SYSTEM)
        self._js = jetstream
        self._count = count

    @guarded
    async def publish(self, message: InboundMessage, app: AppKey, error: Rejected) -> None:
        """Store the original bytes and headers with the reason, and wait for the stream's acknowledgement.

        Raises:
            Misconfigured, Unavailable: See ``JetStream``.
        """
        delivery = message.delivery
        # A recreated stream counts from 1 again; without its incarnation, its dead letters could pass for stored ones.
        message_id = f"{delivery.stream}:{delivery.sequence}:{delivery.incarnation}"
        room = self._js.max_payload - len(message.body) - _size({str(Header.MESSAGE_ID): message_id}) - _BLOCK_BYTES
        await self._js.publish(
            dlq_subject(app.namespace, app.name, error.code),
            message.body,
            stream=DLQ_STREAM,
            message_id=message_id,
            headers=dead_letter_headers(message, error, room),
        )
        self._count(error.code)


def dead_letter_headers(message: InboundMessage, error: Rejected, room: int) -> dict[str, str]:
    """Return the headers of a dead letter in at most ``room`` bytes, ours before the original's, small ones first."""
    delivery = message.delivery
    reason = f"{error.message}; {error.fix}" if error.fix else error.message
    ours = {
        Header.DLQ_CLASS: error.code,
        Header.DLQ_REASON: _line(f"{error.component}: {reason}" if error.component else reason, _MAX_REASON),
        Header.DLQ_PATH: _line(error.path, _MAX_PATH),
        Header.DLQ_DELIVERIES: str(delivery.delivered),
        Header.DLQ_STREAM: delivery.stream,
        Header.DLQ_SEQUENCE: str(delivery.sequence),
        Header.DLQ_SUBJECT: message.subject,
        Header.DLQ_FIRST_SEEN: datetime.fromtimestamp(delivery.timestamp, UTC).isoformat(timespec="milliseconds"),
    }
    headers = {str(name): value for name, value in ours.items()}
    excess = _size(headers) - room
    if excess > 0:
        full = headers[Header.DLQ_REASON].encode()
        headers[str(Header.DLQ_REASON)] = full[: max(0, len(full) - excess)].decode(errors="ignore")
    return _add_original(headers, message.headers, room)


def _add_original(headers: dict[str, str], original: Mapping[str, str], room: int) -> dict[str, str]:
    """Add as many of the original's headers as fit, and the names of those that do not."""
    renamed = {
        _KEPT_AS + name if name.lower().startswith(_CONTROL) else name: _line(value, len(value))
        for name, value in original.items()
        if not name.lower().startswith(_OURS)
    }
    left = room - _size(headers)
    dropped = []
    for name, value in sorted(renamed.items(), key=lambda item: _size(dict([item]))):
        left -= _size({name: value})
        if left >= 0:
            headers[name] = value
        else:
            dropped.append(name)
    note = {_DROPPED: _line(",".join(dropped), _MAX_REASON)}
    return headers | note if dropped and _size(headers | note) <= room else headers


def _size(headers: Mapping[str, str]) -> int:
    """Bytes of a header block's lines."""
    return sum(len(name.encode()) + len(value.encode()) + _LINE_BYTES for name, value in headers.items())


def _line(text: str, limit: int) -> str:
    """Make a header value of any text: one line, printable, encodable, at most ``limit`` characters."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    line = " ".join(printable.split()).encode("utf-8", "replace").decode()
    return line if len(line) <= limit else line[: limit - 1] + "…"
