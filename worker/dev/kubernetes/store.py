"""The state of the cluster: objects at rest as JSON bytes, one revision counter, and the log that watches read.

Bytes are immutable, so nothing that a reader holds can change under it; they are also about a quarter of the memory of
the parsed object, and answers to GET, LIST and WATCH need no encoding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from worker.dev.kubernetes.objects import JsonObject, decode, encode

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

StorageKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of one object.

    ``revision`` is the number in its ``metadata.resourceVersion``.
    """

    namespace: str
    name: str
    uid: str
    revision: int
    labels: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, value: JsonObject, revision: int | None) -> Stored:
        """Freeze an object at a revision; without one it is the answer to a dry run of a create."""
        metadata = value["metadata"]
        metadata.pop("resourceVersion", None)
        if revision is not None:
            metadata["resourceVersion"] = str(revision)
        labels = metadata.get("labels") or {}
        return cls(
            metadata.get("namespace", ""), metadata["name"], metadata["uid"], revision or 0, labels, encode(value)
        )

    def value(self) -> JsonObject:
        """Return a copy of the object that the caller may change."""
        value: JsonObject = decode(self.body)
        return value


@dataclass(frozen=True, slots=True)
class Event:
    """One change: ``current`` is None after a delete (``previous`` then carries the revision of the delete)."""

    revision: int
    previous: Stored | None
    current: Stored | None
    final: Stored


@dataclass(slots=True)
class Table:
    """All objects of one resource and the last changes to them.

    Attributes:
        opened: revision at which the resource came to be served; a watch from before is refused as expired.
        capacity: how many changes are remembered at least; up to twice as many are kept.
    """

    opened: int
    capacity: int
    objects: dict[tuple[str, str], Stored] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    dropped: int = 0
    waiters: set[asyncio.Event] = field(default_factory=set)

    @property
    def oldest(self) -> int:
        """The oldest revision from which a watch can still be resumed."""
        return self.opened

    def append(self, event: Event) -> None:
        """Remember a change and wake every watch."""
        self.events.append(event)
        if len(self.events) > 2 * self.capacity:
            self.opened = self.events[self.capacity - 1].revision
            del self.events[: self.capacity]
            self.dropped += self.capacity
        for waiter in self.waiters:
            waiter.set()

    @property
    def end(self) -> int:
        """Position after the last change."""
        return self.dropped + len(self.events)

    def position_after(self, revision: int) -> int:
        """Return the position of the first change that is newer than a revision."""
        low, high = 0, len(self.events)
        while low < high:
            middle = (low + high) // 2
            if self.events[middle].revision <= revision:
                low = middle + 1
            else:
                high = middle
        return self.dropped + low

    def since(self, position: int) -> list[Event] | None:
        """Return the changes from a position on, or None when they are forgotten already."""
        if position < self.dropped:
            return None
        return self.events[position - self.dropped :]

    def select(self, namespace: str | None) -> Iterator[Stored]:
        """Yield objects in etcd's key order, of one namespace or (None) of all."""
        for key in sorted(self.objects):
            if namespace is None or key[0] == namespace:
                yield self.objects[key]


class Store:
    """Tables by resource under one revision counter, as etcd has it."""

    def __init__(self, *, history: int = 4096) -> None:
        """Create an empty store.

        Args:
            history: changes remembered per resource for watches that resume.
        """
        self._history = history
        self._tables: dict[StorageKey, Table] = {}
        self.revision = 1

    def open(self, key: StorageKey) -> Table:
        """Return the table of a resource, made when it is new."""
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = Table(opened=self.revision, capacity=self._history)
        return table

    def close(self, key: StorageKey) -> None:
        """Forget a resource with all its objects; its watches end."""
        table = self._tables.pop(key, None)
        if table is not None:
            for stored in list(table.select(None)):
                self._remove(table, stored, stored.value())

    def get(self, key: StorageKey, namespace: str, name: str) -> Stored | None:
        """Return an object or None."""
        return self.open(key).objects.get((namespace, name))

    def next(self, value: JsonObject) -> Stored:
        """Freeze an object at the revision that the next write will have."""
        return Stored.of(value, self.revision + 1)

    def put(self, key: StorageKey, stored: Stored) -> Stored:
        """Store what ``next`` has frozen and tell the watches."""
        table = self.open(key)
        self.revision = stored.revision
        place = (stored.namespace, stored.name)
        previous = table.objects.get(place)
        table.objects[place] = stored
        table.append(Event(self.revision, previous, stored, stored))
        return stored

    def remove(self, key: StorageKey, stored: Stored, value: JsonObject | None = None) -> Stored:
        """Remove an object; returns its last state, at the revision of the removal."""
        return self._remove(self.open(key), stored, value if value is not None else stored.value())

    def _remove(self, table: Table, stored: Stored, value: JsonObject) -> Stored:
        self.revision += 1
        final = Stored.of(value, self.revision)
        del table.objects[(stored.namespace, stored.name)]
        table.append(Event(self.revision, stored, None, final))
        return final
