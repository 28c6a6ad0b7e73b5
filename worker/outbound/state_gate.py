"""Nothing is taken in before the record store has been found to be the one that the records were written to.

A lost bucket looks like a fresh one, and deciding on empty records would provision everything anew. So the store is
opened before the first message; while that fails the process stays up, tells why it is not ready, and looks again: an
operator who runs ``state rebuild`` does not have to restart it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from worker.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from worker.outbound.breaker import Breakers
    from worker.outbound.state_kv import KvState

_log = logging.getLogger(__name__)
_LOOK_AGAIN = 2.0


class StateGate:
    """Admission: the breakers, and behind them the store that must have been opened once."""

    def __init__(self, breakers: Breakers) -> None:
        """Let nothing in until ``open_store`` has ended."""
        self._breakers = breakers
        self._opened = asyncio.Event()
        self._why = "the record store has not been looked at yet"

    async def open_store(self, store: KvState) -> None:
        """Open ``store``, however long it takes; return once it is open."""
        while not self._opened.is_set():
            try:
                await store.open()
            except (Misconfigured, Unavailable) as error:
                fix = f" (fix: {error.fix})" if isinstance(error, Misconfigured) else ""
                if self._why != f"{error}{fix}":
                    _log.error("the record store cannot be used: %s%s", error, fix)
                self._why = f"{error}{fix}"
                await asyncio.sleep(_LOOK_AGAIN)
            else:
                self._why = ""
                self._opened.set()

    @property
    def open(self) -> bool:
        """Whether messages may be taken in now."""
        return self._opened.is_set() and self._breakers.open

    async def wait(self) -> None:
        """Return when messages may be taken in, or when the caller is the one that may ask."""
        await self._opened.wait()
        await self._breakers.wait()

    @property
    def unready(self) -> str:
        """Why nothing is taken in; ``""`` normally."""
        return self._why or self._breakers.unready
