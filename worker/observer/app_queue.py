"""Which applications must be looked at: each at most once at a time, whatever arrives about it meanwhile.

Observations of one application are handled one after the other, those of different ones concurrently. A key that is
added while it is being worked on is handed out again afterwards, so nothing that arrives in between is lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

Key = TypeVar("Key")


class AppQueue(Generic[Key]):
    """A queue of keys without duplicates; not for use from several threads."""

    def __init__(self) -> None:
        self._ready: deque[Key] = deque()
        self._waiting: set[Key] = set()
        self._working: set[Key] = set()
        self._available = asyncio.Event()
        self._timers: dict[Key, asyncio.TimerHandle] = {}

    def add(self, key: Key) -> None:
        """Ask that ``key`` be looked at, now or, if it is being worked on, once more after that."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._waiting:
            return
        self._waiting.add(key)
        if key not in self._working:
            self._hand_out(key)

    def add_later(self, key: Key, seconds: float) -> None:
        """Ask for ``key`` after a pause; an earlier ``add`` cancels the pause."""
        if key not in self._timers and key not in self._waiting:
            self._timers[key] = asyncio.get_running_loop().call_later(seconds, self.add, key)

    async def take(self) -> Key:
        """Wait for a key that nobody works on; ``done`` must follow."""
        while not self._ready:
            self._available.clear()
            await self._available.wait()
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._working.add(key)
        return key

    def done(self, key: Key) -> None:
        """Say that the work on ``key`` is over, however it ended."""
        self._working.discard(key)
        if key in self._waiting:
            self._hand_out(key)

    def close(self) -> None:
        """Forget all pauses."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting, paused or being worked on."""
        return not (self._waiting or self._working or self._timers)

    def _hand_out(self, key: Key) -> None:
        self._ready.append(key)
        self._available.set()
