"""Records in the JetStream key-value bucket: read from the leader, written by compare-and-set.

The bucket is the only memory. If it is lost, an empty record would make the worker plan every application from
nothing, so a key ``_meta`` says which bucket this is: without it the worker does nothing until somebody has run
``state rebuild``.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from typing import TYPE_CHECKING

from contracts.names import EVENTS_STREAM, STATE_BUCKET, escape, record_key
from worker.domain.record import Record
from worker.errors import LostRace, Misconfigured, WorkerError
from worker.outbound.breaker import Breaker, guarded
from worker.outbound.jetstream import SYSTEM, JetStream
from worker.outbound.record_codec import check_size, dumps, loads
from worker.ports import Stored

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from worker.domain.events import AppKey, Delivery
    from worker.outbound.jetstream import StoredMessage

META = "_meta"
#: Tries are forgotten after a day: longer than the retry budget, so that a message cannot outlive its own count.
TRIES_TTL = 86400
#: What headers and subject add to a record on its way to the broker.
_OVERHEAD = 1024
_DELETED = b"KV-Operation"
#: Records of which the decoded form is kept, some 10 KB each; what they say is always read from the broker.
_REMEMBERED = 1024
#: Records that are asked for at the same time.
_AT_ONCE = 64


class StateLost(Misconfigured):
    """The bucket is not the one that the records were written to: decisions on it would be taken at random."""

    def __init__(self, why: str) -> None:
        """Say why the bucket is not believed."""
        super().__init__(
            SYSTEM, f"state lost: {why}", fix='run "platform-worker state rebuild" (or "state rebuild --empty")'
        )


class KvState:
    """The state bucket; implements ``ports.StateStore``."""

    def __init__(
        self,
        jetstream: JetStream,
        *,
        breaker: Breaker | None = None,
        bucket: str = STATE_BUCKET,
        events: str = EVENTS_STREAM,
    ) -> None:
        """Use the bucket ``bucket`` beside the event stream ``events``; call ``open`` before anything else."""
        self.breaker = breaker or Breaker(SYSTEM)
        self._js = jetstream
        self._stream = f"KV_{bucket}"
        self._prefix = f"$KV.{bucket}."
        self._events = events
        self._incarnation = ""
        self._decoded: OrderedDict[str, tuple[bytes, Record]] = OrderedDict()

    async def open(self) -> None:
        """Check that this is the bucket that the records were written to; mark the one of a fresh installation.

        Raises:
            StateLost: The bucket has no mark, although events were handled before, or the mark of another bucket.
            Misconfigured: Bucket or event stream does not exist.
            Unavailable: No answer.
        """
        created = str((await self._js.info(self._stream))["created"])
        mark = await self._last(META)
        if mark is None:
            await self._check_fresh(created)
            await self._mark(created)
        elif (found := _incarnation(mark)) != created:
            raise StateLost(f"the bucket was made at {created}, its mark is of the one made at {found}")
        self._incarnation = created

    async def accept(self) -> None:
        """Mark the bucket as it is as the one to believe, after a rebuild or by decision of the operator.

        Raises:
            Misconfigured: The bucket does not exist.
            Unavailable: No answer.
        """
        created = str((await self._js.info(self._stream))["created"])
        await self._mark(created)
        self._incarnation = created

    @guarded
    async def load(self, app: AppKey) -> Stored:
        """Return the stored record, or an empty one with the revision that its first write must name.

        Raises:
            NewerRecord: A newer worker wrote it.
            StateLost: There is none, and the bucket is not the one that was opened.
            Misconfigured, Unavailable: See ``JetStream``.
        """
        key = record_key(app.namespace, app.name)
        found = await self._js.last(self._stream, self._prefix + key)
        if found is not None and not _is_deleted(found):
            return Stored(self._decode(found.body, key), found.sequence)
        # No record: a new application, or a bucket that somebody made anew under a running worker.
        await self._check_mark()
        return Stored(Record(app), found.sequence if found else 0)

    @guarded
    async def save(self, record: Record, revision: int) -> int:
        """Write ``record`` if the stored revision is still ``revision``; return the new revision.

        Raises:
            LostRace: It is not. Also when this very write was stored before and its answer was lost.
            Rejected: ``record-too-large``.
            Misconfigured, Unavailable: See ``JetStream``.
        """
        body = dumps(record)
        check_size(body, self._js.max_payload - _OVERHEAD)
        key = record_key(record.app.namespace, record.app.name)
        saved = await self._js.publish(self._prefix + key, body, stream=self._stream, last=revision)
        self._remember(key, body, record)
        return saved

    async def restore(self, record: Record) -> bool:
        """Write a record that was rebuilt, unless the bucket has one that is as new; for a bucket without a mark.

        Raises:
            LostRace: Somebody else writes records.
            NewerRecord, Misconfigured, Unavailable: See ``load``.
        """
        key = record_key(record.app.namespace, record.app.name)
        found = await self._js.last(self._stream, self._prefix + key)
        if found is not None and not _is_deleted(found):
            there = loads(found.body, key)
            if there.order is not None and (record.order is None or not record.order.newer_than(there.order)):
                return False
        last = found.sequence if found else 0
        await self._js.publish(self._prefix + key, dumps(record), stream=self._stream, last=last)
        return True

    @guarded
    async def neighbours(self, namespace: str) -> Mapping[str, Stored]:
        """Return all records of a namespace by application name.

        Raises:
            NewerRecord: A newer worker wrote one of them.
            Misconfigured, Unavailable: See ``JetStream``.
        """
        subjects = await self._js.subjects(self._stream, f"{self._prefix}app.{escape(namespace)}.*")
        known: dict[str, Stored] = {}
        # Side by side: one after another, a namespace of some hundred applications would take a second.
        for start in range(0, len(subjects), _AT_ONCE):
            asked = (self._js.last(self._stream, subject) for subject in subjects[start : start + _AT_ONCE])
            for found in await asyncio.gather(*asked):
                if found is not None and not _is_deleted(found):
                    record = self._decode(found.body, found.subject.removeprefix(self._prefix))
                    known[record.app.name] = Stored(record, found.sequence)
        return known

    async def all(self, unreadable: Callable[[str, WorkerError], None] | None = None) -> AsyncIterator[Stored]:
        """Yield every record, oldest write first; one that is written meanwhile may come twice, the newer one last.

        Args:
            unreadable: Told of each record that cannot be read, in place of the error; ``None`` raises it.

        Raises:
            NewerRecord: A newer worker wrote one of them.
            Misconfigured, Unavailable: See ``JetStream``.
        """
        async for stored in self._walk("app.*.*", unreadable):
            yield stored

    @guarded
    async def add(self, delivery: Delivery) -> int:
        """Count one more unexpected failure of a message, over all workers, and return how many there are.

        Raises:
            Misconfigured, Unavailable: See ``JetStream``.
        """
        subject = f"{self._prefix}tries.{delivery.sequence}"
        while True:
            found = await self._js.last(self._stream, subject)
            tries = _tries(found, delivery) + 1
            body = json.dumps({"delivery": delivery.key, "tries": tries}).encode()
            last = found.sequence if found else 0
            try:
                await self._js.publish(subject, body, stream=self._stream, last=last, ttl=TRIES_TTL)
            except LostRace:
                # Another worker counts the same message; as many rounds as there are workers.
                continue
            return tries

    def _decode(self, body: bytes, key: str) -> Record:
        """Decode a record, unless these very bytes were decoded or written here before: half of what a load costs."""
        known = self._decoded.get(key)
        if known is None or known[0] != body:
            known = (body, loads(body, key))
        self._remember(key, *known)
        return known[1]

    def _remember(self, key: str, body: bytes, record: Record) -> None:
        self._decoded[key] = (body, record)
        self._decoded.move_to_end(key)
        if len(self._decoded) > _REMEMBERED:
            self._decoded.popitem(last=False)

    async def _walk(
        self, keys: str, unreadable: Callable[[str, WorkerError], None] | None = None
    ) -> AsyncIterator[Stored]:
        sequence = 1
        while (found := await self._js.after(self._stream, self._prefix + keys, sequence)) is not None:
            sequence = found.sequence + 1
            if _is_deleted(found):
                continue
            key = found.subject.removeprefix(self._prefix)
            try:
                record = loads(found.body, key)
            except WorkerError as failure:
                if unreadable is None:
                    raise
                unreadable(key, failure)
            else:
                yield Stored(record, found.sequence)

    async def _last(self, key: str) -> StoredMessage | None:
        found = await self._js.last(self._stream, self._prefix + key)
        return None if found is None or _is_deleted(found) else found

    async def _check_mark(self) -> None:
        mark = await self._last(META)
        if mark is not None and self._incarnation and _incarnation(mark) == self._incarnation:
            return
        # Another bucket than at the start: lost, or rebuilt and accepted meanwhile.
        created = str((await self._js.info(self._stream))["created"])
        if mark is None or _incarnation(mark) != created:
            raise StateLost("the bucket was made anew while this worker ran")
        self._incarnation = created

    async def _check_fresh(self, created: str) -> None:
        """Accept a bucket without a mark only if no event can have been handled with another one."""
        if await self._js.after(self._stream, f"{self._prefix}app.*.*", 1) is not None:
            raise StateLost("the bucket has records, but no mark")
        events = await self._js.info(self._events)
        if events["state"]["last_seq"] > 0 and created > str(events["created"]):
            raise StateLost(
                f"the bucket is empty and was made at {created}, after the event stream ({events['created']}) that "
                f"has had {events['state']['last_seq']} events"
            )

    async def _mark(self, created: str) -> None:
        body = json.dumps({"incarnation": created}).encode()
        await self._js.publish(self._prefix + META, body, stream=self._stream)


def _incarnation(mark: StoredMessage) -> str:
    try:
        found = json.loads(mark.body)
    except ValueError:
        return ""
    return str(found.get("incarnation", "")) if isinstance(found, dict) else ""


def _is_deleted(message: StoredMessage) -> bool:
    return _DELETED in message.headers


def _tries(found: StoredMessage | None, delivery: Delivery) -> int:
    """Return the count so far; a recreated stream counts its sequences anew, so the delivery's key must match."""
    try:
        count = json.loads(found.body) if found else {}
    except ValueError:
        count = {}
    return int(count["tries"]) if count.get("delivery") == delivery.key else 0
