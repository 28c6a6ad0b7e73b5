"""Cancellations that get lost: on Python 3.11 ``asyncio.wait_for`` swallows one that arrives together with its result.

Every request of the NATS client goes through it, so any loop over such requests can miss the one cancellation that it
is sent and run for ever. A task still counts what it was asked; endless loops look at that count once per round.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import nats.errors

if TYPE_CHECKING:
    from nats.aio.client import Client

#: Seconds until a task that goes on is cancelled again.
_AGAIN = 0.2


def honour_cancellation() -> None:
    """Raise the cancellation that the current task was sent and something below it has swallowed.

    Call it in endless loops, outside of ``asyncio.timeout`` blocks, whose own cancellations are counted too.

    Raises:
        asyncio.CancelledError: The task was cancelled.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def end(task: asyncio.Task[Any] | None) -> None:
    """Cancel ``task`` again and again until it has ended; its result or error is not looked at.

    A task that misses its one cancellation goes on for ever, and ``asyncio.run`` waits for it: the process never ends.
    """
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_AGAIN)


async def close_for_good(client: Client) -> None:
    """Close a NATS client whatever state it is in, and leave nothing of it behind.

    Its own ``close`` raises what the lost connection has to say if there is anything left to send, and the task that
    connects it again, for ever, may miss its cancellation.
    """
    with contextlib.suppress(nats.errors.Error, OSError):
        await client.close()
    await end(client._reconnection_task)  # noqa: SLF001 - nothing public ends this task
