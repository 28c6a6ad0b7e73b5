"""The control port of an embedded API in its own process: faults, request log, tokens.

Apart from the API's port, so that nothing a Kubernetes client can reach differs from a real server.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from worker.dev.kubernetes.authentication import Identity
from worker.dev.kubernetes.faults import Rule

if TYPE_CHECKING:
    from worker.dev.kubernetes.cluster import Cluster

_INTEGERS = frozenset({"code"})
_BOOLEANS = frozenset({"committed"})


def _typed(name: str, text: str) -> str | int | bool:
    if name in _INTEGERS:
        return int(text)
    return text == "true" if name in _BOOLEANS else text


class Admin:
    """HTTP control of a cluster.

    ``GET/POST/DELETE /faults`` (a rule is the JSON form of ``faults.Rule``), ``DELETE /faults/{id}``, ``PUT /latency``
    with ``{"seconds": float}``, ``GET/DELETE /requests`` (filtered by query), ``GET /creates?resource=…``,
    ``POST/DELETE /tokens``.
    """

    def __init__(self, cluster: Cluster) -> None:
        """Control a cluster."""
        self._cluster = cluster
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; port 0 takes a free one. Returns the base address."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/faults", self._list_faults),
                web.post("/faults", self._add_fault),
                web.delete("/faults", self._clear_faults),
                web.delete("/faults/{id}", self._remove_fault),
                web.put("/latency", self._set_latency),
                web.get("/requests", self._list_requests),
                web.delete("/requests", self._clear_requests),
                web.get("/creates", self._count_creates),
                web.post("/tokens", self._issue_token),
                web.delete("/tokens", self._revoke_token),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        bound = self._runner.addresses[0]
        self.url = f"http://{bound[0]}:{bound[1]}"
        return self.url

    async def stop(self) -> None:
        """Close the socket."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _list_faults(self, _: web.Request) -> web.Response:
        return web.json_response([dataclasses.asdict(rule) for rule in self._cluster.faults.rules])

    async def _add_fault(self, request: web.Request) -> web.Response:
        wanted = await _object(request)
        try:
            rule = self._cluster.faults.add(Rule(**wanted))
        except (TypeError, ValueError) as error:
            raise web.HTTPBadRequest(text=f"no fault rule: {error}") from error
        return web.json_response(dataclasses.asdict(rule), status=201)

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self._cluster.faults.clear()
        return web.Response(status=204)

    async def _remove_fault(self, request: web.Request) -> web.Response:
        if not self._cluster.faults.remove(int(request.match_info["id"])):
            raise web.HTTPNotFound
        return web.Response(status=204)

    async def _set_latency(self, request: web.Request) -> web.Response:
        self._cluster.faults.latency = float((await _object(request))["seconds"])
        return web.Response(status=204)

    async def _list_requests(self, request: web.Request) -> web.Response:
        wanted = {name: _typed(name, text) for name, text in request.query.items()}
        try:
            return web.json_response(self._cluster.log.as_json(**wanted))
        except AttributeError as error:
            raise web.HTTPBadRequest(text=f"requests have no such attribute: {error}") from error

    async def _clear_requests(self, _: web.Request) -> web.Response:
        self._cluster.log.clear()
        return web.Response(status=204)

    async def _count_creates(self, request: web.Request) -> web.Response:
        return web.json_response(self._cluster.log.creates(request.query.get("resource", "workflows.argoproj.io")))

    async def _issue_token(self, request: web.Request) -> web.Response:
        wanted = await _object(request)
        identity = Identity(str(wanted["user"]), tuple(wanted.get("groups", ())))
        return web.json_response({"token": self._cluster.tokens.issue(identity, wanted.get("token"))}, status=201)

    async def _revoke_token(self, request: web.Request) -> web.Response:
        self._cluster.tokens.revoke(str((await _object(request))["token"]))
        return web.Response(status=204)


async def _object(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except json.JSONDecodeError as error:
        raise web.HTTPBadRequest(text=f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="the body is no JSON object")
    return body
