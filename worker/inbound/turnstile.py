"""Many messages at once, or one suspect alone.

A message that was delivered very often without being settled may be the one that kills the process. Handled alone,
it no longer drags down the delivery counts of innocent neighbours, and the next crash names it.
"""

from __future__ import annotations

import asyncio


class Turnstile:
    """Shared entry for all, exclusive entry for one; a waiting suspect stops further shared entries."""

    def __init__(self) -> None:
        self._shared = 0
        self._inside = False
        self._suspects = 0
        self._changed = asyncio.Event()

    @property
    def closed(self) -> bool:
        """Whether a suspect is inside or waiting: nothing more should be pulled now."""
        return self._suspects > 0

    async def enter(self, *, alone: bool) -> None:
        """Wait for the turn; ``leave`` must follow with the same ``alone``."""
        if alone:
            self._suspects += 1
            try:
                while self._shared or self._inside:
                    await self._changed.wait()
            except BaseException:
                self._suspects -= 1
                self._wake()
                raise
            self._inside = True
            return
        while self._suspects:
            await self._changed.wait()
        self._shared += 1

    def leave(self, *, alone: bool) -> None:
        """Let the next ones in."""
        if alone:
            self._inside = False
            self._suspects -= 1
            self._wake()
            return
        self._shared -= 1
        if self._suspects:
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
