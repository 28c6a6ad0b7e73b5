"""The real worker process, killed at a step or broken on purpose: ``python -m tests.crash.worker [--kill-at STEP:N] [--mutant NAME]``.

Everything but the failpoint and the planted fault is what ``platform-worker run`` does; the product has no switch for either.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal

from tests.crash.mutants import MUTANTS
from worker.bootstrap import run_worker
from worker.pipeline import no_failpoint
from worker.ports import Failpoint
from worker.settings import Settings


def kill_at(spec: str) -> Failpoint:
    """Return a failpoint that ends the process without notice when step ``STEP`` is reached for the ``N``-th time."""
    wanted, _, count = spec.partition(":")
    left = int(count or "1")

    def failpoint(step: str) -> None:
        nonlocal left
        if step == wanted:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return failpoint


def main() -> None:
    """Run until SIGTERM, or until the failpoint."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kill-at", default="")
    parser.add_argument("--mutant", default="", choices=["", *MUTANTS])
    args = parser.parse_args()
    mutant = MUTANTS.get(args.mutant)
    with mutant.planted() if mutant else _nothing():
        asyncio.run(
            run_worker(
                Settings.from_environment(os.environ),
                failpoint=kill_at(args.kill_at) if args.kill_at else no_failpoint,
                alter=mutant.alter if mutant else lambda adapters: adapters,
            )
        )


class _nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


if __name__ == "__main__":
    main()
