"""The one place where a command gets at NATS: connects, runs one coroutine, disconnects."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from worker.outbound.desk import Desk

T = TypeVar("T")


def with_desk(work: Callable[[Desk], Awaitable[T]]) -> T:
    """Run ``work`` with a connected desk and return its result.

    Raises:
        SettingsError: The environment does not fit.
        Unavailable: NATS does not answer.
    """
    from worker.outbound.desk import open_desk  # noqa: PLC0415 - only commands that talk to NATS pay for its client
    from worker.settings import Settings  # noqa: PLC0415

    async def session() -> T:
        async with open_desk(Settings.from_environment(os.environ)) as desk:
            return await work(desk)

    return asyncio.run(session())
