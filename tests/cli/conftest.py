"""A real nats-server with the declared streams, and the command line pointed at it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import nats
import pytest
from click.testing import CliRunner, Result
from nats.aio.client import Client

from tests.support.nats import NatsServer
from worker.cli.app import cli

T = TypeVar("T")
Call = Callable[..., Result]


class Broker:
    """The server, and what tests ask of it directly."""

    def __init__(self, server: NatsServer) -> None:
        self.server = server

    def run(self, work: Callable[[Client], Awaitable[T]]) -> T:
        async def session() -> T:
            client = await nats.connect(self.server.url)
            try:
                return await work(client)
            finally:
                await client.close()

        return asyncio.run(session())

    def messages(self, stream: str) -> list[Any]:
        async def read(client: Client) -> list[Any]:
            js = client.jetstream()
            last = (await js.stream_info(stream)).state.last_seq
            return [await js.get_msg(stream, sequence) for sequence in range(1, last + 1)]

        return self.run(read)


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as the window, and pytest's own worker processes claim a narrow one."""
    monkeypatch.setenv("COLUMNS", "180")


@pytest.fixture
def broker(nats_server: NatsServer, call: Call) -> Broker:
    done = call("streams", "apply")
    assert done.exit_code == 0, done.output
    return Broker(nats_server)


@pytest.fixture
def call(nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setenv("NATS_URL", nats_server.url)

    def run(*arguments: str, input: str | None = None) -> Result:  # noqa: A002 - click's word for it
        return CliRunner().invoke(cli, list(arguments), input=input, prog_name="platform-worker")

    return run


def read_json(done: Result, code: int = 0) -> Any:
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)
