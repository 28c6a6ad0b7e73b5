"""Three real nats-servers in one cluster, for what a single one cannot show: replicas, and the loss of a leader."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import pytest

from tests.support.nats import NatsServer
from worker.dev.loopback import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

_TIMEOUT = 30.0
_POLL = 0.05


class NatsCluster:
    """A cluster on loopback that elects leaders; any minority of its servers may be killed, frozen and restarted.

    Attributes:
        servers: The members.
    """

    def __init__(self, size: int = 3) -> None:
        routes = [free_port() for _ in range(size)]
        urls = [f"nats://{LOOPBACK}:{port}" for port in routes]
        self.servers = [
            NatsServer(
                config={
                    "server_name": f"n{index}",
                    "cluster": {"name": "platform", "listen": f"{LOOPBACK}:{port}", "routes": urls},
                }
            )
            for index, port in enumerate(routes)
        ]

    @property
    def urls(self) -> list[str]:
        """Addresses of all members, for clients."""
        return [server.url for server in self.servers]

    @property
    def url(self) -> str:
        """The same, in the one string that clients take."""
        return ",".join(self.urls)

    async def leader(self, stream: str) -> NatsServer:
        """Return the member that leads ``stream`` by its own account: others may still name one that is gone.

        Raises:
            TimeoutError: nobody did within 30 s.
        """
        deadline = time.monotonic() + _TIMEOUT
        while time.monotonic() < deadline:
            for index, server in enumerate(self.servers):
                if _leader_of(await _monitor(server, "/jsz?streams=true"), stream) == f"n{index}":
                    return server
            await asyncio.sleep(_POLL)
        raise TimeoutError(f"stream {stream} has no leader after {_TIMEOUT:g} s")

    async def __aenter__(self) -> Self:
        try:
            for server in self.servers:  # one after the other: each wants its free port for itself
                await server.start()
            await self._wait_until_healthy()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        await asyncio.gather(*(server.close() for server in self.servers))

    async def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + _TIMEOUT
        for server in self.servers:
            while (await _monitor(server, "/healthz")).get("status") != "ok":
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the cluster is not healthy after {_TIMEOUT:g} s:\n{server.log_tail()}")
                await asyncio.sleep(_POLL)


async def _monitor(server: NatsServer, path: str) -> dict[str, Any]:
    """Return what a member's monitoring says, ``{}`` if it is away (killed or frozen)."""
    timeout = aiohttp.ClientTimeout(total=2)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(server.monitor_url + path) as response:
            answer: dict[str, Any] = json.loads(await response.read())
            return answer
    except (aiohttp.ClientError, TimeoutError):
        return {}


def _leader_of(report: dict[str, Any], stream: str) -> str:
    details = [detail for account in report.get("account_details", ()) for detail in account.get("stream_detail", ())]
    leaders = [detail.get("cluster", {}).get("leader", "") for detail in details if detail["name"] == stream]
    return str(leaders[0]) if leaders else ""


@pytest.fixture
async def nats_cluster() -> AsyncIterator[NatsCluster]:
    """A fresh cluster of three nats-servers (starts in about two seconds)."""
    async with NatsCluster() as cluster:
        yield cluster
