"""What was asked of the API and what it answered, for tests that count.

"At most one Workflow ever per name" is counted here, at the server, so no behaviour of a client can hide a duplicate.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Entry:
    """One answered request.

    Attributes:
        at: seconds since the epoch, when the answer was ready.
        code: HTTP status; 0 when the connection was dropped instead of an answer.
        committed: whether a write reached the store.
    """

    at: float
    user: str
    verb: str
    path: str
    resource: str
    namespace: str
    name: str
    code: int
    committed: bool


class RequestLog:
    """The last requests in full, and counts of every committed create without limit."""

    def __init__(self, capacity: int = 100_000) -> None:
        """Keep a number of entries; counts of creates are kept for all."""
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self._creates: Counter[tuple[str, str, str]] = Counter()

    def add(
        self, *, user: str, verb: str, path: str, resource: str, namespace: str, name: str, code: int, committed: bool
    ) -> None:
        """Record one request."""
        self._entries.append(Entry(time.time(), user, verb, path, resource, namespace, name, code, committed))
        if committed and verb == "create":
            self._creates[(resource, namespace, name)] += 1

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))

    def entries(self, **wanted: Any) -> list[Entry]:
        """Return the entries whose attributes equal the given ones, oldest first."""
        return [e for e in self._entries if all(getattr(e, name) == value for name, value in wanted.items())]

    def created(self, resource: str, namespace: str, name: str) -> int:
        """Return how often an object of this name was created, ever."""
        return self._creates[(resource, namespace, name)]

    def creates(self, resource: str) -> dict[str, int]:
        """Return ``{"namespace/name": times created}`` of one resource (``workflows.argoproj.io``)."""
        return {f"{ns}/{name}": times for (found, ns, name), times in self._creates.items() if found == resource}

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._creates.clear()

    def as_json(self, **wanted: Any) -> list[dict[str, Any]]:
        """Return ``entries()`` as JSON objects."""
        return [asdict(entry) for entry in self.entries(**wanted)]
