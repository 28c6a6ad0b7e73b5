"""``streams``: create what the worker needs on the NATS server, or say how it differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from worker.cli.connect import with_client
from worker.cli.exits import Exit
from worker.cli.output import TABLE, console, emit, note, output_option, table, working

if TYPE_CHECKING:
    from nats.aio.client import Client

    from worker.outbound.streams import Change, Drift
    from worker.settings import Settings


@click.group(name="streams")
def group() -> None:
    """Create the streams, consumer and bucket, or check them for drift."""


@group.command(short_help="Create what is missing and change what differs.")
@output_option
def apply(output: str) -> None:
    """Create what is missing and change what differs; a second call changes nothing.

    NATS_REPLICAS is the number of copies; with one, sizes are those of a single server. A change that would lose
    messages is refused, and nothing is changed then.
    """
    with working("applying the declaration …"):
        changes = with_client(_apply)
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


@group.command(short_help="Compare the server with the declaration.")
@output_option
def check(output: str) -> None:
    """Compare the server with the declaration and change nothing; exit code 1 if something differs."""
    with working("comparing …"):
        drifts = with_client(_check)
    if output != TABLE:
        emit([drift_to_json(drift) for drift in drifts], output)
    elif drifts:
        rows = [("yes" if d.essential else "no", str(d)) for d in drifts]
        console().print(table(("keeps the worker from starting", "difference"), rows))
    else:
        note("everything is as declared")
    if drifts:
        raise click.exceptions.Exit(Exit.FAILED)


async def _apply(client: Client, found: Settings) -> list[Change]:
    from worker.outbound.installation import apply_streams, declared_streams  # noqa: PLC0415 - the client of NATS

    return await apply_streams(client, declared_streams(found), answer_within=found.publish_timeout)


async def _check(client: Client, found: Settings) -> list[Drift]:
    from worker.outbound.installation import declared_streams  # noqa: PLC0415 - as above
    from worker.outbound.streams import Streams  # noqa: PLC0415

    return await Streams(client, declared_streams(found), timeout=found.publish_timeout).check()


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
