"""A worker process for ``dev`` and ``demo``: the command ``run`` of this very installation, as it runs in a pod.

A process of its own is the real thing: its signals, its probes and its imports are those of a deployed worker.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from worker.dev.loopback import LOOPBACK

_LOOK = 0.05
_GRACE = 15.0
_TAIL = 4_000


class WorkerDidNotStart(RuntimeError):
    """The worker process ended or was not ready in time; the text ends with its log's tail."""


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A running worker.

    Attributes:
        url: Base address of ``/health``, ``/ready`` and ``/metrics``.
        log: File with its output.
    """

    process: asyncio.subprocess.Process
    url: str
    log: Path

    def log_tail(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-_TAIL:]


@asynccontextmanager
async def worker_process(
    variables: Mapping[str, str], http_port: int, log: Path, *, patience: float = 60.0
) -> AsyncIterator[WorkerProcess]:
    """Start a worker, wait until it is ready, and end it (SIGTERM) at the end of the block.

    Args:
        variables: Environment variables that are added to this process's own.
        http_port: Port of its HTTP server.
        log: File that its output is appended to.
        patience: Seconds until a worker that is not ready counts as failed.

    Raises:
        WorkerDidNotStart: It ended, or was not ready in time.
    """
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "worker",
            "run",
            env={**os.environ, **variables},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C in the terminal reaches the command alone, which then ends its parts in order.
            start_new_session=True,
        )
    running = WorkerProcess(process, f"http://{LOOPBACK}:{http_port}", log)
    try:
        await _ready(running, patience)
        yield running
    finally:
        await _end(process)


async def _ready(running: WorkerProcess, patience: float) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0)) as session:
        deadline = asyncio.get_running_loop().time() + patience
        why = "it does not listen"
        while asyncio.get_running_loop().time() < deadline:
            if running.process.returncode is not None:
                raise WorkerDidNotStart(
                    f"the worker ended with code {running.process.returncode}; its log ends:\n{running.log_tail()}"
                )
            try:
                async with session.get(f"{running.url}/ready") as answer:
                    if answer.ok:
                        return
                    why = await answer.text()
            except (aiohttp.ClientError, TimeoutError) as error:
                why = f"it does not answer ({type(error).__name__})"
            await asyncio.sleep(_LOOK)
    raise WorkerDidNotStart(
        f"the worker was not ready within {patience:g} s: {why}; its log ends:\n{running.log_tail()}"
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), _GRACE)
    except TimeoutError:
        process.kill()
        await process.wait()
    finally:
        if process.returncode is None:  # cancelled while it was waited for: nobody is to wait for it any more
            process.kill()
