"""Keys to look at, each at most once at a time: what client-go calls a workqueue.

A key that is added while it is worked on is handed out again afterwards, so no change is missed and none is handled
twice at once.
"""

from __future__ import annotations

import asyncio


class WorkQueue:
    """A queue of distinct keys."""

    def __init__(self) -> None:
        """Start empty."""
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        self._dirty: set[str] = set()
        self._busy: set[str] = set()

    def add(self, key: str) -> None:
        """Ask for a look at a key."""
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._busy:
            self._waiting.put_nowait(key)

    async def get(self) -> str:
        """Return the next key; `done` must follow."""
        key = await self._waiting.get()
        self._dirty.discard(key)
        self._busy.add(key)
        return key

    def done(self, key: str) -> None:
        """Tell that the look at a key has ended."""
        self._busy.discard(key)
        if key in self._dirty:
            self._waiting.put_nowait(key)
