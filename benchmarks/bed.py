"""What every benchmark stands on: a fresh broker with the declared streams, and processes under measurement."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import nats
from nats.aio.client import Client
from nats.js import JetStreamContext

from benchmarks.applications import HEADERS, NAMESPACE, applied, body
from contracts import names
from contracts.streams import topology
from worker.bootstrap import apply_streams
from worker.dev.loopback import free_port
from worker.dev.nats_server import EmbeddedNats
from worker.outbound.record_codec import dumps

_TICKS = os.sysconf("SC_CLK_TCK")
_ROOT = Path(__file__).parents[1]


@dataclass
class Broker:
    """A broker and a connection to it."""

    url: str
    client: Client
    js: JetStreamContext

    async def fill(self, apps: int, events: int, components: int = 4) -> None:
        """Record ``apps`` applied applications and publish ``events`` events that change nothing."""
        info = await self.js.stream_info(names.EVENTS_STREAM)
        incarnation = info.created.isoformat() if info.created else ""
        for index in range(apps):
            record = applied(f"app-{index}", components, incarnation)
            key = names.record_key(NAMESPACE, f"app-{index}")
            await self.js.publish(f"$KV.{names.STATE_BUCKET}.{key}", dumps(record))
        await self.publish(range(events), apps, components)

    async def publish(self, numbers: range, apps: int, components: int = 4) -> None:
        """Publish one event per number, round robin over the applications, each newer than the one before."""
        window = 256
        for start in range(numbers.start, numbers.stop, window):
            batch = [self._send(number, apps, components) for number in range(start, min(start + window, numbers.stop))]
            await asyncio.gather(*batch)

    async def _send(self, number: int, apps: int, components: int) -> None:
        name = f"app-{number % apps}"
        subject = names.oam_subject(NAMESPACE, name)
        await self.js.publish(subject, body(name, 2 + number // apps, components), headers=HEADERS)

    async def observe_elsewhere(self) -> None:
        """Hold the lease, as another replica would: what is measured consumes and does not observe."""
        await self.js.publish(f"$KV.{names.STATE_BUCKET}.lease.default", b'{"holder":"another replica"}')

    async def drain_rate(self, events: int, within: float = 600.0) -> float:
        """Return events per second between the first quarter, when all have warmed up, and the last twentieth."""
        marks: dict[str, tuple[float, int]] = {}
        end = time.monotonic() + within
        while time.monotonic() < end:
            info = await self.js.consumer_info(names.EVENTS_STREAM, names.CONSUMER)
            left = (info.num_pending or 0) + (info.num_ack_pending or 0)
            done, now = events - left, time.monotonic()
            if "start" not in marks and done >= events * 0.25:
                marks["start"] = (now, done)
            if done >= events * 0.95:
                began, first = marks["start"]
                return (done - first) / (now - began)
            await asyncio.sleep(0.02)
        raise TimeoutError(f"{events} events were not handled in {within} s")


@asynccontextmanager
async def broker() -> AsyncIterator[Broker]:
    """Start a broker with streams, consumer and bucket."""
    server = EmbeddedNats()
    await server.start()
    try:
        client = await nats.connect(server.url)
        try:
            await apply_streams(client, topology("dev"))
            yield Broker(server.url, client, client.jetstream())
        finally:
            await client.close()
    finally:
        await server.stop()


@dataclass
class Measured:
    """A process under measurement."""

    process: asyncio.subprocess.Process
    port: int
    ready_after: float = 0.0

    def cpu(self) -> float:
        """Return the CPU seconds that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident(self) -> float:
        """Return its resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    async def stop(self) -> None:
        """End it."""
        if self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()


@asynccontextmanager
async def process(module: str, *arguments: str, wait_ready: bool = True, **environment: str) -> AsyncIterator[Measured]:
    """Run ``python -m module``; with ``wait_ready`` until its ``/ready`` answers 200."""
    port = free_port()
    settings = {"HTTP_HOST": "127.0.0.1", "HTTP_PORT": str(port), "LOG_LEVEL": "warning", **environment}
    began = time.monotonic()
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, cwd=_ROOT, env={**os.environ, **settings}
    )
    measured = Measured(child, port)
    try:
        if wait_ready:
            await _ready(measured)
            measured.ready_after = time.monotonic() - began
        yield measured
    finally:
        await measured.stop()


async def _ready(measured: Measured, within: float = 60.0) -> None:
    end = time.monotonic() + within
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < end:
            if measured.process.returncode is not None:
                raise RuntimeError(f"the process ended with {measured.process.returncode} before it was ready")
            try:
                async with session.get(f"http://127.0.0.1:{measured.port}/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.01)
    raise TimeoutError("the process did not become ready")
