"""Pause a JetStream consumer, or let it go on: ``python pause_consumer.py STREAM CONSUMER SECONDS`` (0: go on).

Makes a backlog on purpose, for test-autoscaling.sh: a worker that keeps up with everything is never scaled. A pause
ends by itself, so that a test that is killed leaves nothing behind. The server is that of NATS_URL.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import sys

import nats


class Refused(Exception):
    """The server did not pause the consumer; the text is its answer."""


async def pause(stream: str, consumer: str, seconds: float) -> None:
    """Pause a consumer for some seconds from now on; for 0 seconds it goes on.

    Raises:
        Refused: there is no such consumer, or the server is older than 2.11 and knows no pauses.
    """
    client = await nats.connect(os.environ["NATS_URL"])
    try:
        until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
        request = {"pause_until": until.isoformat().replace("+00:00", "Z")} if seconds else {}
        subject = f"$JS.API.CONSUMER.PAUSE.{stream}.{consumer}"
        answer = json.loads((await client.request(subject, json.dumps(request).encode(), timeout=10)).data)
    finally:
        await client.close()
    if "error" in answer or bool(answer.get("paused")) != bool(seconds):
        raise Refused(f"{stream} {consumer}: {answer.get('error', answer)}")


def main() -> int:
    """Run the command line; return its exit code."""
    stream, consumer, seconds = sys.argv[1:]
    try:
        asyncio.run(pause(stream, consumer, float(seconds)))
    except Refused as error:
        print(f"pause-consumer: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
