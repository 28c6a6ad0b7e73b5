"""Ends background tasks for certain: nothing that `dev` or `demo` has started may keep the process from ending.

One cancellation is not always enough: a library between a task and its end may turn it into a time-out of its own, or
lose it (``worker.cancellation`` has the story). So a task is cancelled again until it has ended, and one that does
not end at all is named instead of waited for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

_log = logging.getLogger(__name__)

#: Seconds until a task that was cancelled is cancelled again, and until it is given up.
_AGAIN, _PATIENCE = 0.5, 10.0


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], *, patience: float = _PATIENCE) -> None:
    """Cancel tasks and wait until they have ended, at most ``patience`` seconds; their errors are of no interest."""
    clock = asyncio.get_running_loop().time
    everything = tuple(tasks)
    left = {task for task in everything if not task.done()}
    deadline = clock() + patience
    while left and clock() < deadline:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN)
    for task in left:
        _log.warning("%s did not end within %g s of its cancellation and is left behind", task.get_name(), patience)
    for task in set(everything) - left:
        if not task.cancelled():
            task.exception()  # looked at, so that the event loop does not complain of it
