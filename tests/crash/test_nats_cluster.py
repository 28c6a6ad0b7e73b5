"""A broker of three servers loses one, or its leaders, while events flow: nothing is lost, nobody stays behind.

Each fault meets two workers, one of which only knows the server that the fault is about. All events have to come to
their end while the fault lasts, where a majority of servers is left; afterwards everybody is ready again by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from contracts import names, strict_json
from tests.crash.arena import Arena, WorkerProcess
from tests.crash.checker import check
from tests.crash.events import changed
from tests.crash.history import Published
from tests.support.nats import NatsServer

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("nats-cluster"),
    # The NATS client leaves connections open that were made and then not answered.
    pytest.mark.filterwarnings("ignore:unclosed <StreamWriter:ResourceWarning"),
]

#: Events before, during and after each fault.
BATCH = 8
STATE = f"KV_{names.STATE_BUCKET}"


@dataclass
class Stage:
    """The cluster with its workers, and what was published during the fault that is played."""

    arena: Arena
    fault: str
    published: list[Published] = field(default_factory=list)

    async def flow(self) -> None:
        """Publish one batch, half of it about Applications that are there already."""
        batch = len(self.published) // BATCH + 1
        events = [changed(f"{self.fault}-{number}", batch + number % 2) for number in range(BATCH)]
        for event in events:
            metadata = event["data"]["application"]["metadata"]
            size = event["data"]["application"]["spec"]["components"][0]["properties"]["size"]
            self.published.append(
                await self.arena.publish_surely(
                    names.oam_subject(metadata["namespace"], metadata["name"]),
                    strict_json.dumps(event),
                    event_id=event["id"],
                    app=f"{metadata['namespace']}/{metadata['name']}",
                    rank=metadata["generation"],
                    wish=(("db", size),),
                )
            )

    async def all_told(self, within: float = 90) -> None:
        """Wait until the ledger has the end of every event, whoever is away."""

        async def are_told() -> bool:
            told = {one.delivery for one in (await self.arena.collect()).told}
            return all(any(one.endswith(f":{event.sequence}") for one in told) for event in self.published)

        await self.arena.until(are_told, within, f"not all events were handled during {self.fault}")


Fault = Callable[[Stage], Awaitable[None]]


async def _leader(stage: Stage) -> NatsServer:
    return await stage.arena.cluster.leader(names.EVENTS_STREAM)


async def leader_killed(stage: Stage) -> None:
    """The server that leads the stream crashes."""
    leader = await _leader(stage)
    leader.kill()
    await stage.flow()
    await stage.all_told()
    await leader.start()


async def leader_frozen(stage: Stage) -> None:
    """It holds its connections and says nothing; then it goes on as if nothing had happened."""
    leader = await _leader(stage)
    leader.freeze()
    try:
        await stage.flow()
        await stage.all_told()
    finally:
        leader.thaw()


async def rolling_restart(stage: Stage) -> None:
    """Every server is asked to end and started again, as soon as the one before is back."""
    for server in stage.arena.servers:
        await server.restart()
        await stage.flow()
        await stage.arena.cluster.healthy()


async def leaders_step_down(stage: Stage) -> None:
    """Stream, consumer and bucket get other leaders while events are in hand."""
    for _ in range(3):
        flowing = asyncio.create_task(stage.flow())
        for what in (
            f"STREAM.LEADER.STEPDOWN.{names.EVENTS_STREAM}",
            f"CONSUMER.LEADER.STEPDOWN.{names.EVENTS_STREAM}.{names.CONSUMER}",
            f"STREAM.LEADER.STEPDOWN.{STATE}",
            f"STREAM.LEADER.STEPDOWN.{names.STATUS_STREAM}",
        ):
            await _ask(stage.arena, what)
        await flowing


async def _ask(arena: Arena, what: str) -> None:
    """Ask until it is done: while there is no leader there is nobody to step down."""

    async def is_done() -> bool:
        answer = await arena.client.request(f"$JS.API.{what}", b"", timeout=5)
        return '"success":true' in answer.data.decode()

    await arena.until(is_done, 60, f"{what} was not carried out")


QUICK: tuple[Fault, ...] = (leader_killed, leaders_step_down)
SLOW: tuple[Fault, ...] = (leader_frozen, rolling_restart)
CASES = [
    *(pytest.param("embedded", fault, id=f"embedded-{fault.__name__}") for fault in QUICK),
    *(pytest.param("real", fault, id=f"real-{fault.__name__}", marks=pytest.mark.cluster) for fault in SLOW),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena(
    server: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Arena]:
    """One cluster for all faults: each has to leave it as it was."""
    kubeconfig: Path | None = None
    if server == "real":
        kubeconfig = request.getfixturevalue("control_plane").kubeconfig()
    async with Arena(tmp_path_factory.mktemp("arena"), kubeconfig=kubeconfig, nodes=3) as opened:
        yield opened


@pytest.mark.parametrize(("server", "fault"), CASES, indirect=["server"], scope="module")
async def test_events_come_to_their_end(arena: Arena, fault: Fault, capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage(arena, fault.__name__.replace("_", "-"))
    pinned = await arena.worker(NATS_URL=(await _leader(stage)).url, LEASE_TTL="5")
    free = await arena.worker(LEASE_TTL="5")
    await _all_well(arena, pinned, free)
    await stage.flow()
    began = time.monotonic()
    await fault(stage)
    lasted = time.monotonic() - began
    await stage.flow()
    await arena.at_rest(within=180)
    # Without any further event: an idle replica must find back by itself.
    await _all_well(arena, pinned, free)
    problems = check(await arena.collect())
    assert not problems, "\n".join([*problems, await arena.describe()])
    for worker in (pinned, free):
        await worker.stop()
        assert worker.process.returncode == 0
    with capsys.disabled():
        print(f"  {stage.fault} for {lasted:.1f} s: {arena.history.summary()}")


async def _all_well(arena: Arena, *workers: WorkerProcess) -> None:
    for worker in workers:
        await arena.until(worker.is_ready, 90, "a worker is not ready")
