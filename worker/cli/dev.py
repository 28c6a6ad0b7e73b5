"""``dev``: the demo's servers and a worker, for as long as somebody wants to play with them."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.connect import kubernetes_client
from worker.cli.exits import CliError, Exit
from worker.cli.output import TABLE, console, emit, note, output_option, table

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from worker.dev.environment import Environment
    from worker.dev.process import WorkerProcess
    from worker.settings import Settings


@click.command(name="dev")
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Use the cluster (and the Argo) of this kubeconfig instead of the embedded API.",
)
@click.option("--nats-port", type=click.IntRange(1, 65535), help="Port of the NATS server; otherwise a free one.")
@click.option("--http-port", type=click.IntRange(1, 65535), help="Port of the worker; otherwise a free one.")
@click.option("--logs/--no-logs", default=True, show_default=True, help="Print the worker's log lines on stderr.")
@click.option(
    "--claim-seconds", default=2.0, show_default=True, help="How long a claim of the simulated provider takes."
)
@click.option(
    "--templates",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of WorkflowTemplates to run in place of the shipped ones.",
)
@output_option
def command(
    kubeconfig: Path | None,
    nats_port: int | None,
    http_port: int | None,
    logs: bool,
    claim_seconds: float,
    templates: Path | None,
    output: str,
) -> None:
    """Run everything on embedded servers until Ctrl-C.

    Prints the addresses, and the lines that let another terminal's platform-worker and kubectl find them. Everything is
    gone at the end.

    Argo is simulated, and executes the WorkflowTemplates; so is the provider that makes claims ready. The annotation
    platform.io/simulate-failure of a claim lets it fail, with the annotation's text as the reason.
    """
    from worker.dev.environment import KubernetesUnusable  # noqa: PLC0415 - servers that --help need not load
    from worker.dev.installation import ManifestsError  # noqa: PLC0415
    from worker.dev.nats_server import NatsServerError  # noqa: PLC0415
    from worker.dev.process import WorkerDidNotStart  # noqa: PLC0415

    _refuse_taken("--nats-port", nats_port)
    _refuse_taken("--http-port", http_port)
    try:
        asyncio.run(_serve(kubeconfig, nats_port, http_port, claim_seconds, templates, output, logs=logs))
    except asyncio.CancelledError:
        raise click.exceptions.Exit(Exit.INTERRUPTED) from None
    except KubernetesUnusable as error:
        raise CliError(Exit.UNAVAILABLE, str(error)) from error
    except (ManifestsError, NatsServerError, WorkerDidNotStart) as error:
        raise CliError(Exit.FAILED, str(error)) from error


def _refuse_taken(option: str, port: int | None) -> None:
    from worker.dev.loopback import LOOPBACK, is_free  # noqa: PLC0415 - as above

    if port is not None and not is_free(port):
        raise CliError(
            Exit.INVALID,
            f"{option} {port}: somebody listens on {LOOPBACK}:{port} already",
            "end that program, or leave the option out, which takes a free port",
        )


class _Interrupts:
    """Ctrl-C and SIGTERM: they set ``stopped`` once everything is up; before that, and a second time, they cancel.

    So neither a server that does not come up nor one that does not go down can keep the terminal.
    """

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this is made in one
        self._task = task
        self._up = False
        self.stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._interrupt)

    def up(self) -> None:
        """From now on there is something to be stopped in order."""
        self._up = True

    def _interrupt(self) -> None:
        if self._up and not self.stopped.is_set():
            self.stopped.set()
        else:
            self._task.cancel()


async def _serve(
    kubeconfig: Path | None,
    nats_port: int | None,
    http_port: int | None,
    claim_seconds: float,
    templates: Path | None,
    output: str,
    *,
    logs: bool,
) -> None:
    from worker.dev.environment import environment  # noqa: PLC0415 - as above
    from worker.dev.loopback import free_port  # noqa: PLC0415
    from worker.dev.process import worker_process  # noqa: PLC0415
    from worker.outbound.desk import connected  # noqa: PLC0415
    from worker.outbound.installation import apply_streams, declared_streams  # noqa: PLC0415
    from worker.settings import Settings  # noqa: PLC0415

    interrupts = _Interrupts()
    note("starting the servers …")
    if kubeconfig is not None:
        await _look_at_cluster(Settings.from_environment({**os.environ, "KUBECONFIG": str(kubeconfig)}))
    servers_of = environment(
        kubeconfig=kubeconfig, nats_port=nats_port, claim_seconds=claim_seconds, templates=templates
    )
    async with servers_of as servers:
        port = http_port or free_port()
        variables = servers.worker_variables(port)
        settings = Settings.from_environment({**os.environ, **variables})
        async with connected(settings) as client:
            await apply_streams(client, declared_streams(settings))
        note("starting the worker …")
        async with worker_process(variables, port, servers.folder / "worker.log") as worker:
            _print_addresses(servers, worker, output)
            interrupts.up()
            waits: list[Coroutine[Any, Any, object]] = [interrupts.stopped.wait(), worker.process.wait()]
            waiting = [asyncio.create_task(one) for one in [*waits, *([_follow(worker.log)] if logs else [])]]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            if not interrupts.stopped.is_set():
                ended = f"the worker ended with code {worker.process.returncode}"
                raise CliError(Exit.FAILED, ended, f"its log ends:\n{worker.log_tail()}")
            note("stopping …")


async def _look_at_cluster(found: Settings) -> None:
    """Ask a given cluster for a Workflow, so that one that cannot be used is told at once and not by a worker's log.

    Raises:
        Unavailable, Misconfigured: It does not answer, refuses, or has no Workflows.
    """
    from worker.outbound.kubernetes_api import KubernetesWorkflows  # noqa: PLC0415 - as above

    async with kubernetes_client(found) as client:
        await KubernetesWorkflows(client, found.workflow_namespace).get("platform-worker-dev")


def _print_addresses(servers: Environment, worker: WorkerProcess, output: str) -> None:
    api = servers.api.url if servers.api is not None else "of the given cluster"
    found = {
        "nats": servers.nats_url,
        "kubernetes": api,
        "kubeconfig": str(servers.kubeconfig),
        "http": worker.url,
        "log": str(worker.log),
    }
    if output != TABLE:
        emit(found, output)
        return
    out = console()
    out.print(table(("what", "where"), list(found.items())))
    out.print("In another terminal:")
    out.print(f"  export NATS_URL={servers.nats_url} KUBECONFIG={servers.kubeconfig}")
    out.print("  platform-worker publish --watch application.yaml")
    out.print("Ctrl-C ends everything.")


async def _follow(log: Path) -> None:
    """Print what is added to the log, for ever."""
    with log.open(encoding="utf-8", errors="replace") as file:
        while True:
            line = file.readline()
            if line:
                click.echo(line, nl=False, err=True)
            else:
                await asyncio.sleep(0.1)
