"""``run`` and ``observe``: the roles of a deployed worker; everything is wired by ``bootstrap``."""

from __future__ import annotations

import asyncio

import click

from worker.cli.connect import settings


@click.command(name="run")
def run() -> None:
    """Consume events, plan and submit Workflows; observe while holding the lease.

    Runs until SIGTERM or SIGINT; messages in hand are then finished (GRACEFUL_TIMEOUT). Logs go to stdout.
    """
    found = settings()
    from worker import bootstrap  # noqa: PLC0415 - the settings are checked before anything heavy is loaded

    asyncio.run(bootstrap.run_worker(found))


@click.command(name="observe")
def observe() -> None:
    """Only follow Workflows: fold their ends into the records and tell them.

    For installations that want it apart from the consumers. Only the holder of the lease works; the others wait for it.
    """
    found = settings()
    from worker import bootstrap  # noqa: PLC0415 - as above

    asyncio.run(bootstrap.run_observer(found))
