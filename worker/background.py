"""Tasks that run beside the main one for the whole life of the process, and the liveness that hangs on them.

A background task that ends has failed, whatever it returned: nothing restarts it, so the process must not look alive.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Any, Self

_log = logging.getLogger(__name__)


class Background:
    """A group of endless tasks; use as an async context manager, which cancels and awaits them at its end."""

    def __init__(self) -> None:
        """Make an empty group."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending = False

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` until the group ends."""
        self._tasks[name] = task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Cancel all tasks and wait until they have ended; harmless if they have."""
        self._ending = True
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def dead(self) -> Mapping[str, str]:
        """Return the tasks that have ended, which only a restart can repair."""
        return {name: "the task has ended" for name, task in self._tasks.items() if task.done() and not self._ending}

    def unready(self) -> Mapping[str, str]:
        """Return nothing: a task either runs or is dead."""
        return {}

    def facts(self) -> Mapping[str, Any]:
        """Return nothing."""
        return {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._ending:
            return
        _log.critical("background task %s has ended", task.get_name(), exc_info=task.exception())
