"""``publish``: send events, and say whether the stream took them.

Everything is checked before anything is sent, so a file with five documents is published whole or not at all as far
as its form is concerned.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contracts.names import Header, SubjectKind, event_key, message_id, parse_subject
from contracts.violations import ContractViolation
from worker.cli.connect import with_desk
from worker.cli.documents import Outgoing, read_files
from worker.cli.exits import CliError, Exit
from worker.cli.output import TABLE, console, emit, note, output_option, show_table, working
from worker.cli.watch import exit_of, say_line, watch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.cli.ledger_view import Entry
    from worker.outbound.desk import Desk, Receipt

#: What a header block costs besides names and values: ``NATS/1.0``, line ends, the empty line.
_BLOCK, _LINE = 12, 4


@dataclass(slots=True)
class Sent:
    """One published event, and what became of it if it was watched."""

    outgoing: Outgoing
    receipt: Receipt
    end: Entry | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the line for programs."""
        data = self.outgoing.data
        told: dict[str, Any] = {
            "application": {"namespace": data.namespace, "name": data.name},
            "id": self.outgoing.event.id,
            "type": self.outgoing.event.type,
            "subject": self.outgoing.subject,
            "stored": not self.receipt.duplicate,
            "stream": self.receipt.stream,
            "sequence": self.receipt.sequence,
        }
        if self.end is not None:
            told["outcome"] = self.end.kind
            told["status"] = self.end.event
        return told


@click.command(name="publish")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--id", "event_id", help="CloudEvent id; otherwise the file's, or one derived from its content.")
@click.option("--watch", "watching", is_flag=True, help="Follow each event until its run has ended.")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=900.0, show_default=True, help="Seconds to watch.")
@click.option(
    "--raw", "raw_subject", metavar="SUBJECT", help="Send the bytes of FILE to SUBJECT as they are; not with --watch."
)
@output_option
def command(
    files: tuple[str, ...], event_id: str | None, watching: bool, timeout: float, raw_subject: str | None, output: str
) -> None:
    """Publish Applications, ApplicationClaims or CloudEvents.

    A FILE holds one or more Applications, ApplicationClaims or CloudEvents (YAML or JSON); - is standard input. The
    environment variable TRACEPARENT is passed on in events that have no trace context of their own.

    Exit code 5 if the stream had an event of that id already (within two minutes), so that it was not stored.
    """
    if raw_subject is not None:
        if watching:
            raise click.UsageError("--raw sends bytes that may be no event, so there is nothing to --watch")
        _raw(files, raw_subject, event_id, output)
        return
    documents = read_files(files, event_id=event_id, traceparent=os.environ.get("TRACEPARENT"))

    async def work(desk: Desk) -> list[Sent]:
        await check_sizes(desk, documents)
        sent = [await send(desk, one) for one in documents]
        for one in sent:
            tell_duplicate(one)
        if watching:
            for one in sent:
                await follow_sent(desk, one, patience=timeout)
        return sent

    with working("publishing …", quiet=watching):
        sent = with_desk(work)
    show(sent, output)
    finish(sent)


async def check_sizes(desk: Desk, documents: list[Outgoing]) -> None:
    """Refuse, before anything is sent, what the stream would refuse.

    Raises:
        CliError: An event is larger than the stream takes.
    """
    limit = await desk.size_limit()
    for one in documents:
        headers, body = one.to_message()
        size = len(body) + _headers_size({**headers, str(Header.MESSAGE_ID): one.message_id})
        if size > limit:
            raise CliError(
                Exit.INVALID,
                f"{one.place}: the event has {size} bytes with its headers, the stream takes {limit}; nothing was sent",
                "split the application, or shorten its properties",
            )


async def send(desk: Desk, outgoing: Outgoing) -> Sent:
    """Publish one event."""
    headers, body = outgoing.to_message()
    return Sent(outgoing, await desk.publish(outgoing.subject, body, headers, outgoing.message_id))


async def follow_sent(desk: Desk, sent: Sent, *, patience: float) -> None:
    """Follow one published event to its end."""
    data, event = sent.outgoing.data, sent.outgoing.event
    sequence = sent.receipt.sequence
    key = event_key(event.id, sent.receipt.stream, sequence)
    sent.end = await watch(
        desk,
        data.namespace,
        data.name,
        key,
        sequence=sequence,
        deletes=sent.outgoing.deletes,
        patience=patience,
        say=say_line,
    )


def show(sent: list[Sent], output: str) -> None:
    """Print what was published."""
    if output != TABLE:
        emit([one.to_json() for one in sent], output)
        return
    rows = [
        (
            f"{one.outgoing.data.namespace}/{one.outgoing.data.name}",
            one.outgoing.event.type.removeprefix("io.platform."),
            one.outgoing.event.id,
            one.receipt.sequence if not one.receipt.duplicate else f"not stored (as {one.receipt.sequence})",
            one.end.kind if one.end else "",
        )
        for one in sent
    ]
    columns = ("application", "type", "event id", "sequence", "outcome")
    watched = any(one.end for one in sent)
    show_table(console(), columns if watched else columns[:-1], rows if watched else [row[:-1] for row in rows])


def tell_duplicate(sent: Sent) -> None:
    """Say so if the stream did not store the event."""
    if sent.receipt.duplicate:
        note(
            f"{sent.outgoing.place}: not stored: the stream took an event with the id {sent.outgoing.event.id} within "
            f"the last two minutes (sequence {sent.receipt.sequence}); give another --id if it is meant again"
        )


def finish(sent: list[Sent]) -> None:
    """End the process with what the events came to."""
    ends = [one.end for one in sent if one.end is not None]
    code = exit_of(ends)
    if code is Exit.OK and not ends and any(one.receipt.duplicate for one in sent):
        code = Exit.REFUSED
    if code is not Exit.OK:
        raise click.exceptions.Exit(code)


def _raw(files: tuple[str, ...], subject: str, event_id: str | None, output: str) -> None:
    """Send bytes as they are: for senders of other forms, and to see what the worker does with nonsense."""
    _check_subject(subject)
    bodies = []
    for file in files:
        try:
            bodies.append(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
        except OSError as error:
            raise CliError(Exit.INVALID, f"{file} cannot be read: {error.strerror}", "check the path") from error

    async def work(desk: Desk) -> list[Receipt]:
        idents = [message_id(subject, event_id or os.urandom(16).hex()) for _ in bodies]
        return [await desk.publish(subject, body, {}, ident) for body, ident in zip(bodies, idents, strict=True)]

    receipts = with_desk(work)
    if output != TABLE:
        told = [
            {"subject": subject, "stored": not r.duplicate, "stream": r.stream, "sequence": r.sequence}
            for r in receipts
        ]
        emit(told, output)
    else:
        for receipt in receipts:
            stored = "not stored: duplicate of" if receipt.duplicate else "stored as"
            note(f"{subject}: {stored} sequence {receipt.sequence}")
    if any(receipt.duplicate for receipt in receipts):
        raise click.exceptions.Exit(Exit.REFUSED)


def _check_subject(subject: str) -> None:
    try:
        known = parse_subject(subject).kind in {SubjectKind.OAM, SubjectKind.REQUEST}
    except ContractViolation:
        known = False
    if not known:
        raise CliError(
            Exit.INVALID,
            f"{subject!r} is no subject of events",
            "give platform.oam.NAMESPACE.NAME or platform.request.NAMESPACE.NAME",
        )


def _headers_size(headers: Mapping[str, str]) -> int:
    return _BLOCK + sum(len(name.encode()) + len(value.encode()) + _LINE for name, value in headers.items())
