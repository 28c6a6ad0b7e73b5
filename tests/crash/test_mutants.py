"""The checker is checked: each planted fault must be found in a history that is clean without it.

The scenarios leave nothing to chance: processes are killed or frozen at a named step, and what the others do meanwhile
is waited for.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

import pytest

from tests.crash.arena import ACK_WAIT, Arena, WorkerProcess, completed
from tests.crash.checker import check
from tests.crash.conftest import OpenArena
from tests.crash.events import changed
from tests.crash.mutants import MUTANTS

Scenario = Callable[[Arena, tuple[str, ...]], Awaitable[None]]


async def _killed(arena: Arena, mutant: tuple[str, ...], step: str) -> None:
    """A worker is killed at a step; its successor has the same fault."""
    await arena.publish(changed("shop", 1, {"db": "small"}), rank=1, wish=(("db", "small"),))
    victim = await arena.worker(*mutant, "--kill-at", f"{step}:1")
    assert await victim.ended(within=180) == -signal.SIGKILL
    successor = await arena.worker(*mutant)
    await arena.until(successor.is_ready, 60, "the successor does not become ready")
    await arena.drained(within=180)


async def killed_before_the_intent(arena: Arena, mutant: tuple[str, ...]) -> None:
    """Whatever was acknowledged by then is lost."""
    await _killed(arena, mutant, "loaded")


async def killed_after_creating(arena: Arena, mutant: tuple[str, ...]) -> None:
    """Whatever creates again then, creates a second one."""
    await _killed(arena, mutant, "created")


async def frozen_before_the_intent(arena: Arena, mutant: tuple[str, ...]) -> None:
    """A worker wakes up with an old event in hand and a record that has gone on."""
    sleeper = await _overtaken(arena, *mutant, "--freeze-at", "loaded:1")
    sleeper.thaw()
    await arena.until(lambda: _has_answered(sleeper), 60, "the sleeper does not settle its event")
    await arena.until(lambda: _nothing_runs(arena), 60, "a Workflow does not end")


async def frozen_before_creating(arena: Arena, mutant: tuple[str, ...]) -> None:
    """A worker wakes up and creates the Workflow of an old intent; it is frozen again before it can stop it."""
    sleeper = await _overtaken(arena, *mutant, "--freeze-at", "intended:1", "--freeze-at", "created:1")
    sleeper.thaw()
    await arena.until(lambda: _is_frozen(sleeper), 60, "the sleeper does not create a Workflow")
    await arena.until(lambda: _nothing_runs(arena), 60, "a Workflow does not end")
    sleeper.thaw()
    await arena.until(lambda: _has_answered(sleeper), 60, "the sleeper does not settle its event")


async def _overtaken(arena: Arena, *arguments: str) -> WorkerProcess:
    """Freeze a worker over an older event until another one has carried out a newer one."""
    # With room for one message it cannot be sent the newer one while it sleeps; and while it holds the lease, nobody
    # observes, who might repair the damage before it is done.
    sleeper = await arena.worker(*arguments, MAX_IN_FLIGHT="1", LEASE_TTL="60")
    await arena.until(lambda: _is_observing(sleeper), 60, "the sleeper does not observe")
    await arena.publish(changed("shop", 1, {"db": "small"}), rank=1)
    await arena.until(lambda: _is_frozen(sleeper), 60, "the sleeper does not get to the step")
    newer = await arena.publish(changed("shop", 2, {"db": "large"}), rank=2, wish=(("db", "large"),))
    await arena.worker(*arguments[:2] if "--mutant" in arguments else ())
    await arena.told(newer, "accepted")
    await arena.until(lambda: _nothing_runs(arena), 60, "a Workflow does not end")
    return sleeper


async def _is_observing(worker: WorkerProcess) -> bool:
    return await worker.metric("observing") == 1


async def _is_frozen(worker: WorkerProcess) -> bool:
    return worker.frozen


async def _has_answered(worker: WorkerProcess) -> bool:
    return not worker.frozen and await worker.metric("settlements_total") > 0


async def _nothing_runs(arena: Arena) -> bool:
    return all(completed(one) or one["spec"].get("suspend") for one in await arena.workflows())


#: By fault: the scenario, how long it keeps an event with its worker, and what the checker has to say.
SCENARIOS: dict[str, tuple[Scenario, float, str]] = {
    "ack-first": (killed_before_the_intent, ACK_WAIT, "was lost"),
    "random-name": (killed_after_creating, ACK_WAIT, "has 2 Workflows"),
    "no-compare": (frozen_before_the_intent, 60.0, "rank 1 ran after rank 2"),
    "no-two-phase": (frozen_before_creating, 60.0, "rank 1 ran after rank 2"),
}


@pytest.mark.parametrize("fault", MUTANTS)
async def test_the_checker_finds(open_arena: OpenArena, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The same scenario twice: with the fault its kind of violation is found, without it nothing is."""
    scenario, ack_wait, expected = SCENARIOS[fault]

    async def play(mutant: tuple[str, ...]) -> list[str]:
        async with open_arena(ack_wait=ack_wait) as arena:
            await scenario(arena, mutant)
            # The faulty one may never come to rest.
            await (arena.drained(within=180) if mutant else arena.at_rest(within=300))
            return check(await arena.collect())

    found, clean = await asyncio.gather(play(("--mutant", fault)), play(()))
    assert not clean, "\n".join(clean)
    assert any(expected in problem for problem in found), f"{fault} was not found; the checker said {found}"
    with capsys.disabled():
        print(f"  {fault}: {'; '.join(found)}")
