"""One run of a container as a local process: started into its log, ended as a container runtime ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

from tests.support.processes import tied

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Process:
    """A running process; it leads a session of its own, so that its children end with it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._exit = asyncio.ensure_future(process.wait())

    @classmethod
    async def start(cls, argv: list[str], env: Mapping[str, str], cwd: Path, log: Path) -> Process:
        """Start ``argv``; what it writes goes to ``log``.

        Raises:
            OSError: it cannot be started.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *tied(argv),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )
        return cls(process)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def wait(self) -> int:
        """Return the exit code once it has ended; negative if a signal ended it."""
        return await asyncio.shield(self._exit)

    async def end(self, grace: float) -> int:
        """Ask it to end (SIGTERM to the process alone), after ``grace`` seconds end it with its children (SIGKILL)."""
        if self._process.returncode is None:
            self._process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._exit), grace)
        return await self.kill()

    async def kill(self) -> int:
        """End it and what is left of its children at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return await self._exit
