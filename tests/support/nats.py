"""The real nats-server for tests: the product's own starter, with the faults that only a test wants.

``kill`` is a crash (SIGKILL, the store stays), ``freeze`` is a server that holds its connections and answers nothing
(SIGSTOP), ``restart`` comes back on the same port with the same store. Where Docker runs, the tests in `tests/nats`
that ask for ``nats_server`` run a second time on the official image.
"""

from __future__ import annotations

import functools
import os
import signal
import socket
import time
from typing import TYPE_CHECKING, Any, Self

import docker
import docker.errors
import pytest

from tests.support.processes import stop_answering, tied
from worker.dev.nats_server import EmbeddedNats

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

_POLL = 0.005


class NatsServer(EmbeddedNats):
    """An `EmbeddedNats` that also starts from synchronous code and can be crashed and frozen."""

    def kill(self) -> None:
        """Crash: SIGKILL, without any notice to clients. `start` or `restart` brings it back with its store."""
        self._kill()

    def freeze(self) -> None:
        """Stop answering without closing anything (SIGSTOP), until `thaw`."""
        stop_answering(self._live())

    def thaw(self) -> None:
        """Go on after `freeze`; everything that clients sent meanwhile is handled now."""
        self._live().send_signal(signal.SIGCONT)

    def configure(self, config: Mapping[str, Any]) -> None:
        """Replace the configuration that was given at first; the next start or `reload` uses it."""
        self._config = dict(config)

    def reload(self) -> None:
        """Let the running server read its configuration again (SIGHUP), for example to revoke credentials."""
        self._write_config()
        self._live().send_signal(signal.SIGHUP)

    async def stop(self, grace: float = 10.0) -> None:
        """Stop as `EmbeddedNats.stop` does; a frozen server is thawed first, or it could not."""
        if self.running:
            self.thaw()
        await super().stop(grace)

    async def restart(self) -> None:
        """Stop, if it runs, and start again on the same port and store."""
        await self.stop()
        await self.start()

    def _command(self, configuration: Path) -> list[str]:
        return tied(super()._command(configuration))

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
def nats_server(request: pytest.FixtureRequest) -> Iterator[NatsServer]:
    """A fresh nats-server with JetStream and an empty store, for this test alone (starts in about 30 ms)."""
    with request.param() if hasattr(request, "param") else NatsServer() as server:
        yield server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the NATS suite on the official image too, where a Docker engine answers."""
    if "nats_server" not in metafunc.fixturenames or "nats" not in metafunc.definition.path.parent.parts:
        return
    if docker_answers():
        servers = [pytest.param(NatsServer, id="wheel"), pytest.param(_image, id="image", marks=pytest.mark.docker)]
        metafunc.parametrize("nats_server", servers, indirect=True)


@functools.cache
def docker_answers() -> bool:
    """Whether a Docker engine can be used."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if host.startswith("unix://") and not _listens(host.removeprefix("unix://")):
        return False
    try:
        client = docker.from_env(timeout=5)  # asks the engine which version of its API they share
    except docker.errors.DockerException:
        return False
    client.close()
    return True


def _listens(path: str) -> bool:
    """Whether somebody listens on a Unix socket: asked here, since Docker's client leaks its own if nobody does."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError:
            return False
        return True


def _image() -> NatsServer:
    from tests.support.nats_image import NatsImage  # imports testcontainers, which takes a while

    return NatsImage()
