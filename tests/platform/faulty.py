"""A local lane whose composer can be told to compose something wrong, to see that the shell tests notice."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.local_lane.lane import Lane, Part, lane
from tests.local_lane.rules import Rules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

Manifest = dict[str, Any]


@dataclass(frozen=True)
class FaultyRules(Rules):
    """The rules of the lane, and faults on top of them.

    Attributes:
        faults: Each gets every manifest that is about to be applied, and may change it.
    """

    faults: list[Callable[[Manifest], None]] = field(default_factory=list)

    def patched(self, manifest: Manifest, running: Mapping[str, str], *, scaling: bool) -> Manifest:
        """Return what is applied in place of a composed manifest."""
        made = super().patched(manifest, running, scaling=scaling)
        for fault in self.faults:
            fault(made)
        return made


@dataclass(frozen=True)
class Said:
    """What a script had to say.

    Attributes:
        code: Its exit code.
        text: Its output, errors among it.
    """

    code: int
    text: str


class FaultyLane:
    """A running lane, and scripts within it."""

    def __init__(self, running: Lane, rules: FaultyRules) -> None:
        self.running = running
        self._rules = rules

    def plant(self, *faults: Callable[[Manifest], None]) -> None:
        """Let all that is composed from now on have these faults, and no others."""
        self._rules.faults[:] = faults

    async def start(self, *argv: str | Path, **environment: str) -> asyncio.subprocess.Process:
        """Start a script in the lane, in a process group of its own."""
        return await asyncio.create_subprocess_exec(
            *argv,
            env={**self.running.env, **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )

    async def run(self, *argv: str | Path, **environment: str) -> Said:
        """Run a script in the lane to its end."""
        process = await self.start(*argv, **environment)
        output, _ = await process.communicate()
        assert process.returncode is not None
        return Said(process.returncode, output.decode())


@asynccontextmanager
async def faulty_lane(*parts: Part) -> AsyncIterator[FaultyLane]:
    """Start a lane without faults."""
    rules = Rules.read()
    faulty = FaultyRules(rules.addresses, rules.images, rules.intervals)
    async with lane(set(parts), faulty) as running:
        yield FaultyLane(running, faulty)
