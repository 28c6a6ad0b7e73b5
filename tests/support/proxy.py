"""A TCP proxy that loses answers: the request reaches the server and is carried out, the client sees a broken connection.

It works below TLS and HTTP, so it serves the embedded and the real API server alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import Self

_CHUNK = 65536
#: Chunks that a client sends before its second request at the latest: answers of a TLS handshake are never lost.
_HANDSHAKE = 2


@dataclass(eq=False)
class LosingProxy:
    """Forwards connections to one target on loopback and loses answers on demand.

    Attributes:
        target: Port of the real server.
        seed: Makes the choice of lost answers repeatable in kind.
        loss: Probability with which the answer to a request is lost, from 0 to 1.
        lost: Answers lost so far.
        most: After so many losses no more are made.
    """

    target: int
    seed: int = 1
    loss: float = 0.0
    lost: int = 0
    most: int = 0
    port: int = 0
    _dice: random.Random = field(init=False)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in set(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        exchanges = _Exchanges()
        try:
            ends = [
                asyncio.create_task(self._requests(reader, up_writer, exchanges)),
                asyncio.create_task(self._answers(up_reader, writer, exchanges)),
            ]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        finally:
            self._tasks.discard(task)
            for side in (writer, up_writer):
                side.close()

    async def _requests(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, seen: _Exchanges) -> None:
        while data := await source.read(_CHUNK):
            seen.requests += 1
            sink.write(data)
            with contextlib.suppress(ConnectionError):
                await sink.drain()

    async def _answers(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, seen: _Exchanges) -> None:
        while data := await source.read(_CHUNK):
            answers_a_request = seen.requests > seen.answers
            if answers_a_request and seen.warm and self.lost < self.most and self._dice.random() < self.loss:
                self.lost += 1
                return
            seen.answers = seen.requests
            seen.warm = seen.warm or seen.requests > _HANDSHAKE
            sink.write(data)
            await sink.drain()


@dataclass
class _Exchanges:
    """What went over one connection so far, in chunks."""

    requests: int = 0
    answers: int = 0
    warm: bool = False
