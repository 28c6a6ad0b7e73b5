"""``--watch``: follow one event through the ledger to its end, printing what is told on the way."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import click

from contracts.names import status_subject
from worker.cli.exits import CliError, Exit
from worker.cli.ledger_view import ENDINGS, Entry, read
from worker.cli.output import STYLES, clean

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from worker.outbound.desk import Desk

#: Seconds between two looks at the ledger.
_LOOK = 0.15


async def follow(
    desk: Desk, namespace: str, name: str, key: str, *, sequence: int, deletes: bool, patience: float
) -> AsyncIterator[Entry]:
    """Yield the status events of one event as they come, until nothing more will be told of it.

    Args:
        desk: Where to read.
        namespace: Of the application.
        name: Of the application.
        key: The event's key.
        sequence: The event's place in its stream; an id that was published again much later has several.
        deletes: It asks for everything to go, which is told once more after its run has succeeded.
        patience: Seconds to wait for the end.

    Raises:
        CliError: The end did not come in time.
    """
    subject = status_subject(namespace, name, key)
    deadline = time.monotonic() + patience
    after = 0
    while True:
        async for letter in desk.statuses(subject, after):
            after = letter.sequence
            entry = read(letter)
            if entry.delivered != sequence:
                continue
            yield entry
            if entry.closes(deletes=deletes):
                return
        if time.monotonic() > deadline:
            raise CliError(
                Exit.FAILED,
                f"{namespace}/{name}: the end did not come within {patience:g} s",
                f'it may still come: look with "platform-worker status {namespace}/{name}", or give a longer --timeout',
            )
        await asyncio.sleep(_LOOK)


async def watch(
    desk: Desk,
    namespace: str,
    name: str,
    key: str,
    *,
    sequence: int,
    deletes: bool,
    patience: float,
    say: Callable[[Entry], None],
) -> Entry:
    """Follow one event, call ``say`` for each thing told of it, and return the last."""
    last: Entry | None = None
    async for entry in follow(desk, namespace, name, key, sequence=sequence, deletes=deletes, patience=patience):
        say(entry)
        last = entry
    assert last is not None  # noqa: S101 - `follow` ends only behind an entry
    return last


def say_line(entry: Entry) -> None:
    """Print one status event on stderr, as a line."""
    kind = click.style(f"{entry.kind:<10}", fg=_color(entry.kind))
    click.echo(f"{entry.time[11:23]} {kind} {clean(entry.application)}  {clean(entry.summary())}", err=True)


def exit_of(entries: list[Entry]) -> Exit:
    """Return the exit code of several events that came to their ends: the worst."""
    codes = [ENDINGS[entry.kind] for entry in entries]
    return Exit.FAILED if Exit.FAILED in codes else max(codes, default=Exit.OK)


def _color(kind: str) -> str | None:
    style = STYLES.get(kind)
    return None if style in {None, "dim"} else style
