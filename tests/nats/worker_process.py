"""A worker process with a handler that only sleeps: what the shutdown suite sends signals to.

Run as ``python -m tests.nats.worker_process SECONDS GRACE``; writes one line per thing that happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import TYPE_CHECKING

from tests.nats.conftest import ACK, DURABLE, STREAM, SUBJECTS, CountingMetrics, MemoryTries, OpenAdmission
from worker.inbound.subscriber import Collaborators, Inbound, InboundOptions
from worker.outbound.nats_connection import NatsConnection
from worker.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nats.aio.client import Client

    from worker.domain.events import InboundMessage
    from worker.errors import Rejected
    from worker.ports import Outcome


def tell(what: str) -> None:
    print(what, flush=True)


class Sleeper:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def handle(self, message: InboundMessage) -> Outcome:
        tell(f"started {message.delivery.sequence}")
        await asyncio.sleep(self.seconds)
        tell(f"done {message.delivery.sequence}")
        return ACK

    async def reject(self, message: InboundMessage, error: Rejected) -> Outcome:
        raise NotImplementedError


@contextlib.asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    tell("serving")
    yield
    tell("left")


async def main(seconds: float, grace: float) -> None:
    settings = Settings.from_environment(os.environ)
    connection = NatsConnection(settings)

    async def collaborate(_: Client) -> Collaborators:
        tell("connected")
        return Collaborators(Sleeper(seconds), OpenAdmission(), MemoryTries())

    inbound = Inbound(
        InboundOptions(STREAM, DURABLE, SUBJECTS, max_in_flight=4, grace=grace),
        connection.dial,
        collaborate=collaborate,
        keep=connection.keep,
        metrics=CountingMetrics(),
    )
    await inbound.application(lifespan).run()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), float(sys.argv[2])))
