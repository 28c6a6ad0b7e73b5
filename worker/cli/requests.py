"""``retry``, ``delete`` and ``stop``: what people ask of an application that is recorded already."""

from __future__ import annotations

import asyncio
import os
import uuid
from typing import TYPE_CHECKING, Any

import click

from contracts.names import OAM_API_VERSION, Annotation, InboundType
from worker.cli.applications import APPLICATION
from worker.cli.connect import stop_workflow, with_desk
from worker.cli.documents import Outgoing, request
from worker.cli.exits import CliError, Exit
from worker.cli.output import TABLE, emit, note, output_option, working
from worker.cli.publish import Sent, finish, follow_sent, send, show
from worker.domain.events import OwnerKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.domain.events import AppKey
    from worker.domain.record import Record
    from worker.outbound.desk import Desk

_watch_option = click.option("--watch", "watching", is_flag=True, help="Follow it until its run has ended.")
_timeout_option = click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=900.0, show_default=True, help="Seconds to watch."
)
_reason_option = click.option("--reason", help="Why, for the ledger's readers.")


@click.command(name="retry")
@click.argument("application", type=APPLICATION, metavar="NAMESPACE/APP")
@click.option("--reconcile", is_flag=True, help="Run also what is applied (after an upgrade of templates, say).")
@_reason_option
@_watch_option
@_timeout_option
@output_option
def retry(
    application: AppKey, reconcile: bool, reason: str | None, watching: bool, timeout: float, output: str
) -> None:
    """Run again what did not succeed.

    That is what the record of NAMESPACE/APP says is not applied.

    Exit code 3 if nothing is recorded of it.
    """

    def build(record: Record) -> Outgoing:  # noqa: ARG001 - that there is one is all that a retry needs
        return _request(InboundType.RETRY_REQUESTED, application, reason, reconcile=reconcile)

    _ask(application, build, watching=watching, timeout=timeout, output=output)


@click.command(name="delete")
@click.argument("application", type=APPLICATION, metavar="NAMESPACE/APP")
@click.option(
    "--deletion-policy",
    type=click.Choice(["retain", "delete"]),
    help="What happens to data (databases, platforms, vclusters): kept, unless the application or this says delete.",
)
@_reason_option
@_watch_option
@_timeout_option
@output_option
def delete(
    application: AppKey, deletion_policy: str | None, reason: str | None, watching: bool, timeout: float, output: str
) -> None:
    """Take away everything under a name.

    Says that the Application NAMESPACE/APP is deleted, or asks for the removal of the request of that name, whichever
    the record has as the owner. It does not delete the Application object from Kubernetes: as long as that exists, its
    next change brings everything back.

    Exit code 3 if nothing is managed under that name.
    """

    def build(record: Record) -> Outgoing:
        if record.owner is None and not record.alive:
            kept = [c.identity.name for c in record.components]
            left = f"; retained: {', '.join(kept)}" if kept else ""
            raise CliError(Exit.NOT_FOUND, f"nothing is managed under {application} any more{left}")
        if record.owner is not None and record.owner.kind is OwnerKind.APPLICATION:
            return _deletion(record, deletion_policy)
        policy = {"deletionPolicy": deletion_policy} if deletion_policy else {}
        return _request(InboundType.REMOVAL_REQUESTED, application, reason, **policy)

    _ask(application, build, watching=watching, timeout=timeout, output=output)


@click.command(name="stop")
@click.argument("application", type=APPLICATION, metavar="NAMESPACE/APP")
@output_option
def stop(application: AppKey, output: str) -> None:
    """Stop the current run of an application.

    What it touched stays dirty until a retry or a new event.

    Exit code 3 if there is no unfinished run.
    """

    async def current(desk: Desk) -> Record | None:
        return await desk.record(application)

    record = with_desk(current)
    if record is None or record.run is None or not record.unfinished:
        raise CliError(Exit.NOT_FOUND, f"{application} has no run that could be stopped", "see platform-worker status")
    name = record.run.name
    with working(f"stopping {name} …"):
        found = asyncio.run(stop_workflow(name))
    if not found:
        raise CliError(
            Exit.NOT_FOUND, f"the Workflow {name} does not exist", "the observer will notice; then use retry"
        )
    if output != TABLE:
        emit({"application": {"namespace": application.namespace, "name": application.name}, "stopped": name}, output)
    else:
        note(f"{name} is told to stop; platform-worker status {application} shows its end")


def _ask(
    application: AppKey, build: Callable[[Record], Outgoing], *, watching: bool, timeout: float, output: str
) -> None:
    """Look at the record, publish what ``build`` makes of it, and follow that if asked to."""

    async def work(desk: Desk) -> Sent:
        record = await desk.record(application)
        if record is None:
            raise CliError(Exit.NOT_FOUND, f"nothing is recorded of {application}", "check the namespace and the name")
        sent = await send(desk, build(record))
        if watching:
            await follow_sent(desk, sent, patience=timeout)
        return sent

    with working("publishing …", quiet=watching):
        sent = with_desk(work)
    show([sent], output)
    finish([sent])


def _request(event_type: InboundType, app: AppKey, reason: str | None, **more: Any) -> Outgoing:
    data = {"namespace": app.namespace, "name": app.name, **({"reason": reason} if reason else {}), **more}
    return request(event_type, data, event_id=f"cli-{uuid.uuid4()}", traceparent=os.environ.get("TRACEPARENT"))


def _deletion(record: Record, policy: str | None) -> Outgoing:
    """Return the news that the recorded Application is gone: last and terminal for its uid."""
    order = record.order
    metadata: dict[str, Any] = {"namespace": record.app.namespace, "name": record.app.name}
    if order is not None and order.uid:
        metadata["uid"] = order.uid
        if order.created:
            metadata["creationTimestamp"] = order.created
        if order.generation:
            metadata["generation"] = order.generation
        if order.resource_version:
            metadata["resourceVersion"] = str(order.resource_version)
    if policy is not None:
        metadata["annotations"] = {str(Annotation.DELETION_POLICY): policy}
    application = {"apiVersion": OAM_API_VERSION, "kind": "Application", "metadata": metadata}
    return request(
        InboundType.APPLICATION_DELETED,
        {"application": application, "operation": "DELETE"},
        event_id=f"cli-{uuid.uuid4()}",
        traceparent=os.environ.get("TRACEPARENT"),
    )
