"""Cancellations that get lost: on Python 3.11 ``asyncio.wait_for`` swallows one that arrives together with its result.

Every request of the NATS client goes through it, so any loop over such requests can miss the one cancellation that it
is sent and run for ever. A task still counts what it was asked; endless loops look at that count once per round.
"""

from __future__ import annotations

import asyncio


def honour_cancellation() -> None:
    """Raise the cancellation that the current task was sent and something below it has swallowed.

    Call it in endless loops, outside of ``asyncio.timeout`` blocks, whose own cancellations are counted too.

    Raises:
        asyncio.CancelledError: The task was cancelled.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
