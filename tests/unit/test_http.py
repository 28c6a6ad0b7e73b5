"""The three paths, over a real socket."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from worker.http import Combined, Reason, serve
from worker.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Mapping


class Facts:
    """Health as the test wants it."""

    def __init__(self) -> None:
        self.deaths: dict[str, str] = {}
        self.troubles: dict[str, str] = {}

    def dead(self) -> Mapping[str, str]:
        return self.deaths

    def unready(self) -> Mapping[str, str]:
        return self.troubles

    def facts(self) -> Mapping[str, Any]:
        return {"in_flight": 3}


async def get(port: int, path: str) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, answer.headers["Content-Type"], await answer.text()


async def get_json(port: int, path: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        assert answer.content_type == "application/json"
        return answer.status, await answer.json()


async def test_alive_and_ready() -> None:
    async with serve("127.0.0.1", 0, Facts(), Metrics(process=False)) as port:
        assert await get_json(port, "/health") == (200, {"status": "alive", "reasons": {}})
        ready = {"status": "ready", "reasons": {}, "facts": {"in_flight": 3}}
        assert await get_json(port, "/ready") == (200, ready)


async def test_unready_says_why_and_stays_alive() -> None:
    facts = Facts()
    facts.troubles = {"connection": "not connected to the NATS server"}
    async with serve("127.0.0.1", 0, facts, Metrics(process=False)) as port:
        status, body = await get_json(port, "/ready")
        assert (status, body["status"], body["reasons"]) == (503, "unready", facts.troubles)
        assert (await get_json(port, "/health"))[0] == 200
        facts.troubles = {}
        assert (await get_json(port, "/ready"))[0] == 200


async def test_dead_is_unready_too() -> None:
    facts = Facts()
    facts.deaths = {"subscriber": "the task that pulls messages has ended"}
    async with serve("127.0.0.1", 0, facts, Metrics(process=False)) as port:
        assert await get_json(port, "/health") == (503, {"status": "dead", "reasons": facts.deaths})
        status, body = await get_json(port, "/ready")
        assert (status, body["reasons"]) == (503, facts.deaths)


async def test_parts_are_combined_and_the_first_wins() -> None:
    first, second = Facts(), Facts()
    first.troubles, second.troubles = {"a": "first"}, {"a": "second", "b": "second"}
    why = ["kubernetes: away"]
    health = Combined(first, second, Reason("systems", lambda: why[0]))
    async with serve("127.0.0.1", 0, health, Metrics(process=False)) as port:
        status, body = await get_json(port, "/ready")
        assert (status, body["reasons"]) == (503, {"a": "first", "b": "second", "systems": "kubernetes: away"})
        first.troubles, second.troubles, why[0] = {}, {}, ""
        assert (await get_json(port, "/ready"))[0] == 200
        second.deaths = {"x": "gone"}
        assert (await get_json(port, "/health"))[0] == 503


async def test_metrics() -> None:
    metrics = Metrics(instance="here", version="1.2.3")
    metrics.disposed("accepted")
    async with serve("127.0.0.1", 0, Facts(), metrics) as port:
        status, content_type, text = await get(port, "/metrics")
    assert status == 200
    assert content_type.startswith("text/plain; version=0.0.4")
    assert 'platform_worker_events_total{disposition="accepted"} 1.0' in text
    assert 'platform_worker_build_info{instance="here",version="1.2.3"} 1.0' in text
    assert "process_resident_memory_bytes" in text


async def test_other_paths_and_methods() -> None:
    async with serve("127.0.0.1", 0, Facts(), Metrics(process=False)) as port:
        assert (await get(port, "/"))[0] == 404
        async with aiohttp.ClientSession() as session, session.post(f"http://127.0.0.1:{port}/ready") as answer:
            assert answer.status == 405


async def test_an_address_in_use_is_an_error_at_start() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="address already in use"):
            async with serve("127.0.0.1", taken.getsockname()[1], Facts(), Metrics(process=False)):
                pass
