"""The bare baseline of the quiet path, as a process: the worker's I/O per event, by nats-py alone, and no logic.

Per event: receive, read the record, write it by compare-and-set, publish a status, acknowledge twice; 32 at a time.
"""

from __future__ import annotations

import asyncio
import os

import nats
import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from contracts import names

CONCURRENCY = 32


async def main() -> None:
    """Handle events until the process is ended."""
    client = await nats.connect(os.environ["NATS_URL"])
    js = client.jetstream()
    subscription = await js.pull_subscribe_bind(names.CONSUMER, names.EVENTS_STREAM)
    slots = asyncio.Semaphore(CONCURRENCY)
    tasks: set[asyncio.Task[None]] = set()
    while True:
        try:
            batch = await subscription.fetch(CONCURRENCY, timeout=1)
        except nats.errors.TimeoutError:
            continue
        for message in batch:
            await slots.acquire()
            task = asyncio.create_task(handle(js, message))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            task.add_done_callback(lambda _: slots.release())


async def handle(js: JetStreamContext, message: Msg) -> None:
    """Do the I/O of one event; a lost race is done again, as the worker does."""
    _, _, namespace, name = message.subject.split(".")
    key = f"$KV.{names.STATE_BUCKET}.{names.record_key(namespace, name)}"
    while True:
        stored = await js.get_last_msg(f"KV_{names.STATE_BUCKET}", key)
        assert stored.data is not None
        expected = {"Nats-Expected-Last-Subject-Sequence": str(stored.seq)}
        try:
            await js.publish(key, stored.data, headers=expected)
            break
        except nats.js.errors.BadRequestError:
            continue
    number = message.metadata.sequence.stream
    status = {names.Header.MESSAGE_ID.value: f"status-{number}"}
    await js.publish(names.status_subject(namespace, name, str(number)), b"x" * 600, headers=status)
    await message.ack_sync()


if __name__ == "__main__":
    asyncio.run(main())
