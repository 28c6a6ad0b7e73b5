"""HTTP probes with the timing and the thresholds of a kubelet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Manifest = dict[str, Any]


class Verdict(NamedTuple):
    """What enough answers in a row say.

    Attributes:
        healthy: Whether they were good.
        why: Of the last one, if it was not.
    """

    healthy: bool
    why: str


def target(probe: Manifest, container: Manifest, address: str) -> str:
    """Return the address that an `httpGet` asks; a named port is looked up in the container."""
    request = probe["httpGet"]
    port = request["port"]
    if isinstance(port, str):
        port = next(entry["containerPort"] for entry in container["ports"] if entry["name"] == port)
    return f"{request.get('scheme', 'HTTP').lower()}://{address}:{port}{request.get('path', '/')}"


async def verdicts(session: aiohttp.ClientSession, probe: Manifest, url: str) -> AsyncIterator[Verdict]:
    """Ask for ever; yield a verdict whenever as many answers in a row agree as the probe wants.

    Args:
        session: To ask with.
        probe: Manifest of the probe; what it leaves out has the defaults of Kubernetes.
        url: Address to ask.
    """
    wanted = {True: probe.get("successThreshold", 1), False: probe.get("failureThreshold", 3)}
    agreed, last = 0, None
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    while True:
        why = await _refusal(session, url, probe.get("timeoutSeconds", 1))
        healthy = not why
        agreed = agreed + 1 if healthy == last else 1
        last = healthy
        if agreed >= wanted[healthy]:
            yield Verdict(healthy, why)
        await asyncio.sleep(probe.get("periodSeconds", 10))


async def _refusal(session: aiohttp.ClientSession, url: str, patience: float) -> str:
    """Ask once; return why the answer is bad, ``""`` if it is good."""
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=patience), allow_redirects=False) as answer:
            return "" if 200 <= answer.status < 400 else f"HTTP probe failed with statuscode: {answer.status}"
    except (aiohttp.ClientError, TimeoutError) as error:
        return f'Get "{url}": {error or type(error).__name__}'
