"""The three things that the worker asks of JetStream, with every failure mapped once to ``worker.errors``.

Raw requests: nats-py reads each stored header block with an e-mail parser, which costs more than the record itself,
and its key-value helper drops TTLs on update. Reads go to the stream's leader: a follower may lag behind, and a
decision on an old record would be made twice.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import nats.errors

from worker.errors import LostRace, Misconfigured, Rejected, Unavailable, WorkerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nats.aio.client import Client

SYSTEM = "nats"
_API = "$JS.API."

# err_code of JetStream's API errors (server/errors.json of nats-server 2.15)
_NO_MESSAGE = 10037
_STREAM_NOT_FOUND = 10059
_WRONG_LAST_SEQUENCE = frozenset({10071, 10164})
_JETSTREAM_NOT_ENABLED = frozenset({10039, 10076})
_TOO_LARGE = frozenset({10054, 10088})
_TTL_DISABLED = 10166


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message of a stream.

    Attributes:
        headers: The raw header block, ``b""`` without one; few readers want it.
    """

    subject: str
    sequence: int
    body: bytes
    headers: bytes = b""


class JetStream:
    """Requests to JetStream over one connection."""

    def __init__(self, client: Client, timeout: float = 5.0) -> None:
        """Use ``client``; wait ``timeout`` seconds for each answer."""
        self._client = client
        self._timeout = timeout

    @property
    def max_payload(self) -> int:
        """Bytes that the connected server takes in one message."""
        return int(self._client.max_payload)

    async def last(self, stream: str, subject: str) -> StoredMessage | None:
        """Return the newest message of ``subject``, or ``None``.

        Raises:
            Misconfigured: The stream does not exist.
            Unavailable: No answer.
        """
        return await self._message(stream, {"last_by_subj": subject})

    async def after(self, stream: str, subjects: str, sequence: int) -> StoredMessage | None:
        """Return the first message from ``sequence`` on whose subject matches ``subjects``, or ``None``.

        Raises:
            Misconfigured: The stream does not exist.
            Unavailable: No answer.
        """
        return await self._message(stream, {"seq": sequence, "next_by_subj": subjects})

    async def info(self, stream: str) -> dict[str, Any]:
        """Return the stream's description: ``created``, ``config``, ``state``.

        Raises:
            Misconfigured: The stream does not exist.
            Unavailable: No answer.
        """
        return await self._api(f"STREAM.INFO.{stream}", b"", stream)

    async def subjects(self, stream: str, wanted: str) -> list[str]:
        """Return the subjects of ``stream`` that match ``wanted`` and have messages (the server names 100,000 at most).

        Raises:
            Misconfigured: The stream does not exist.
            Unavailable: No answer.
        """
        query = json.dumps({"subjects_filter": wanted}).encode()
        info = await self._api(f"STREAM.INFO.{stream}", query, stream)
        return sorted(info["state"].get("subjects") or ())

    async def publish(
        self,
        subject: str,
        body: bytes,
        *,
        stream: str = "",
        message_id: str = "",
        last: int | None = None,
        ttl: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Store a message and return its sequence once the stream has acknowledged it.

        Args:
            subject: Where to.
            body: The payload.
            stream: The stream that is to store it, looked at if nobody takes it.
            message_id: ``Nats-Msg-Id``, for deduplication.
            last: Store it only if this is the sequence of the newest message of ``subject`` (0: none).
            ttl: Whole seconds after which the message goes, 0 for never.
            headers: More headers.

        Raises:
            LostRace: ``last`` was not the newest.
            Rejected: ``message-too-large`` for the stream.
            Misconfigured: No stream listens, or it lacks what is asked for.
            Unavailable: No answer; the message may be stored all the same.
        """
        sent = dict(headers or {})
        if message_id:
            sent["Nats-Msg-Id"] = message_id
        if last is not None:
            sent["Nats-Expected-Last-Subject-Sequence"] = str(last)
        if ttl:
            sent["Nats-TTL"] = str(ttl)
        what = f"the stream of {subject}"
        try:
            answer = await self._request(subject, body, what, sent or None)
        except _NobodyError as failure:
            if not stream:
                raise
            # Nobody listens for a stream that does not exist, nor for one that has no leader just now.
            await self.info(stream)
            raise Unavailable(SYSTEM, f"{what} had no leader, or does not take this subject") from failure
        return int(answer["seq"])

    async def _message(self, stream: str, query: dict[str, Any]) -> StoredMessage | None:
        try:
            answer = await self._api(f"STREAM.MSG.GET.{stream}", json.dumps(query).encode(), stream)
        except _NoMessageError:
            return None
        found = answer["message"]
        return StoredMessage(
            found["subject"],
            found["seq"],
            base64.b64decode(found.get("data", "")),
            base64.b64decode(found.get("hdrs", "")),
        )

    async def _api(self, verb: str, body: bytes, stream: str) -> dict[str, Any]:
        return await self._request(_API + verb, body, f"stream {stream}", None)

    async def _request(self, subject: str, body: bytes, what: str, headers: dict[str, str] | None) -> dict[str, Any]:
        try:
            message = await self._client.request(subject, body, timeout=self._timeout, headers=headers)
        except nats.errors.NoRespondersError as failure:
            raise _NobodyError(what) from failure
        except nats.errors.MaxPayloadError as failure:
            raise Rejected(
                "message-too-large", f"{what}: {len(body)} bytes are more than the broker takes"
            ) from failure
        except TimeoutError as failure:
            raise Unavailable(SYSTEM, f"no answer from {what} within {self._timeout:g} s") from failure
        except (nats.errors.Error, OSError) as failure:
            raise Unavailable(SYSTEM, f"{what}: {type(failure).__name__}: {failure}") from failure
        answer: dict[str, Any] = json.loads(message.data)
        if "error" in answer:
            raise _error(answer["error"], what)
        return answer


class _NoMessageError(WorkerError):
    """The stream has no such message: a result, not an error, for those who read."""


class _NobodyError(Misconfigured):
    """Nobody listens on a subject that a stream, or JetStream itself, should listen on."""

    def __init__(self, what: str) -> None:
        super().__init__(
            SYSTEM,
            f"nobody answers for {what}: the stream does not exist, or JetStream is off",
            fix='run "platform-worker streams apply", or enable JetStream',
        )


def _error(found: Mapping[str, Any], what: str) -> WorkerError:
    """Return the error for an API error of the server; decided on its ``err_code``, then on its ``code``."""
    code, number = found.get("code", 0), found.get("err_code", 0)
    text = f"{what}: {code} {found.get('description', '')} ({number})"
    if number == _NO_MESSAGE:
        return _NoMessageError(text)
    if number in _WRONG_LAST_SEQUENCE:
        return LostRace(what)
    if number in _TOO_LARGE:
        return Rejected("message-too-large", f"the broker refused a message for its size: {text}")
    if number == _STREAM_NOT_FOUND:
        return Misconfigured(SYSTEM, text, fix='run "platform-worker streams apply"')
    if number == _TTL_DISABLED or number in _JETSTREAM_NOT_ENABLED:
        return Misconfigured(SYSTEM, text, fix='run "platform-worker streams check" and correct what it reports')
    # Full disk, lost quorum, exhausted limits and the like: all of them hold for every event.
    return Unavailable(SYSTEM, text)
