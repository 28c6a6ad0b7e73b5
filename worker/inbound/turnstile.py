"""Many messages at once, or one suspect alone.

A message that was delivered very often without being settled may be the one that kills the process. Handled alone,
it no longer drags down the delivery counts of innocent neighbours, and the next crash names it.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Turnstile:
    """Shared entry for all, exclusive entry for one; a waiting suspect stops further shared entries."""

    def __init__(self) -> None:
        self._shared = 0
        self._alone = False
        self._suspects = 0
        self._changed = asyncio.Event()

    @property
    def closed(self) -> bool:
        """Whether a suspect is inside or waiting: nothing more should be pulled now."""
        return self._suspects > 0

    @asynccontextmanager
    async def enter(self, *, alone: bool) -> AsyncIterator[None]:
        """Stay inside for the length of the block, with others or ``alone``."""
        if alone:
            await self._enter_alone()
            try:
                yield
            finally:
                self._alone = False
                self._suspects -= 1
                self._wake()
            return
        while self._suspects:
            await self._changed.wait()
        self._shared += 1
        try:
            yield
        finally:
            self._shared -= 1
            if self._suspects:
                self._wake()

    async def _enter_alone(self) -> None:
        self._suspects += 1
        try:
            while self._shared or self._alone:
                await self._changed.wait()
        except BaseException:
            self._suspects -= 1
            self._wake()
            raise
        self._alone = True

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
