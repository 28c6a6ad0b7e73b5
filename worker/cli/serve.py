"""``run`` and ``observe``: the roles of a deployed worker; everything is wired by ``bootstrap``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import click

from worker.cli.connect import settings
from worker.errors import WorkerError

_log = logging.getLogger(__name__)


@click.command(name="run")
def run() -> None:
    """Consume events, plan and submit Workflows; observe while holding the lease.

    Runs until SIGTERM or SIGINT; messages in hand are then finished (GRACEFUL_TIMEOUT). Logs go to stderr.
    """
    found = settings()
    from worker import bootstrap  # noqa: PLC0415 - the settings are checked before anything heavy is loaded

    _serve(bootstrap.run_worker(found))


@click.command(name="observe")
def observe() -> None:
    """Only follow Workflows: fold their ends into the records and tell them.

    For installations that want it apart from the consumers. Only the holder of the lease works; the others wait for it.
    """
    found = settings()
    from worker import bootstrap  # noqa: PLC0415 - as above

    _serve(bootstrap.run_observer(found))


def _serve(role: Coroutine[Any, Any, None]) -> None:
    """Run a role; an error that nobody foresaw goes to the log with its traceback, where operators look for it."""
    try:
        asyncio.run(role)
    except WorkerError:
        raise
    except Exception:
        _log.exception("the process ends because of an unexpected error")
        raise
