"""The README's commands, run as a reader would paste them, against `dev`."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
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
    from pathlib import Path

#: Lines that this test does itself: the servers, and the place of the program.
_DONE_HERE = ("make ", ". .venv")
#: What the commands must have said, in this order.
SAID = (
    "2 to create: the event would be accepted",
    "accepted   team-a/shop  run shop-1-1-",
    "succeeded  team-a/shop",
    "changed: size",
    "run shop-2-1-",
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


async def test_the_readme_does_what_it_says(tmp_path: Path, program: Path) -> None:
    shell = shutil.which("sh")
    assert shell is not None
    port = free_port()
    async with environment(claim_seconds=0.05) as servers:
        variables = servers.worker_variables(port)
        settings = Settings.from_environment(variables)
        async with connected(settings) as client:
            await apply_streams(client, declared_streams(settings))
        async with worker_process(variables, port, tmp_path / "worker.log"):
            process = await asyncio.create_subprocess_exec(
                shell,
                "-c",
                script(),
                cwd=tmp_path,
                env={**os.environ, **variables, "COLUMNS": "200", "PATH": f"{program}{os.pathsep}{os.environ['PATH']}"},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            try:
                output, _ = await asyncio.wait_for(process.communicate(), 240)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
    text = output.decode()
    place = 0
    for words in SAID:
        found = text.find(words, place)
        assert found >= 0, f"{words!r} was not said after:\n{text[:place][-2000:]}\nbut:\n{text[place:]}"
        place = found
    assert "error:" not in text
    assert "Usage:" not in text
