"""``explain``: everything that became of one event, in the order in which it was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from contracts.names import dlq_subject, event_key
from worker.cli.applications import any_detail
from worker.cli.connect import with_desk
from worker.cli.dead_letter import DeadLetter
from worker.cli.exits import CliError, Exit
from worker.cli.ledger_view import Entry, read
from worker.cli.output import TABLE, console, emit, output_option, show_table, text, working

if TYPE_CHECKING:
    from worker.outbound.desk import Desk


@click.command(name="explain")
@click.argument("event_id")
@output_option
def command(event_id: str, output: str) -> None:
    """Show everything that became of one event.

    That is every disposition and run event that the ledger has of it, and its dead letter. EVENT_ID is the CloudEvent
    id; of an event that had none it is STREAM:SEQUENCE, for example PLATFORM_EVENTS:17.

    Exit code 3 if nothing was told of such an event (within the 30 days that the ledger keeps).
    """
    key = event_key(event_id, "", 0)

    async def look(desk: Desk) -> tuple[list[Entry], list[DeadLetter]]:
        entries = [read(letter) async for letter in desk.statuses(f"platform.status.*.*.{key}")]
        if not any(entry.kind == "rejected" for entry in entries):
            return entries, []
        places = {entry.delivered for entry in entries}
        letters = []
        for app in {entry.application for entry in entries}:
            namespace, _, name = app.partition("/")
            subjects = any_detail(dlq_subject(namespace, name, "any"))
            letters += [DeadLetter.read(letter) async for letter in desk.dead_letters(subjects)]
        return entries, [one for one in letters if one.event_sequence in places]

    with working("reading the ledger …"):
        entries, letters = with_desk(look)
    if not entries:
        raise CliError(
            Exit.NOT_FOUND,
            f"nothing was told of an event {event_id!r}",
            "check the id; an event that waits or is being handled has no status yet",
        )
    if output != TABLE:
        emit(
            {
                "event": event_id,
                "statuses": [entry.event for entry in entries],
                "deadLetters": [one.to_json() for one in letters],
            },
            output,
        )
        return
    _show(event_id, entries, letters)


def _show(event_id: str, entries: list[Entry], letters: list[DeadLetter]) -> None:
    out = console()
    out.print(text(event_id, "bold"), text(f"about {entries[0].application}", "dim"))
    rows = [(entry.time, entry.delivered, entry.kind, entry.summary()) for entry in entries]
    show_table(out, ("time", "delivery", "status", "what"), rows)
    components = entries[-1].data.get("components", [])
    if components:
        lines = [(c["name"], c["type"], c["action"], c["state"], c.get("message", "")) for c in components]
        columns = ("component", "type", "action", "state", "message")
        show_table(out, columns, lines, title="components, as last told")
    for one in letters:
        out.print(
            text(f"dead letter {one.sequence} ({one.error_class}): {one.reason}", "red"),
            text(f'platform-worker dlq show {one.sequence} shows it, "dlq replay" sends it again', "dim"),
        )
