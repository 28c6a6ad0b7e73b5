"""Planted faults: mistakes that a sound-looking worker could contain. The checker must see every one of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from worker.bootstrap import unaltered
from worker.inbound.consumer import Consumer
from worker.inbound.held import Held
from worker.pipeline import Adapters


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault: how it changes the adapters, and what it patches while the process lives."""

    alter: Callable[[Adapters], Adapters] = unaltered
    planted: Callable[[], AbstractContextManager[None]] = nullcontext


@contextmanager
def _ack_first() -> Iterator[None]:
    """Acknowledge before the work is done: a crash in between loses the event."""
    consume = Consumer.consume

    async def acknowledge_then_consume(self: Consumer, held: Held) -> None:
        await held.ack(5.0)
        await consume(self, held)

    Consumer.consume = acknowledge_then_consume  # type: ignore[method-assign]
    try:
        yield
    finally:
        Consumer.consume = consume  # type: ignore[method-assign]


class _RandomNames:
    """Give each created Workflow a fresh name: a repetition after a crash makes a second one."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._names: dict[str, str] = {}

    async def create(self, name: str, body: bytes) -> bool:
        self._names[name] = f"{name[:50]}-{uuid4().hex[:8]}"
        workflow = json.loads(body)
        workflow["metadata"]["name"] = self._names[name]
        return bool(await self._inner.create(self._names[name], json.dumps(workflow).encode()))

    async def start(self, name: str) -> bool:
        return bool(await self._inner.start(self._names.get(name, name)))

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._inner, attribute)


class _NoCompare:
    """Write records whatever is stored: two workers overwrite each other's decisions."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def save(self, record: Any, _revision: int) -> int:
        stored = await self._inner.load(record.app)
        return int(await self._inner.save(record, stored.revision))

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._inner, attribute)


class _StartsAtOnce:
    """Create Workflows that run at once: an old one can start after a newer one."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def build(self, *args: Any) -> bytes:
        workflow = json.loads(self._inner.build(*args))
        del workflow["spec"]["suspend"]
        del workflow["spec"]["synchronization"]
        return json.dumps(workflow).encode()


MUTANTS = {
    "ack-first": Mutant(planted=_ack_first),
    "random-name": Mutant(alter=lambda a: replace(a, workflows=_RandomNames(a.workflows))),
    "no-compare": Mutant(alter=lambda a: replace(a, store=_NoCompare(a.store))),
    "no-two-phase": Mutant(alter=lambda a: replace(a, builder=_StartsAtOnce(a.builder))),
}
