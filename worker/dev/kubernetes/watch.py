"""Watches: a position in a resource's log of changes, turned into a stream of JSON lines.

A watch keeps no queue of its own. It sleeps until the log grows and reads on from its position, so a slow reader costs
no memory; when the log has dropped what it still needed it is told 410, as by a real server.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from worker.dev.kubernetes import selectors, status
from worker.dev.kubernetes.objects import JsonObject, encode
from worker.dev.kubernetes.selectors import Selection
from worker.dev.kubernetes.status import Cause
from worker.dev.kubernetes.store import Event, Store, Stored, Table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from worker.dev.kubernetes.call import Call

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
_BOOKMARK_EVERY = 60.0
_BOOKMARK_BEFORE_END = 2.0
_DEFAULT_TIMEOUT = 1800.0


def _line(kind: str, body: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + body + b"}\n"


class Watch:
    """One watch request.

    Raises (constructor):
        ApiError: 400 for malformed parameters.
    """

    def __init__(self, store: Store, call: Call) -> None:
        """Take position: a watch misses nothing that is written after this."""
        self._store = store
        self._call = call
        self._selection = selectors.parse(call.query.get("labelSelector", ""), call.query.get("fieldSelector", ""))
        if call.name:
            self._selection = Selection(
                self._selection.labels, (*self._selection.fields, ("metadata.name", True, call.name))
            )
        self._bookmarks = call.flag("allowWatchBookmarks")
        self._initial = call.flag("sendInitialEvents")
        revision = call.query.get("resourceVersion", "")
        timeout = call.query.get("timeoutSeconds", "") or "0"
        if not (revision or "0").isdecimal():
            why = f'strconv.ParseUint: parsing "{revision}": invalid syntax'
            raise status.ApiError(500, "", f'resourceVersion: Invalid value: "{revision}": {why}')
        if not timeout.isdecimal():
            raise status.bad_request(f'strconv.ParseInt: parsing "{timeout}": invalid syntax')
        if self._initial and call.query.get("resourceVersionMatch") != "NotOlderThan":
            message = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            raise status.invalid_options("ListOptions", Cause("resourceVersionMatch", "FieldValueForbidden", message))
        self._from = int(revision or 0)
        self._timeout = float(timeout) or _DEFAULT_TIMEOUT
        self._table = store.open(call.resource.key)
        self._start = self._starting_state()

    def _starting_state(self) -> tuple[int, list[Stored], int]:
        table = self._table
        if self._from and not self._initial:
            return table.position_after(self._from), [], self._from
        return table.end, [s for s in table.select(self._call.namespace) if self._wants(s)], self._store.revision

    def _wants(self, stored: Stored) -> bool:
        namespace = self._call.namespace
        return (namespace is None or stored.namespace == namespace) and self._selection.matches(stored)

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield chunks of whole lines until the watch times out or is expired."""
        table = self._table
        position, initial, revision = self._start
        if self._from and not self._initial and self._from < table.oldest:
            yield self._error(f"too old resource version: {self._from} ({table.oldest})")
            return
        if initial:
            yield b"".join(_line("ADDED", stored.body) for stored in initial)
        if self._initial:
            yield self._bookmark(revision, {INITIAL_EVENTS_END: "true"})
        deadline = asyncio.get_running_loop().time() + self._timeout
        async for events in self._batches(table, position, deadline):
            if events is None:
                yield self._error(f"too old resource version: {revision} ({table.oldest})")
                return
            if events:
                revision = events[-1].revision
                chunk = b"".join(self._translate(events))
                if chunk:
                    yield chunk
            elif self._bookmarks and self._store.revision > self._start[2]:
                # Nothing is waiting in the log, so all up to the store's revision has been told.
                yield self._bookmark(self._store.revision)

    async def _batches(self, table: Table, position: int, deadline: float) -> AsyncIterator[list[Event] | None]:
        """Yield new changes as they come, an empty list when a bookmark is due, None when changes were lost."""
        clock = asyncio.get_running_loop().time
        wake = asyncio.Event()
        table.waiters.add(wake)
        next_bookmark = _next_bookmark(clock(), deadline)
        try:
            while True:
                wake.clear()
                events = table.since(position)
                if events is None:
                    yield None
                    return
                if events:
                    position += len(events)
                    yield events
                    continue
                if clock() >= deadline:
                    return
                if clock() >= next_bookmark:
                    next_bookmark = _next_bookmark(clock(), deadline)
                    yield []
                    continue
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), min(next_bookmark, deadline) - clock())
        finally:
            table.waiters.discard(wake)

    def _translate(self, events: list[Event]) -> Iterator[bytes]:
        for event in events:
            before = event.previous is not None and self._wants(event.previous)
            after = event.current is not None and self._wants(event.current)
            if after:
                yield _line("MODIFIED" if before else "ADDED", event.final.body)
            elif before and event.previous is not None:
                yield _line("DELETED", self._last_seen(event, event.previous))

    @staticmethod
    def _last_seen(event: Event, previous: Stored) -> bytes:
        """An object that left the selection is shown as it was, at the revision at which it left."""
        if event.current is None:
            return event.final.body
        return Stored.of(previous.value(), event.revision).body

    def _bookmark(self, revision: int, annotations: dict[str, str] | None = None) -> bytes:
        resource = self._call.resource
        metadata: JsonObject = {"resourceVersion": str(revision)}
        if annotations:
            metadata["annotations"] = annotations
        return _line(
            "BOOKMARK", encode({"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata})
        )

    @staticmethod
    def _error(message: str) -> bytes:
        return _line("ERROR", encode(status.expired(message).status()))


def _next_bookmark(now: float, deadline: float) -> float:
    """Return when the next bookmark is due: every minute, and shortly before the watch ends."""
    near_end = deadline - _BOOKMARK_BEFORE_END
    regular = now + _BOOKMARK_EVERY
    return min(regular, near_end) if near_end > now else regular
