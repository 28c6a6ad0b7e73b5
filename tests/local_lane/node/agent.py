"""Follows the pods of the API server and runs them; answers `kubectl logs` as a kubelet does."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from tests.local_lane.node.machine import NODE, Machine, PodAddresses
from tests.local_lane.node.pod import Pod
from tests.local_lane.node.status import now
from tests.support.control_plane_api import MERGE_PATCH
from worker.dev.loopback import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from tests.local_lane.api import Api
    from tests.local_lane.rules import Rules
    from tests.support.pki import Issued

Manifest = dict[str, Any]


class Agent:
    """The node agent."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.pods: dict[str, Pod] = {}

    async def run(self) -> None:
        """Run pods until cancelled; then all processes are ended.

        Raises:
            ExceptionGroup: the agent itself failed.
        """
        async with asyncio.TaskGroup() as group:
            async for manifest, gone in self._machine.api.watch("/api/v1/pods"):
                uid = manifest["metadata"]["uid"]
                if uid in self.pods:
                    self.pods[uid].update(manifest, gone=gone)
                elif not gone and manifest["spec"].get("nodeName", NODE) == NODE:
                    self.pods[uid] = pod = Pod(self._machine, manifest)
                    pod.update(manifest, gone=gone)
                    group.create_task(pod.run())

    async def register(self, log_port: int) -> None:
        """Create the node, ready and large enough for everything."""
        await self._machine.api.expect("POST", "/api/v1/nodes", {"metadata": {"name": NODE}})
        room = {"cpu": "1k", "memory": "1Ti", "pods": "10k"}
        status = {
            "capacity": room,
            "allocatable": room,
            "addresses": [{"type": "InternalIP", "address": LOOPBACK}, {"type": "Hostname", "address": NODE}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": log_port}},
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now()},
            ],
        }
        await self._machine.api.expect("PATCH", f"/api/v1/nodes/{NODE}/status", {"status": status}, MERGE_PATCH)

    async def logs(self, request: web.Request) -> web.Response:
        """Answer with a container's log; `tailLines` and `previous` are understood, following is not."""
        match = request.match_info
        for pod in self.pods.values():
            if pod.is_named(match["namespace"], match["pod"]):
                path = pod.log(match["container"], previous=request.query.get("previous") == "true")
                text = path.read_text(errors="replace") if path.exists() else ""
                if "tailLines" in request.query:
                    count = int(request.query["tailLines"])
                    text = "".join(text.splitlines(keepends=True)[-count:] if count else [])
                return web.Response(text=text)
        raise web.HTTPNotFound(text=f'pod "{match["pod"]}" does not run here\n')


@asynccontextmanager
async def node(
    api: Api, rules: Rules, located: Mapping[str, str], folder: Path, serving: Issued
) -> AsyncIterator[Agent]:
    """Yield the agent of a registered node; whoever has it runs it.

    Args:
        api: The API server.
        rules: Which process stands for which image.
        located: Address in a cluster → local address.
        folder: For what pods write.
        serving: Certificate of the server that has the logs.
    """
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        addresses = PodAddresses()
        stack.callback(addresses.close)
        agent = Agent(Machine(api, rules, located, folder, session, addresses))
        application = web.Application()
        application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", agent.logs)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(serving.certificate, serving.key)
        await web.TCPSite(runner, LOOPBACK, 0, ssl_context=tls).start()
        await agent.register(int(runner.addresses[0][1]))
        yield agent
