"""``state``: look at the stored records as they are, and make them anew when they were lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from contracts.names import record_key
from worker.cli.applications import APPLICATION
from worker.cli.connect import kubernetes_client, with_client, with_desk
from worker.cli.exits import CliError, Exit
from worker.cli.output import JSON, TABLE, YAML, console, emit, note, output_option, table, text, working

if TYPE_CHECKING:
    from nats.aio.client import Client

    from worker.domain.events import AppKey
    from worker.outbound.desk import Desk
    from worker.outbound.rebuild import Rebuilt
    from worker.settings import Settings

#: Key of the bucket's mark (`worker.outbound.state_kv`).
_META = "_meta"


@click.group(name="state")
def group() -> None:
    """Show or rebuild the recorded state."""


@group.command(short_help="Show a record as it is stored, or the bucket.")
@click.argument("application", type=APPLICATION, required=False, metavar="[NAMESPACE/APP]")
@output_option
def show(application: AppKey | None, output: str) -> None:
    """Show the record of NAMESPACE/APP as it is stored, or how the bucket as a whole is.

    The stored form leaves out what equals its default; `status` shows the same for people.
    """
    if application is None:
        _show_bucket(output)
        return
    key = record_key(application.namespace, application.name)
    letter = with_desk(lambda desk: desk.stored(key))
    if letter is None:
        raise CliError(Exit.NOT_FOUND, f"nothing is recorded of {application}", "see platform-worker status")
    emit({"key": key, "revision": letter.sequence, "record": json.loads(letter.body)}, YAML if output == YAML else JSON)


def _show_bucket(output: str) -> None:
    async def look(desk: Desk) -> dict[str, Any]:
        mark, lease = await desk.stored(_META), await desk.stored(f"lease.{desk.instance}")
        return {
            "incarnation": json.loads(mark.body).get("incarnation") if mark else None,
            "records": len(await desk.records()),
            "observer": lease.body.decode("utf-8", "replace") if lease else None,
        }

    found = with_desk(look)
    if output != TABLE:
        emit(found, output)
    else:
        console().print(table(("what", "value"), [(name, value or "-") for name, value in found.items()]))
    if found["incarnation"] is None:
        note(
            'the bucket has no mark: it is new, or state was lost; then "platform-worker state rebuild" makes it again'
        )


@group.command(short_help="Make lost records again from Workflows.")
@click.option("--empty", is_flag=True, help="Accept the bucket as it is instead of reading Workflows.")
@output_option
def rebuild(empty: bool, output: str) -> None:
    """Make lost records again from the Workflows that are still there, and mark the bucket as the one to believe.

    Records that are in the bucket and as new are left alone, so it can be repeated. Components of Workflows that are
    gone (after WORKFLOW_TTL) are not found: publish their Applications again.
    """

    async def work(client: Client, settings: Settings) -> Rebuilt:
        from worker.outbound.jetstream import JetStream  # noqa: PLC0415 - with the clients of NATS and the API
        from worker.outbound.rebuild import Rebuilt, rebuild  # noqa: PLC0415
        from worker.outbound.state_kv import KvState  # noqa: PLC0415

        store = KvState(JetStream(client, settings.publish_timeout), events=settings.nats_stream_name)
        if empty:
            await store.accept()
            return Rebuilt()
        async with kubernetes_client(settings) as kubernetes:
            return await rebuild(kubernetes, settings.workflow_namespace, settings.platform_instance, store)

    with working("reading Workflows …"):
        found = with_client(work)
    if output != TABLE:
        emit(
            {
                "records": [str(app) for app in found.records],
                "written": [str(app) for app in found.written],
                "doubtful": found.doubtful,
            },
            output,
        )
        return
    rows = [(app, "written" if app in found.written else "was as new") for app in found.records]
    console().print(table(("application", "record"), rows))
    for name, why in found.doubtful.items():
        console(stderr=True).print(text(f"{name}: {why}", "yellow"))
    note("the bucket is marked as the one to believe; workers that waited for it go on by themselves")
