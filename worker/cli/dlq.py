"""``dlq``: look at events that could not be carried out, and send them again once their cause is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from contracts.names import escape
from worker.cli.connect import with_desk
from worker.cli.dead_letter import DeadLetter
from worker.cli.exits import CliError, Exit
from worker.cli.output import TABLE, clean, console, emit, note, output_option, show_table, table, text, working
from worker.cli.replay import Replay, replay_all

if TYPE_CHECKING:
    from worker.outbound.desk import Desk

#: Characters of a body that `show` prints.
_PREVIEW = 4_000


class _Number(click.IntRange):
    """The place of a dead letter in the DLQ."""

    name = "number of a dead letter (see platform-worker dlq list)"


_NUMBER = _Number(min=1)


@click.group(name="dlq")
def group() -> None:
    """List, show and replay dead letters."""


_class_option = click.option("--class", "error_class", metavar="CLASS", help="Only those rejected for this reason.")
_namespace_option = click.option("-n", "--namespace", help="Only those of this namespace.")


@group.command(name="list")
@_class_option
@_namespace_option
@output_option
def list_command(error_class: str | None, namespace: str | None, output: str) -> None:
    """List the dead letters of the last 30 days, oldest first."""
    with working("reading the DLQ …"):
        letters = with_desk(lambda desk: read_letters(desk, error_class, namespace))
    if output != TABLE:
        emit([one.to_json() for one in letters], output)
        return
    if not letters:
        note("no dead letters" if error_class is None and namespace is None else "no such dead letters")
        return
    rows = [
        (
            one.sequence,
            one.first_seen[:19],
            f"{one.namespace}/{one.name}",
            text(one.error_class, "red"),
            one.path,
            one.reason,
        )
        for one in letters
    ]
    show_table(console(), ("no.", "event of", "application", "class", "path", "reason"), rows)


@group.command(short_help="Show one dead letter: reason, headers, body.")
@click.argument("sequence", type=_NUMBER, metavar="N")
@output_option
def show(sequence: int, output: str) -> None:
    """Show the dead letter N: why, the headers that the event came with, and its body."""

    async def look(desk: Desk) -> DeadLetter:
        return await _existing(desk, sequence)

    letter = with_desk(look)
    body = letter.body.decode("utf-8", "replace")
    if output != TABLE:
        emit(letter.to_json() | {"headers": letter.original_headers(), "body": body}, output)
        return
    out = console()
    about = [
        ("class", text(letter.error_class, "red")),
        ("reason", letter.reason),
        ("path", letter.path),
        ("application", f"{letter.namespace}/{letter.name}"),
        ("subject", letter.subject),
        ("event", f"{letter.stream}:{letter.event_sequence}"),
        ("deliveries", letter.deliveries),
        ("stored at", letter.first_seen),
        *((f"header {name}", value) for name, value in letter.original_headers().items()),
        ("bytes", len(letter.body)),
    ]
    out.print(table(("what", "value"), about))
    # Line breaks of the body stay; every other control character is made visible.
    for line in body[:_PREVIEW].splitlines():
        out.print(text(clean(line)), soft_wrap=True)
    if len(body) > _PREVIEW:
        out.print(text(f"… {len(body) - _PREVIEW} more characters, see --output json", "dim"))


@group.command(short_help="Publish dead letters again, byte by byte.")
@click.argument("sequence", type=_NUMBER, required=False, metavar="[N]")
@click.option("--all", "everything", is_flag=True, help="Replay all that the filters let through.")
@_class_option
@_namespace_option
@click.option("--force", is_flag=True, help="Replay also what is older than what is recorded.")
@output_option
def replay(
    sequence: int | None, everything: bool, error_class: str | None, namespace: str | None, force: bool, output: str
) -> None:
    """Publish the dead letter N again, byte by byte, on the subject that it came on.

    An event that is older than what is recorded of its application is refused: it would be superseded, or, if it
    carries no generation, would pass for the newest. --force sends it all the same.

    Exit code 5 if something was refused, or not stored because it was replayed within the last two minutes.
    """
    if (sequence is None) is not everything:
        raise click.UsageError("give one N, or --all (with --class or --namespace)")

    async def work(desk: Desk) -> list[Replay]:
        if sequence is not None:
            letters = [await _existing(desk, sequence)]
        else:
            letters = await read_letters(desk, error_class, namespace)
        return await replay_all(desk, letters, force=force)

    with working("replaying …"):
        done = with_desk(work)
    if output != TABLE:
        emit([one.to_json() for one in done], output)
    else:
        rows = [
            (r.letter.sequence, f"{r.letter.namespace}/{r.letter.name}", r.outcome, r.sequence or "", r.reason)
            for r in done
        ]
        show_table(console(), ("no.", "application", "outcome", "stored as", "why"), rows)
    if any(one.outcome != "replayed" for one in done):
        note("not everything was replayed")
        raise click.exceptions.Exit(Exit.REFUSED)


async def read_letters(desk: Desk, error_class: str | None, namespace: str | None) -> list[DeadLetter]:
    """Return the dead letters that both filters let through; ``None`` lets all through."""
    subjects = f"platform.dlq.{escape(namespace) if namespace else '*'}.*.*"
    letters = [DeadLetter.read(letter) async for letter in desk.dead_letters(subjects)]
    return [one for one in letters if error_class is None or one.error_class == error_class]


async def _existing(desk: Desk, sequence: int) -> DeadLetter:
    letter = await desk.dead_letter(sequence)
    if letter is None:
        raise CliError(Exit.NOT_FOUND, f"there is no dead letter {sequence}", "see platform-worker dlq list")
    return DeadLetter.read(letter)
