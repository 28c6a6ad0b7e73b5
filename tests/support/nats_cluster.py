"""Three real nats-servers in one cluster, for what a single one cannot show: replicas, and the loss of a leader."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import pytest

from tests.support.link import Link
from tests.support.nats import NatsServer
from worker.dev.loopback import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

_TIMEOUT = 30.0
_POLL = 0.05


class NatsCluster:
    """A cluster on loopback that elects leaders; any minority of its servers may be killed, frozen, cut off, restarted.

    Members speak to each other through a `Link` for each direction, so that one can be cut off from the others while
    its clients still reach it.

    Attributes:
        servers: The members.
    """

    def __init__(self, size: int = 3) -> None:
        self._links = {ends: Link() for ends in itertools.permutations(range(size), 2)}
        self._ports: list[int] = []
        self.servers = [NatsServer() for _ in range(size)]

    @property
    def urls(self) -> list[str]:
        """Addresses of all members, for clients."""
        return [server.url for server in self.servers]

    @property
    def url(self) -> str:
        """The same, in the one string that clients take."""
        return ",".join(self.urls)

    def isolate(self, server: NatsServer) -> None:
        """Let nothing through between one member and the others, in either direction, until ``rejoin``."""
        for link in self._of(server):
            link.cut()

    def rejoin(self, server: NatsServer) -> None:
        """Let everything through again, first what has been sent meanwhile."""
        for link in self._of(server):
            link.mend()

    def _of(self, server: NatsServer) -> list[Link]:
        index = self.servers.index(server)
        return [link for ends, link in self._links.items() if index in ends]

    def _configuration(self, index: int) -> dict[str, Any]:
        routes = [f"nats://{LOOPBACK}:{link.port}" for (here, _), link in self._links.items() if here == index]
        cluster = {
            "name": "platform",
            "listen": f"{LOOPBACK}:{self._ports[index]}",
            "routes": routes,
            # Members that hear of each other from a third one would connect past the links: this leads nowhere.
            "advertise": f"{LOOPBACK}:1",
        }
        return {"server_name": f"n{index}", "cluster": cluster}

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
            for link in self._links.values():
                await link.open()
            self._ports = [free_port() for _ in self.servers]
            for (_, there), link in self._links.items():
                link.target = self._ports[there]
            for index, server in enumerate(self.servers):  # one after the other: each wants its free port for itself
                server.configure(self._configuration(index))
                await server.start()
            await self.healthy()
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
        await asyncio.gather(*(link.close() for link in self._links.values()))

    async def healthy(self) -> None:
        """Wait until every member says that it is whole: connected, and up to date with all streams.

        Raises:
            TimeoutError: one was not within 30 s.
        """
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
