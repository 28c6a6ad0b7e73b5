"""Keep a JetStream consumer paused until told to stop: ``python pause_consumer.py STREAM CONSUMER SECONDS MESSAGES``.

Makes a backlog on purpose, for test-autoscaling.sh: a worker that keeps up with everything is never scaled. It says
``paused``, then ``backlog`` once so many messages wait; on SIGTERM it lets the consumer go on. A pause ends by itself
after some seconds, so that a test that is killed leaves nothing behind. The server is that of NATS_URL.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import nats

if TYPE_CHECKING:
    from nats.aio.client import Client

#: Seconds between two looks at the backlog.
_POLL = 0.05


class Refused(Exception):
    """The server did not do what it was asked; the text is its answer."""


async def pause(client: Client, stream: str, consumer: str, seconds: float) -> None:
    """Pause a consumer for some seconds from now on; for 0 seconds it goes on.

    Raises:
        Refused: there is no such consumer, or the server is older than 2.11 and knows no pauses.
    """
    until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    request = {"pause_until": until.isoformat().replace("+00:00", "Z")} if seconds else {}
    answer = await _ask(client, f"$JS.API.CONSUMER.PAUSE.{stream}.{consumer}", request)
    if bool(answer.get("paused")) != bool(seconds):
        raise Refused(f"{stream} {consumer}: {answer}")


async def waiting(client: Client, stream: str, consumer: str) -> int:
    """Return how many messages a consumer has not acknowledged, delivered or not: what KEDA calls its lag.

    Raises:
        Refused: there is no such consumer.
    """
    answer = await _ask(client, f"$JS.API.CONSUMER.INFO.{stream}.{consumer}", {})
    return int(answer["num_pending"]) + int(answer["num_ack_pending"])


async def keep(stream: str, consumer: str, seconds: float, messages: int) -> None:
    """Pause a consumer, tell of its backlog, and let it go on when a signal asks for it.

    Raises:
        Refused: it could not be paused, or could not go on.
    """
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    client = await nats.connect(os.environ["NATS_URL"])
    try:
        await pause(client, stream, consumer, seconds)
        print("paused", flush=True)
        while not told.is_set() and await waiting(client, stream, consumer) < messages:  # noqa: ASYNC110 - NATS tells nobody
            await asyncio.sleep(_POLL)
        print("backlog", flush=True)
        await told.wait()
        await pause(client, stream, consumer, 0)
    finally:
        await client.close()


async def _ask(client: Client, subject: str, request: dict[str, str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads((await client.request(subject, json.dumps(request).encode(), timeout=10)).data)
    if "error" in answer:
        raise Refused(f"{subject}: {answer['error']}")
    return answer


def main() -> int:
    """Run the command line; return its exit code."""
    stream, consumer, seconds, messages = sys.argv[1:]
    try:
        asyncio.run(keep(stream, consumer, float(seconds), int(messages)))
    except Refused as error:
        print(f"pause-consumer: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
