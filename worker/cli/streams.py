"""``streams``: create what the worker needs on the NATS server, or say how it differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from worker.cli.connect import with_streams
from worker.cli.exits import Exit
from worker.cli.output import TABLE, console, emit, note, output_option, table, working

if TYPE_CHECKING:
    from worker.outbound.streams import Drift


@click.group(name="streams")
def group() -> None:
    """Create the streams, consumer and bucket, or check them for drift."""


@group.command()
@output_option
def apply(output: str) -> None:
    """Create what is missing and change what differs; a second call changes nothing.

    NATS_REPLICAS is the number of copies; with one, sizes are those of a single server. A change that would lose
    messages is refused, and nothing is changed then.
    """
    with working("applying the declaration …"):
        changes = with_streams(lambda streams: streams.apply())
    if output != TABLE:
        emit(
            [
                {"kind": c.kind, "name": c.name, "action": c.action, "settings": [drift_to_json(d) for d in c.settings]}
                for c in changes
            ],
            output,
        )
        return
    rows = [(c.action, c.kind, c.name, "; ".join(map(str, c.settings))) for c in changes]
    console().print(table(("action", "kind", "name", "settings"), rows))


@group.command()
@output_option
def check(output: str) -> None:
    """Compare the server with the declaration and change nothing; exit code 1 if something differs."""
    with working("comparing …"):
        drifts = with_streams(lambda streams: streams.check())
    if output != TABLE:
        emit([drift_to_json(drift) for drift in drifts], output)
    elif drifts:
        rows = [("yes" if d.essential else "no", str(d)) for d in drifts]
        console().print(table(("keeps the worker from starting", "difference"), rows))
    else:
        note("everything is as declared")
    if drifts:
        raise click.exceptions.Exit(Exit.FAILED)


def drift_to_json(drift: Drift) -> dict[str, Any]:
    """Return one difference for programs."""
    return {
        "kind": drift.kind,
        "name": drift.name,
        "setting": drift.setting,
        "declared": drift.declared,
        "found": drift.found,
        "essential": drift.essential,
    }
