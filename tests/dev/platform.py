"""Dev mode's servers with a worker process: Applications are published, their runs awaited, their claims read."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contracts.names import InboundType, message_id
from worker.cli.documents import request
from worker.cli.ledger_view import read
from worker.dev.argo.client import ApiClient
from worker.dev.environment import environment
from worker.dev.loopback import free_port
from worker.dev.process import worker_process
from worker.outbound.desk import Desk, connected
from worker.outbound.installation import apply_streams, declared_streams
from worker.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

Json = dict[str, Any]
_ENDS = frozenset({"deleted", "failed", "rejected", "succeeded", "superseded", "unchanged"})


@dataclass
class Platform:
    """What a test asks of the whole path."""

    desk: Desk
    api: ApiClient
    _published: int = field(default=0)

    async def run(self, application: Json, operation: str = "ADD") -> str:
        """Publish an Application's change or deletion; return the last word of the ledger about it."""
        self._published += 1
        kind = InboundType.APPLICATION_DELETED if operation == "DELETE" else InboundType.APPLICATION_CHANGED
        data = {"application": application, "operation": operation}
        outgoing = request(kind, data, event_id=f"test-{self._published}", traceparent=None)
        headers, body = outgoing.to_message()
        ident = message_id(outgoing.subject, outgoing.event.id)
        receipt = await self.desk.publish(outgoing.subject, body, headers, ident)
        return await asyncio.wait_for(self._end(application["metadata"]["name"], receipt.sequence, operation), 90)

    async def _end(self, name: str, sequence: int, operation: str) -> str:
        ends = _ENDS - ({"succeeded"} if operation == "DELETE" else set())
        while True:
            told = [read(letter) async for letter in self.desk.statuses(f"platform.status.default.{name}.>")]
            mine = [entry for entry in told if entry.delivered == sequence and entry.kind in ends]
            if mine:
                errors = mine[-1].data.get("errors") or ()
                return "; ".join([mine[-1].kind, *(f"{one['component']}: {one['message']}" for one in errors)])
            await asyncio.sleep(0.1)

    async def claims(self, application: str) -> list[Json]:
        """Return the claims of an application, of all kinds."""
        found: list[Json] = []
        for definition in (await self.api.call("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"))[
            "items"
        ]:
            spec = definition["spec"]
            if "claim" in spec["names"].get("categories", ()):
                path = f"/apis/{spec['group']}/v1alpha1/namespaces/default/{spec['names']['plural']}"
                found += (await self.api.call("GET", path))["items"]
        return [c for c in found if c["metadata"]["annotations"].get("platform.io/application") == application]

    async def secrets(self) -> set[str]:
        """Return the names of all Secrets."""
        listed = await self.api.call("GET", "/api/v1/namespaces/default/secrets")
        return {one["metadata"]["name"] for one in listed["items"]}


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Platform]:
    """Start everything, and stop it at the end."""
    async with environment(claim_seconds=0.05, deadline=30) as servers:
        port = free_port()
        variables = servers.worker_variables(port)
        settings = Settings.from_environment(variables)
        async with connected(settings) as client, ApiClient.from_kubeconfig(servers.kubeconfig) as api:
            await apply_streams(client, declared_streams(settings))
            async with worker_process(variables, port, folder / "worker.log"):
                yield Platform(Desk(client, settings), api)
