"""The real nats-server for tests: the product's own starter, with the faults that only a test wants.

``kill`` is a crash (SIGKILL, the store stays), ``freeze`` is a server that holds its connections and answers nothing
(SIGSTOP), ``restart`` comes back on the same port with the same store.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Self

import pytest

from worker.dev.nats_server import EmbeddedNats

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_POLL = 0.005


class NatsServer(EmbeddedNats):
    """An `EmbeddedNats` that also starts from synchronous code and can be crashed and frozen."""

    def kill(self) -> None:
        """Crash: SIGKILL, without any notice to clients. `start` or `restart` brings it back with its store."""
        self._kill()

    def freeze(self) -> None:
        """Stop answering without closing anything (SIGSTOP), until `thaw`."""
        self._live().send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`; everything that clients sent meanwhile is handled now."""
        self._live().send_signal(signal.SIGCONT)

    async def stop(self, grace: float = 10.0) -> None:
        """Stop as `EmbeddedNats.stop` does; a frozen server is thawed first, or it could not."""
        if self.running:
            self.thaw()
        await super().stop(grace)

    async def restart(self) -> None:
        """Stop, if it runs, and start again on the same port and store."""
        await self.stop()
        await self.start()

    def __enter__(self) -> Self:
        self._spawn()
        try:
            while not self._ready():
                time.sleep(_POLL)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()
        self._delete_folder()


@pytest.fixture
def nats_server() -> Iterator[NatsServer]:
    """A fresh nats-server with JetStream and an empty store, for this test alone (starts in about 30 ms)."""
    with NatsServer() as server:
        yield server
