"""Run a command in a cluster that exists for it alone: ``python -m tests.local_lane [--with PARTS] -- COMMAND ARGS…``.

PARTS, separated by commas: ``nats``, ``controllers`` (Deployments become pods, which run as local processes), ``keda``
(with controllers). The command finds KUBECONFIG, NATS_URL, kubectl and platform-worker on PATH, and LOCAL_LANE=1.
The exit code is the command's; 69 if the lane could not be started, 70 if it broke.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Literal

from tests.local_lane.lane import Lane, Part, lane
from tests.local_lane.rules import Rules
from tests.support.control_plane import MissingBinariesError
from tests.support.processes import tied
from tools.build import BuildError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Of sysexits.h: a service is not available, an internal error.
UNAVAILABLE, SOFTWARE = 69, 70
#: Seconds that the command has to clean up once it is told to end.
_GRACE = 60.0


def parse(arguments: Sequence[str]) -> tuple[set[Part], list[str]]:
    """Return the parts and the command; ends the process on wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m tests.local_lane", description=__doc__)
    parser.add_argument("--with", dest="parts", default="", metavar="PARTS", help=", ".join(Part))
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    options = parser.parse_args(arguments)
    names = [name for name in options.parts.split(",") if name]
    unknown = [name for name in names if name not in list(Part)]
    if unknown:
        parser.error(f"there is no part {unknown[0]}: choose from {', '.join(Part)}")
    parts = {Part(name) for name in names}
    return parts | {Part.CONTROLLERS} if Part.KEDA in parts else parts, options.command


async def run(parts: set[Part], command: list[str]) -> int:
    """Start the lane, run the command, end the lane; return the exit code."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopping.set)
    stopped = asyncio.create_task(stopping.wait())
    try:
        async with lane(parts, Rules.read()) as running:
            if stopping.is_set():  # before there was anything to run
                return 128 + signal.SIGTERM
            code = await _run(running, command, stopped)
            if code:
                print(running.logs(), file=sys.stderr, flush=True)
            return code
    except (MissingBinariesError, BuildError) as error:
        print(f"local lane: {error}", file=sys.stderr)
        return UNAVAILABLE
    finally:
        stopped.cancel()


async def _run(running: Lane, command: list[str], stopping: asyncio.Task[Literal[True]]) -> int:
    process = await asyncio.create_subprocess_exec(*tied(command), env=running.env, start_new_session=True)
    ended = asyncio.create_task(process.wait())
    awaited: list[asyncio.Task[Any]] = [ended, stopping, *running.working]
    await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
    broken = [task for task in running.working if task.done()]
    if not ended.done():
        # To the command and its children: a script only hears of it when the program that it waits for has ended.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(ended), _GRACE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    code = await ended
    for task in broken:
        print(f"local lane: the {task.get_name()} ended: {task.exception()!r}", file=sys.stderr, flush=True)
    if broken:
        return SOFTWARE
    return 128 - code if code < 0 else code


def main() -> int:
    """Run the command line; return its exit code."""
    parts, command = parse(sys.argv[1:])
    return asyncio.run(run(parts, command))


if __name__ == "__main__":
    sys.exit(main())
