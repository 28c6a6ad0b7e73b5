"""What people ask of the streams: publish an event, read its ledger, look at dead letters and records.

The worker's own adapters keep a connection alive for ever and write; a person's command wants an answer or a clear
"it is not there" within seconds, and mostly reads. So it has its own connection, made here.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import nats
import nats.errors
import nats.js.errors

from contracts.names import (
    DLQ_STREAM,
    STATE_BUCKET,
    STATUS_STREAM,
    Header,
    escape,
    record_key,
)
from worker.cancellation import close_for_good
from worker.errors import Misconfigured, Rejected, Unavailable
from worker.outbound.jetstream import SYSTEM, JetStream, StoredMessage
from worker.outbound.nats_connection import ConnectionOptions, NatsConnection, dial
from worker.outbound.record_codec import loads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from nats.aio.client import Client

    from worker.domain.events import AppKey
    from worker.domain.record import Record
    from worker.settings import Settings

_APPLY = 'run "platform-worker streams apply"'
_DELETED = b"KV-Operation"
_TOO_LARGE = 10054
#: Attempts to reach each server before a command gives up, and seconds for each.
_ATTEMPTS, _CONNECT_TIMEOUT = 2, 2.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """The stream's answer to a publication.

    Attributes:
        duplicate: The stream has a message of that id already; this one was not stored.
    """

    stream: str
    sequence: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Letter:
    """A stored message with its headers read."""

    subject: str
    sequence: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """The place that the next message of the event stream will get."""

    incarnation: str
    sequence: int


class Desk:
    """Reads and publishes for people; `open_desk` makes one."""

    def __init__(self, client: Client, settings: Settings) -> None:
        """Use a connected client."""
        self._client = client
        self._js = JetStream(client, settings.publish_timeout)
        self._events = settings.nats_stream_name
        self._timeout = settings.publish_timeout
        self.instance = settings.platform_instance

    async def publish(self, subject: str, body: bytes, headers: Mapping[str, str], message_id: str) -> Receipt:
        """Store an event and return the stream's acknowledgement.

        Raises:
            Rejected: ``message-too-large``.
            Misconfigured: No stream takes the subject.
            Unavailable: No answer; it may be stored all the same.
        """
        sent = {**headers, str(Header.MESSAGE_ID): message_id}
        try:
            receipt = await self._client.jetstream().publish(subject, body, timeout=self._timeout, headers=sent)
        except nats.js.errors.NoStreamResponseError as error:
            raise Misconfigured(SYSTEM, f"no stream takes {subject}", fix=_APPLY) from error
        except nats.js.errors.APIError as error:
            if error.err_code == _TOO_LARGE:
                raise Rejected(
                    "message-too-large", "the stream refuses the event for its size", fix="send less"
                ) from error
            raise Unavailable(SYSTEM, f"the stream did not store the event: {error.description}") from error
        except nats.errors.MaxPayloadError as error:
            raise Rejected("message-too-large", "the event is larger than the server takes", fix="send less") from error
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise Unavailable(SYSTEM, f"no acknowledgement of the event: {type(error).__name__}") from error
        return Receipt(receipt.stream, receipt.seq, bool(receipt.duplicate))

    async def size_limit(self) -> int:
        """Return how many bytes (headers and body) the event stream takes at most in one message."""
        info = await self._js.info(self._events)
        declared = int(info["config"].get("max_msg_size", -1))
        return min(declared, self._js.max_payload) if declared > 0 else self._js.max_payload

    async def next_place(self) -> Place:
        """Return the place in the event stream that an event published now would get."""
        try:
            info = await self._client.jetstream().stream_info(self._events)
        except nats.js.errors.NotFoundError as error:
            raise Misconfigured(SYSTEM, f"stream {self._events} does not exist", fix=_APPLY) from error
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
            raise Unavailable(SYSTEM, f"no answer about stream {self._events}") from error
        return Place(info.created.isoformat() if info.created else "", info.state.last_seq + 1)

    async def statuses(self, subjects: str, after: int = 0) -> AsyncIterator[Letter]:
        """Yield the status events of ``subjects`` that are stored after sequence ``after``, oldest first."""
        async for letter in self._walk(STATUS_STREAM, subjects, after):
            yield letter

    async def dead_letters(self, subjects: str) -> AsyncIterator[Letter]:
        """Yield the dead letters of ``subjects``, oldest first."""
        async for letter in self._walk(DLQ_STREAM, subjects, 0):
            yield letter

    async def dead_letter(self, sequence: int) -> Letter | None:
        """Return the dead letter with that sequence, ``None`` if there is none."""
        found = await self._js.after(DLQ_STREAM, ">", sequence)
        return _letter(found) if found is not None and found.sequence == sequence else None

    async def records(self, namespace: str | None = None) -> list[Record]:
        """Return all records, or those of one namespace, by name."""
        subjects = _key(f"app.{escape(namespace) if namespace else '*'}.*")
        found: dict[str, Record] = {}
        async for letter in self._walk(f"KV_{STATE_BUCKET}", subjects, 0, deleted=False):
            found[letter.subject] = loads(letter.body, letter.subject)
        return [found[subject] for subject in sorted(found)]

    async def record(self, app: AppKey) -> Record | None:
        """Return what is recorded of an application, ``None`` if nothing is."""
        key = record_key(app.namespace, app.name)
        found = await self._js.last(f"KV_{STATE_BUCKET}", _key(key))
        return None if found is None or _DELETED in found.headers else loads(found.body, key)

    async def stored(self, key: str) -> Letter | None:
        """Return what the state bucket holds under ``key``, as it is stored; ``None`` if nothing."""
        found = await self._js.last(f"KV_{STATE_BUCKET}", _key(key))
        return None if found is None or _DELETED in found.headers else _letter(found)

    async def _walk(self, stream: str, subjects: str, after: int, *, deleted: bool = True) -> AsyncIterator[Letter]:
        while (found := await self._js.after(stream, subjects, after + 1)) is not None:
            after = found.sequence
            if deleted or _DELETED not in found.headers:
                yield _letter(found)


@contextlib.asynccontextmanager
async def open_desk(settings: Settings) -> AsyncIterator[Desk]:
    """Connect, and disconnect at the end.

    Raises:
        Unavailable: No server answers.
    """
    async with connected(settings) as client:
        yield Desk(client, settings)


@contextlib.asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Client]:
    """Connect or give up within seconds, say nothing, and disconnect at the end.

    Raises:
        Unavailable: No server answers.
    """
    client = await _connect(settings)
    try:
        yield client
    finally:
        await close_for_good(client)


async def _connect(settings: Settings) -> Client:
    options = ConnectionOptions(connect_timeout=_CONNECT_TIMEOUT, name="platform-worker-cli", reconnect_wait=0.2)
    keywords: dict[str, Any] = NatsConnection(settings, options).keywords()
    keywords |= {
        "max_reconnect_attempts": _ATTEMPTS,
        "error_cb": _quiet,
        "disconnected_cb": _quiet,
        "reconnected_cb": _quiet,
        "closed_cb": _quiet,
    }
    try:
        return await dial(**keywords)
    except (nats.errors.Error, OSError, TimeoutError) as error:
        servers = ", ".join(_without_user(address) for address in settings.nats_url)
        raise Unavailable(
            SYSTEM, f"no connection to {servers} ({type(error).__name__}): is it running, and is NATS_URL right?"
        ) from error


async def _quiet(*_: object) -> None:
    """Say nothing: the command that fails says what is wrong, once."""


def _without_user(address: str) -> str:
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _key(key: str) -> str:
    return f"$KV.{STATE_BUCKET}.{key}"


def _letter(found: StoredMessage) -> Letter:
    headers = {}
    for line in found.headers.decode("utf-8", "replace").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip()] = value.strip()
    return Letter(found.subject, found.sequence, found.body, headers)
