"""The README's commands, run as a reader would paste them, against `dev`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.docs.markdown import ROOT, blocks
from worker.dev.environment import environment
from worker.dev.loopback import free_port
from worker.dev.process import worker_process
from worker.outbound.desk import connected
from worker.outbound.installation import apply_streams, declared_streams
from worker.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Lines that this test does itself: the servers, and the place of the program.
_DONE_HERE = ("make ", ". .venv")
#: Seconds without a word after which a command hangs; on a machine with nothing else to do the longest is 2 s.
_SILENCE = 120.0
#: What the commands must have said, in this order.
SAID = (
    "2 to create: the event would be accepted",
    "accepted   team-a/shop  run shop-1-1-",
    "succeeded  team-a/shop",
    "changed: size",
    "run shop-2-1-",
    "1 problem: the event would be rejected",
    "rejected   team-a/shop",
    "not-allowed",
    "replayed",
    "unchanged  team-a/shop",
    "change db, change api",
    "remove api, retain db",
    "deleted    team-a/shop",
    "succeeded  shop/orders",
    "deleted    shop/orders",
    "create billing-db, create billing",
    "succeeded  shop/billing",
    "create appointments-db, create appointments-cache, create appointments",
    "remove appointments, retain appointments-db, retain appointments-cache",
    "change billing-db, change billing",
    "platform.oam.default.hello: stored as sequence",
)


def script() -> str:
    """Return the shell blocks of the README as one script."""
    parts = [block.body for block in blocks("sh") if block.path == ROOT / "README.md"]
    return "".join(line for line in "".join(parts).splitlines(keepends=True) if not line.startswith(_DONE_HERE))


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder with the command `platform-worker`, whether or not the project is installed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "platform-worker"
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m worker "$@"\n')
    command.chmod(0o755)
    return folder


async def run(text: str, folder: Path, variables: Mapping[str, str]) -> str:
    """Run a shell script to its end and return what it said, with each command before what that said.

    It writes to a file and has a process group of its own: to kill a shell alone would leave the command that it waits
    for, which would go on holding a pipe, and asyncio waits for pipes too.
    """
    shell = shutil.which("sh")
    assert shell is not None
    said = folder / "said"
    with said.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(shell, "-xc", text),
            cwd=folder,
            env={**os.environ, **variables},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    ended = asyncio.create_task(process.wait())
    size, heard = 0, time.monotonic()
    try:
        while not ended.done() and time.monotonic() - heard < _SILENCE:
            await asyncio.wait([ended], timeout=0.2)
            if said.stat().st_size > size:
                size, heard = said.stat().st_size, time.monotonic()
        silent = not ended.done()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.wait([ended], timeout=10)
    found = said.read_text(encoding="utf-8", errors="replace")
    if silent:
        pytest.fail(f"a command hangs: not a word for {_SILENCE:g} s after:\n{found[-3000:]}")
    return found


async def test_a_command_that_hangs_is_found_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "_SILENCE", 1.0)
    began = time.monotonic()
    with pytest.raises(pytest.fail.Exception, match=r"(?s)a command hangs: .*sleep 600"):
        await run("echo before\nsleep 600", tmp_path, {})
    assert time.monotonic() - began < 60


async def test_the_readme_does_what_it_says(tmp_path: Path, program: Path) -> None:
    port = free_port()
    async with environment(claim_seconds=0.05) as servers:
        variables = servers.worker_variables(port)
        settings = Settings.from_environment(variables)
        async with connected(settings) as client:
            await apply_streams(client, declared_streams(settings))
        async with worker_process(variables, port, tmp_path / "worker.log") as worker:
            path = f"{program}{os.pathsep}{os.environ['PATH']}"
            try:
                text = await run(script(), tmp_path, {**variables, "COLUMNS": "200", "PATH": path})
            except pytest.fail.Exception as failure:
                failure.add_note(f"The worker's log ends:\n{worker.log_tail()}")
                raise
    place = 0
    for words in SAID:
        found = text.find(words, place)
        assert found >= 0, f"{words!r} was not said after:\n{text[:place][-2000:]}\nbut:\n{text[place:]}"
        place = found
    assert "error:" not in text
    assert "Usage:" not in text
