"""The soak: events, requests and faults of every kind at random times, then quiet, then the same judgement as ever.

``python -m tests.crash.soak --seconds 600 --seed 7`` plays one for as long as one likes; ``make soak`` does that.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from contracts import names, strict_json
from tests.crash.arena import Arena
from tests.crash.checker import check
from tests.crash.history import History
from tests.crash.schedule import schedule, summary
from tests.crash.trouble import Slot, Trouble
from tests.crash.world import Application, Version, applications
from tests.support.control_plane import ControlPlane
from worker.domain.record import Phase

#: Seconds between two things that authors do.
_PACE = (0.05, 0.35)
#: Rounds of retries after the faults: what failed has to be asked for again.
_RETRIES = 3
#: Seconds in which everything must be well before anything goes wrong.
_BEGINNING = 240.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is played.

    Attributes:
        seconds: How long things go wrong.
        workers: Worker processes.
        mutant: A planted fault of all of them, ``""`` for none.
        first_kill: Step at which the first worker after the beginning kills itself, ``STEP:N``; ``""`` leaves that to
            the dice.
        patience: Seconds in which everything must come to rest afterwards.
    """

    seed: int
    seconds: float
    workers: int = 3
    mutant: str = ""
    first_kill: str = ""
    patience: float = 240.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checker says, and what happened, for people."""

    problems: list[str]
    story: str


class Soak:
    """One soak in one arena."""

    def __init__(self, arena: Arena, plan: Plan, plane: ControlPlane | None = None) -> None:
        """Prepare; ``plane`` is the real API server, if the arena has one."""
        self._arena = arena
        self._plan = plan
        self._dice = random.Random(f"{plan.seed}/authors")
        self._applications = applications(plan.seed)
        mutant = ("--mutant", plan.mutant) if plan.mutant else ()
        self._slots = [
            Slot(arena, random.Random(f"{plan.seed}/slot/{number}"), mutant, failpoints=False)
            for number in range(plan.workers)
        ]
        self._trouble = Trouble(arena, self._slots, self._applications, self._retry, plane)
        self._faults = schedule(plan.seed, plan.seconds, workers=plan.workers, nodes=len(arena.servers))

    async def play(self) -> Verdict:
        """Play it to its end and judge it."""
        keepers = [asyncio.create_task(slot.keep()) for slot in self._slots]
        try:
            problems = await self._play()
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
        history = await self._arena.collect()
        problems += [f"a worker ended with code {code}" for slot in self._slots for code in slot.ends]
        problems += [*check(history), *_two_ends(history)]
        started = len(self._arena.workers)
        story = f"seed {self._plan.seed}, {started} workers, {summary(self._trouble.happened)}: {history.summary()}"
        return Verdict(problems, story)

    async def _play(self) -> list[str]:
        # Retries make sense for what is recorded.
        for application in self._applications:
            await self._publish(application, application.next())
        await self._arena.at_rest(within=_BEGINNING)
        self._arena.runner.inner.delay = 0.1
        self._slots[0].next_step = self._plan.first_kill
        for slot in self._slots:
            slot.failpoints = True
            slot.send(signal.SIGKILL)
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._author(began + self._plan.seconds, tasks))
            for fault in self._faults:
                await asyncio.sleep(max(0.0, began + fault.at - time.monotonic()))
                tasks.create_task(self._trouble.happen(fault))
        for slot in self._slots:
            slot.failpoints = False
        for application in self._applications:
            for version in application.withheld:
                await self._publish(application, version)
        return await self._come_to_rest()

    async def _come_to_rest(self) -> list[str]:
        try:
            await self._arena.at_rest(within=self._plan.patience)
            for _ in range(_RETRIES):
                if not await self._ask_for_what_failed():
                    break
                await self._arena.at_rest(within=self._plan.patience)
            for slot in self._slots:
                await self._arena.until(lambda slot=slot: _is_well(slot), 60, "a worker is not well again")  # type: ignore[misc]
        except TimeoutError as error:
            return [str(error)]
        return []

    async def _ask_for_what_failed(self) -> bool:
        records = await self._arena.records()
        runs = {app: record.run for app, record in records.items() if record.run is not None}
        failed = [one for one in self._applications if one.key in runs and runs[one.key].phase is Phase.FAILED]
        for application in failed:
            await self._retry(application)
        return bool(failed)

    async def _author(self, until: float, tasks: asyncio.TaskGroup) -> None:
        """Let authors change their Applications, and senders tell of it as senders do: twice, late, never in order."""
        dice = self._dice
        while time.monotonic() < until:
            await asyncio.sleep(dice.uniform(*_PACE))
            application = dice.choice(self._applications)
            what = dice.random()
            if what < 0.6:
                tasks.create_task(self._publish(application, application.next()))
            elif what < 0.7:
                application.withheld.append(application.next())
            elif what < 0.8 and application.withheld:
                late = application.withheld.pop(dice.randrange(len(application.withheld)))
                tasks.create_task(self._publish(application, late))
            elif what < 0.96:
                known = [one for one in application.versions if one not in application.withheld]
                tasks.create_task(self._publish(application, dice.choice(known[-4:])))
            else:
                tasks.create_task(self._send(application, {"no": "event"}, "", rank=-1, valid=False))

    async def _publish(self, application: Application, version: Version) -> None:
        facts: dict[str, Any] = {"rank": version.rank, "wish": version.wish, "version": version.name}
        await self._send(application, version.event, version.event["id"], **facts)

    async def _retry(self, application: Application) -> None:
        event = application.again()
        await self._send(application, event, event["id"], request=True, rank=-1)

    async def _send(
        self, application: Application, event: Mapping[str, Any], event_id: str, *, request: bool = False, **facts: Any
    ) -> None:
        subject = (names.request_subject if request else names.oam_subject)(application.namespace, application.name)
        body = strict_json.dumps(event)
        await self._arena.publish_surely(subject, body, event_id=event_id, app=application.key, **facts)


async def _is_well(slot: Slot) -> bool:
    worker = slot.worker
    if worker is None or worker.over or worker.frozen:
        return False
    return (await worker.ask("/health"))[0] == HTTPStatus.OK and await worker.is_ready()


def _two_ends(history: History) -> list[str]:
    """Every delivery has one end, also one whose publisher never heard that it was stored."""
    ends: dict[str, set[str]] = defaultdict(set)
    for told in history.told:
        ends[told.delivery].add(told.disposition)
    known = {event.sequence for event in history.published}
    return [
        f"the delivery {delivery}, which its publisher does not know of, ended in {' and '.join(sorted(kinds))}"
        for delivery, kinds in ends.items()
        if len(kinds) > 1 and int(delivery.rsplit(":", 1)[1]) not in known
    ]


async def _play_alone(plan: Plan, nodes: int, folder: Path) -> Verdict:
    async with Arena(folder, nodes=nodes) as arena:
        return await Soak(arena, plan).play()


def main() -> int:
    """Play soaks one after another, each with the next seed, and print what became of each; 1 if one was not clean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long things go wrong in each")
    parser.add_argument("--seed", type=int, default=1, help="of the first one")
    parser.add_argument("--count", type=int, default=1, help="how many")
    parser.add_argument("--nodes", type=int, default=1, choices=(1, 3), help="servers of the broker")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--mutant", default="", help="plant a fault (tests/crash/mutants.py)")
    args = parser.parse_args()
    clean = True
    for seed in range(args.seed, args.seed + args.count):
        folder = Path(tempfile.mkdtemp(prefix="platform-soak-"))
        plan = Plan(seed, args.seconds, args.workers, args.mutant)
        verdict = asyncio.run(_play_alone(plan, args.nodes, folder))
        print(verdict.story, *verdict.problems, f"logs: {folder}" if verdict.problems else "clean", sep="\n  ")
        clean = clean and not verdict.problems
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
