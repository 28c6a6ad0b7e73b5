"""The real worker process, killed or frozen at a step, or broken on purpose: ``python -m tests.crash.worker --help``.

Everything but the failpoint and the planted fault is what ``platform-worker run`` does; the product has no switch for
either.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from tests.crash.mutants import MUTANTS, Mutant
from worker.bootstrap import run_worker
from worker.domain.status import Status
from worker.inbound import verdict
from worker.outbound import breaker
from worker.pipeline import Adapters
from worker.ports import Failpoint, Ledger
from worker.settings import Settings

#: Pause of an impatient worker after a failed call, in seconds.
_IMPATIENT = 0.02


def signal_at(number: signal.Signals, spec: str) -> Failpoint:
    """Return a failpoint that sends the process a signal when step ``STEP`` is reached for the ``N``-th time.

    Args:
        number: SIGKILL ends the process without notice; SIGSTOP freezes it until somebody sends SIGCONT.
        spec: ``STEP:N``.
    """
    wanted, _, count = spec.partition(":")
    left = int(count or "1")

    def failpoint(step: str) -> None:
        nonlocal left
        if step == wanted:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), number)

    return failpoint


class Stopwatch:
    """Measures each event from the moment it is taken in hand until its end is in the ledger.

    Each event is handled by a task of its own, so the task says which event a status belongs to.

    Attributes:
        seconds: By delivery.
    """

    def __init__(self) -> None:
        self._since: WeakKeyDictionary[asyncio.Task[Any], float] = WeakKeyDictionary()
        self.seconds: dict[str, float] = {}

    def __call__(self, step: str) -> None:
        """Start at the first step."""
        task = asyncio.current_task()
        assert task is not None
        if step == "received":
            self._since[task] = time.perf_counter()

    def alter(self, adapters: Adapters) -> Adapters:
        """Stop when the ledger has a disposition."""
        return replace(adapters, ledger=_TimedLedger(adapters.ledger, self._stop))

    def _stop(self, delivery: str) -> None:
        task = asyncio.current_task()
        if task is not None and task in self._since:  # else it is the observer
            self.seconds[delivery] = time.perf_counter() - self._since[task]


class _TimedLedger:
    def __init__(self, inner: Ledger, stop: Callable[[str], None]) -> None:
        self._inner = inner
        self._stop = stop

    async def publish(self, status: Status) -> None:
        await self._inner.publish(status)
        self._stop(status.cause.delivery)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._inner, attribute)


def all_of(failpoints: Sequence[Failpoint]) -> Failpoint:
    """Return one failpoint that is all of them."""

    def failpoint(step: str) -> None:
        for one in failpoints:
            one(step)

    return failpoint


def main() -> None:
    """Run until SIGTERM, or until a failpoint kills."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kill-at", action="append", default=[], metavar="STEP:N")
    parser.add_argument("--freeze-at", action="append", default=[], metavar="STEP:N")
    parser.add_argument("--mutant", default="", choices=["", *MUTANTS])
    parser.add_argument("--impatient", action="store_true", help="wait hardly at all after a failed call")
    parser.add_argument("--stopwatch", type=Path, metavar="FILE", help="write the seconds that each event took")
    args = parser.parse_args()
    stopwatch = Stopwatch()
    failpoints: list[Failpoint] = [stopwatch] if args.stopwatch else []
    failpoints += [signal_at(signal.SIGKILL, spec) for spec in args.kill_at]
    failpoints += [signal_at(signal.SIGSTOP, spec) for spec in args.freeze_at]
    if args.impatient:
        # A thousand outages at the product's pace would take an hour; only the pace is changed.
        breaker._FIRST = breaker._MOST = verdict._HOLD_FIRST = verdict._HOLD_MOST = _IMPATIENT
    mutant = MUTANTS.get(args.mutant, Mutant(alter=stopwatch.alter))
    with mutant.planted():
        settings = Settings.from_environment(os.environ)
        asyncio.run(run_worker(settings, failpoint=all_of(failpoints), alter=mutant.alter))
    if args.stopwatch:
        args.stopwatch.write_text(json.dumps(stopwatch.seconds))


if __name__ == "__main__":
    main()
