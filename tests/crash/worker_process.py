"""One worker as the tests see it: a process with a log, three addresses and a few signals."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

_PATIENCE = aiohttp.ClientTimeout(total=20)
_LISTENING = re.compile(r'"message": "listening".*"port": (\d+)')


@dataclass
class WorkerProcess:
    """One worker process; its log is kept for failures."""

    process: asyncio.subprocess.Process
    log: Path

    @property
    def pid(self) -> int:
        """Process id."""
        return self.process.pid

    @property
    def over(self) -> bool:
        """Whether the process has ended."""
        return self.process.returncode is not None

    @property
    def frozen(self) -> bool:
        """Whether the process is stopped by a signal."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        except (FileNotFoundError, ProcessLookupError):
            return False  # it has ended

    def freeze(self) -> None:
        """Stop it without notice, until ``thaw``."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on."""
        self.process.send_signal(signal.SIGCONT)

    async def ask(self, path: str) -> tuple[int, str]:
        """Return status and body of ``/health``, ``/ready`` or ``/metrics``; status 0 while nobody listens."""
        listening = _LISTENING.search(self.log.read_text())
        if listening is None:
            return 0, ""
        url = f"http://127.0.0.1:{listening[1]}{path}"
        # A frozen process takes the connection and says nothing.
        async with aiohttp.ClientSession(timeout=_PATIENCE) as session, session.get(url) as answer:
            return answer.status, await answer.text()

    async def metric(self, name: str, **labels: str) -> float:
        """Return the value of one of the worker's metrics, 0 if there is none yet."""
        _, text = await self.ask("/metrics")
        wanted = f"platform_worker_{name}"
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == wanted and labels.items() <= sample.labels.items()
        )

    async def is_ready(self) -> bool:
        """Whether it takes messages in."""
        return (await self.ask("/ready"))[0] == HTTPStatus.OK

    async def ended(self, within: float) -> int:
        """Wait for its end and return its exit code."""
        return await asyncio.wait_for(self.process.wait(), within)

    async def stop(self) -> None:
        """Ask it to end, and make sure that it has."""
        if not self.over:
            self.thaw()
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 15)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):  # it has ended by itself just now
                    self.process.kill()
                await self.process.wait()
