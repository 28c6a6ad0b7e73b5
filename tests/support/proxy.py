"""A proxy that loses answers: the API server has carried the request out, the client sees a broken connection.

It speaks plain HTTP to the client and, where the server wants it, TLS to the server: so it sees of every exchange what
was asked, and loses exactly the answers that a test wants lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import ssl
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import yaml

_CHUNK = 65536
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(eq=False)
class LosingProxy:
    """Forwards connections to one server and loses answers; use as an async context manager.

    Attributes:
        host: Of the server.
        target: Port of the server.
        tls: How the server is spoken to; ``None`` is plain HTTP.
        methods: Requests with other methods are left alone.
        loss: Probability with which an answer is lost, from 0 to 1.
        most: After so many losses no more are made.
        seed: Makes the choice repeatable as far as the order of requests is.
        lost: Answers lost so far, by method.
        port: Where clients connect.
    """

    host: str
    target: int
    tls: ssl.SSLContext | None = None
    methods: Collection[str] = ("POST", "PATCH")
    loss: float = 0.0
    most: int = 0
    seed: int = 1
    lost: Counter[str] = field(default_factory=Counter)
    port: int = 0
    _dice: random.Random = field(init=False)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)

    @classmethod
    def before(cls, kubeconfig: Path, **options: Any) -> Self:
        """Return a proxy before the API server of a kubeconfig."""
        cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
        url = urlsplit(cluster["server"])
        tls = None
        if url.scheme == "https":
            tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
        assert url.hostname is not None
        assert url.port is not None
        return cls(url.hostname, url.port, tls, **options)

    def kubeconfig(self, original: Path, path: Path) -> Path:
        """Write to ``path`` a kubeconfig like ``original`` that leads through this proxy."""
        config = yaml.safe_load(original.read_text())
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{self.port}"}
        path.write_text(json.dumps(config))
        return path

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
            await self._connect(reader, writer)
        except asyncio.CancelledError:
            pass  # the proxy is closed; asyncio would log a cancelled callback as an error
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection(self.host, self.target, ssl=self.tls)
        except OSError:
            return
        exchange = _Exchange()
        ends = [
            asyncio.create_task(self._requests(reader, up_writer, exchange)),
            asyncio.create_task(self._answers(up_reader, writer, exchange)),
        ]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            up_writer.close()

    async def _requests(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, exchange: _Exchange) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(_CHUNK):
                if not exchange.asked:  # HTTP/1.1 without pipelining: the next request follows a whole answer
                    exchange.asked = next((m for m in _METHODS if data.startswith(m.encode() + b" ")), "")
                sink.write(data)
                await sink.drain()

    async def _answers(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, exchange: _Exchange) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(_CHUNK):
                method, exchange.asked = exchange.asked, ""
                if method in self.methods and self._loses():
                    self.lost[method] += 1
                    return
                sink.write(data)
                await sink.drain()

    def _loses(self) -> bool:
        return self.lost.total() < self.most and self._dice.random() < self.loss


@dataclass
class _Exchange:
    """The request of a connection that has no answer yet.

    Attributes:
        asked: Its method; ``""`` while there is none.
    """

    asked: str = ""
