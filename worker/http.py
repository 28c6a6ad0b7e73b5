"""`/health`, `/ready` and `/metrics` for the kubelet and Prometheus.

Liveness says whether a restart would help; readiness whether this replica does its job, with every reason why not. A
broker that is away makes unready, never dead: restarting the worker would not bring it back. What is healthy is not
decided here: the facts come through a protocol, so that this file knows no broker.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Health(Protocol):
    """The facts behind the probes; each answer is made from memory, without waiting."""

    def dead(self) -> Mapping[str, str]:
        """Return what only a restart can repair, by part of the worker; empty while alive."""

    def unready(self) -> Mapping[str, str]:
        """Return why this replica cannot do its job now, by part of the worker; empty while ready."""

    def facts(self) -> Mapping[str, Any]:
        """Return details that help a person, whether ready or not."""


class Combined:
    """The health of several parts as one: dead if one is, ready if all are."""

    def __init__(self, *parts: Health) -> None:
        """Ask ``parts`` in this order; an earlier one wins where two use the same word."""
        self._parts = parts[::-1]

    def dead(self) -> Mapping[str, str]:
        """Return what only a restart can repair."""
        return {name: why for part in self._parts for name, why in part.dead().items()}

    def unready(self) -> Mapping[str, str]:
        """Return why this replica cannot do its job now."""
        return {name: why for part in self._parts for name, why in part.unready().items()}

    def facts(self) -> Mapping[str, Any]:
        """Return details that help a person."""
        return {name: value for part in self._parts for name, value in part.facts().items()}


class Reason:
    """The health of a part that is never dead and knows one reason at a time why it is not ready."""

    def __init__(self, name: str, why: Callable[[], str]) -> None:
        """Tell ``why`` as ``name``; ``""`` is ready."""
        self._name = name
        self._why = why

    def dead(self) -> Mapping[str, str]:
        """Return nothing."""
        return {}

    def unready(self) -> Mapping[str, str]:
        """Return the reason, if there is one."""
        why = self._why()
        return {self._name: why} if why else {}

    def facts(self) -> Mapping[str, Any]:
        """Return nothing."""
        return {}


class Exposition(Protocol):
    """The metrics."""

    def render(self) -> bytes:
        """Return all of them in Prometheus' text format."""


def application(health: Health, metrics: Exposition) -> web.Application:
    """Return the aiohttp application with the three paths."""

    async def answer_health(_: web.Request) -> web.Response:
        problems = health.dead()
        return _json({"status": "dead" if problems else "alive", "reasons": dict(problems)}, ok=not problems)

    async def answer_ready(_: web.Request) -> web.Response:
        problems = {**health.dead(), **health.unready()}
        body = {"status": "unready" if problems else "ready", "reasons": problems, "facts": dict(health.facts())}
        return _json(body, ok=not problems)

    async def answer_metrics(_: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": _METRICS_TYPE})

    app = web.Application()
    app.router.add_get("/health", answer_health)
    app.router.add_get("/ready", answer_ready)
    app.router.add_get("/metrics", answer_metrics)
    return app


@asynccontextmanager
async def serve(host: str, port: int, health: Health, metrics: Exposition) -> AsyncIterator[int]:
    """Serve for the length of the block; yields the port (of interest if ``port`` is 0).

    Raises:
        OSError: the address cannot be bound.
    """
    runner = web.AppRunner(application(health, metrics), access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _json(body: Mapping[str, Any], *, ok: bool) -> web.Response:
    return web.Response(
        text=json.dumps(body, default=str) + "\n", status=200 if ok else 503, content_type="application/json"
    )
