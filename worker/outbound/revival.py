"""An idle replica must become ready again by itself: while a system counts as away and no event asks for it, we do.

A breaker closes with the first call that succeeds. Without events there is no call, and the replica would stay unready
long after the outage. What somebody has to change (``fix``) is left to the next event: a cheap read may be allowed
where the real work is not.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from worker.cancellation import honour_cancellation
from worker.errors import WorkerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from worker.outbound.breaker import Breaker

_LOOK_EVERY = 1.0


async def keep_asking(breaker: Breaker, ask: Callable[[], Awaitable[object]], every: float = _LOOK_EVERY) -> None:
    """Call ``ask``, which goes through ``breaker``, whenever the breaker is open and would let one call pass; for ever.

    Args:
        breaker: The breaker of the system.
        ask: A cheap call of the system.
        every: Seconds between two looks at the breaker.
    """
    while True:
        honour_cancellation()
        await asyncio.sleep(every)
        if breaker.reason and not breaker.fix and breaker.admits:
            try:
                await ask()
            except WorkerError:
                continue  # the breaker has noted it
