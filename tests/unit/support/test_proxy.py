"""The proxy that the crash suite trusts: what it loses was carried out, and it loses nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from tests.support.proxy import LosingProxy

BIG = b"x" * 300_000


class Server:
    """Counts what it carries out and answers with what it was sent."""

    def __init__(self) -> None:
        self.carried_out: Counter[str] = Counter()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.carried_out[request.method] += 1
        return web.Response(body=body or BIG)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        runner = web.ServerRunner(web.Server(self.handle, access_log=None))
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()


async def _ask(session: aiohttp.ClientSession, proxy: LosingProxy, method: str, body: bytes | None) -> bytes | None:
    """Return the answer, or ``None`` if there was none."""
    try:
        async with session.request(method, f"http://127.0.0.1:{proxy.port}/", data=body) as answer:
            return await answer.read()
    except aiohttp.ClientError:
        return None


async def test_lost_answers_were_carried_out() -> None:
    server = Server()
    async with (
        server.listening() as port,
        LosingProxy("127.0.0.1", port, loss=0.5, most=20) as proxy,
        aiohttp.ClientSession() as session,
    ):
        answers = [await _ask(session, proxy, "POST", b"small") for _ in range(100)]
    assert answers.count(None) == 20 == proxy.lost["POST"]
    assert answers.count(b"small") == 80
    assert server.carried_out["POST"] == 100


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_other_methods_are_left_alone(method: str) -> None:
    server = Server()
    async with (
        server.listening() as port,
        LosingProxy("127.0.0.1", port, loss=1.0, most=20) as proxy,
        aiohttp.ClientSession() as session,
    ):
        answers = [await _ask(session, proxy, method, None) for _ in range(10)]
    assert answers == [BIG] * 10
    assert not proxy.lost


async def test_large_bodies_pass_whole_in_both_directions() -> None:
    server = Server()
    async with (
        server.listening() as port,
        LosingProxy("127.0.0.1", port, loss=0.3, most=5) as proxy,
        aiohttp.ClientSession() as session,
    ):
        answers = [await _ask(session, proxy, "PATCH", BIG) for _ in range(30)]
    assert answers.count(None) == proxy.lost["PATCH"] == 5
    assert answers.count(BIG) == 25
    assert server.carried_out["PATCH"] == 30


async def test_a_server_that_is_away_is_a_broken_connection() -> None:
    async with Server().listening() as port:
        pass
    async with LosingProxy("127.0.0.1", port) as proxy, aiohttp.ClientSession() as session:
        assert await _ask(session, proxy, "POST", b"small") is None
