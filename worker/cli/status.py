"""``status``: what is recorded of applications; the record is what the worker itself decides on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from contracts.names import status_subject
from worker.cli.applications import APPLICATION, any_detail
from worker.cli.connect import with_desk
from worker.cli.exits import CliError, Exit
from worker.cli.ledger_view import Entry, read
from worker.cli.output import STYLES, TABLE, console, emit, lines, note, output_option, show_table, text, working
from worker.domain.classify import TYPES

if TYPE_CHECKING:
    from worker.domain.events import AppKey
    from worker.domain.record import ComponentRecord, Record
    from worker.outbound.desk import Desk

#: How many status events the detail view shows.
_LAST = 10


@click.command(name="status")
@click.argument("application", type=APPLICATION, required=False, metavar="[NAMESPACE/APP]")
@click.option("-n", "--namespace", help="Only applications of this namespace.")
@output_option
def command(application: AppKey | None, namespace: str | None, output: str) -> None:
    """Show what is recorded of all applications, or of one in detail.

    APP alone is in the namespace default.

    Exit code 3 if nothing is recorded of NAMESPACE/APP; 1 if its last run failed.
    """
    if application is None:
        _overview(namespace, output)
    else:
        _detail(application, output)


def _overview(namespace: str | None, output: str) -> None:
    async def read_all(desk: Desk) -> list[Record]:
        return await desk.records(namespace)

    with working("reading the records …"):
        records = with_desk(read_all)
    if output != TABLE:
        emit([to_json(record) for record in records], output)
        return
    if not records:
        note(f"nothing is recorded in the namespace {namespace}" if namespace else "nothing is recorded yet")
        return
    columns = ("application", "owner", "order", "run", "phase", "attempt", "components", "not applied")
    show_table(console(), columns, [_line(record) for record in records])


def _line(record: Record) -> tuple[object, ...]:
    run = record.run
    wanted = [c for c in record.components if c.wanted]
    pending = [f"{c.identity.name} ({c.state.value})" for c in record.components if c.state.value != "applied"]
    return (
        record.app,
        record.owner.kind.value if record.owner else "",
        record.order.number if record.order else "",
        run.name if run else "",
        text(run.phase.value, STYLES.get(run.phase.value, "")) if run else "",
        run.attempt if run else "",
        len(wanted),
        ", ".join(pending),
    )


def _detail(app: AppKey, output: str) -> None:
    async def look(desk: Desk) -> tuple[Record | None, list[Entry]]:
        subjects = any_detail(status_subject(app.namespace, app.name, "any"))
        return await desk.record(app), [read(letter) async for letter in desk.statuses(subjects)]

    with working("reading the record …"):
        record, entries = with_desk(look)
    if record is None:
        told = f"; {len(entries)} status events speak of it, see --output json of explain" if entries else ""
        raise CliError(Exit.NOT_FOUND, f"nothing is recorded of {app}{told}", 'see "platform-worker status" for all')
    if output != TABLE:
        emit(to_json(record) | {"statuses": [entry.event for entry in entries[-_LAST:]]}, output)
    else:
        _show(record, entries[-_LAST:])
    if record.run is not None and record.run.phase.value == "failed":
        raise click.exceptions.Exit(Exit.FAILED)


def _show(record: Record, entries: list[Entry]) -> None:
    out = console()
    out.print(text(record.app, "bold"), text(f"owner: {_owner(record) or 'nobody'}", "dim"))
    run = record.run
    if run is not None:
        phase = text(run.phase.value)
        out.print(text("run"), text(run.name, "cyan"), text(f"attempt {run.attempt}"), phase, text(run.message))
    rows = [_component(component) for component in record.components]
    columns = ("component", "type", "target", "pattern", "wanted", "state", "outputs", "used by")
    show_table(out, columns, rows, title="components")
    told = [(entry.time, entry.kind, entry.cause, entry.summary()) for entry in entries]
    show_table(out, ("time", "status", "event", "what"), told, title="last told")


def _component(component: ComponentRecord) -> tuple[object, ...]:
    identity = component.identity
    outputs = lines(f"{name}={value}" for name, value in component.outputs.items())
    return (
        identity.name,
        identity.type,
        identity.target or "host",
        int(TYPES[identity.type].pattern) if identity.type in TYPES else "",
        "yes" if component.wanted else "no",
        component.state.value,
        outputs,
        ", ".join(component.referrers),
    )


def _owner(record: Record) -> str:
    owner = record.owner
    return "" if owner is None else f"{owner.kind.value} {owner.uid}".strip()


def to_json(record: Record) -> dict[str, Any]:
    """Return a record for programs: what a person wants to know of it, not its stored form."""
    run, owner, order = record.run, record.owner, record.order
    return {
        "application": {"namespace": record.app.namespace, "name": record.app.name},
        "owner": {"kind": owner.kind.value, "uid": owner.uid, "source": owner.source} if owner else None,
        "order": {
            "number": order.number,
            "uid": order.uid,
            "generation": order.generation,
            "sequence": order.sequence,
            "deleted": order.deleted,
        }
        if order
        else None,
        "run": {
            "name": run.name,
            "attempt": run.attempt,
            "phase": run.phase.value,
            "event": run.cause.id,
            "message": run.message,
        }
        if run
        else None,
        "components": [
            {
                "name": c.identity.name,
                "type": c.identity.type,
                "target": c.identity.target,
                "wanted": c.wanted,
                "state": c.state.value,
                "outputs": dict(c.outputs),
                "referrers": list(c.referrers),
            }
            for c in record.components
        ],
        "dispositions": [{"delivery": d.delivery, "disposition": d.disposition.value} for d in record.dispositions],
    }
