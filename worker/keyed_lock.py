"""One lock per key, gone when nobody holds or waits for it.

Two messages of one application in one process would only lose races against each other at the record; here they queue
instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class _Hold(Generic[Key]):
    """One user of one lock; a class of its own, because every event takes one."""

    __slots__ = ("_key", "_locks")

    def __init__(self, locks: dict[Key, tuple[asyncio.Lock, int]], key: Key) -> None:
        self._locks = locks
        self._key = key

    async def __aenter__(self) -> None:
        lock, users = self._locks.get(self._key) or (asyncio.Lock(), 0)
        self._locks[self._key] = (lock, users + 1)
        try:
            await lock.acquire()
        except BaseException:
            self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._locks[self._key][0].release()
        self._leave()

    def _leave(self) -> None:
        lock, users = self._locks[self._key]
        if users == 1:
            del self._locks[self._key]
        else:
            self._locks[self._key] = (lock, users - 1)


class KeyedLock(Generic[Key]):
    """Mutual exclusion per key, in the order of arrival."""

    def __init__(self) -> None:
        self._locks: dict[Key, tuple[asyncio.Lock, int]] = {}

    def hold(self, key: Key) -> _Hold[Key]:
        """Hold the lock of ``key`` inside the block of an ``async with``."""
        return _Hold(self._locks, key)

    def __len__(self) -> int:
        return len(self._locks)
