"""``demo``: the main job on embedded servers, with every result checked; ends by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from worker.cli.exits import CliError, Exit
from worker.cli.output import TABLE, emit, note, output_option


@click.command(name="demo")
@click.option("--fail", metavar="COMPONENT", help="Let this component of the reference Application fail, then retry.")
@click.option(
    "--scenario",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Another scenario than the shipped one.",
)
@click.option(
    "--templates",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of WorkflowTemplates to run in place of the shipped ones.",
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Use this API server, an empty one without controllers, and leave everything there.",
)
@output_option
def command(
    fail: str | None, scenario: Path | None, templates: Path | None, kubeconfig: Path | None, output: str
) -> None:
    """Show the main job on embedded servers, check every result, and end.

    Starts a nats-server, a Kubernetes API and one worker, publishes Applications and requests of every kind, good and
    bad, and compares what the ledger, the DLQ and the claims say of each with what it had to become. A simulated Argo
    executes the WorkflowTemplates, a simulated provider makes the claims ready, or lets one fail.

    Exit code 1 if anything deviates.
    """
    from worker.cli.demo_run import DemoError, run_demo  # noqa: PLC0415 - everything that --help need not load
    from worker.cli.demo_view import live, show_outcome  # noqa: PLC0415
    from worker.dev.demo_scenario import SHIPPED, ScenarioError, failure, load  # noqa: PLC0415
    from worker.dev.environment import KubernetesUnusable  # noqa: PLC0415
    from worker.dev.installation import ManifestsError  # noqa: PLC0415
    from worker.dev.nats_server import NatsServerError  # noqa: PLC0415
    from worker.dev.process import WorkerDidNotStart  # noqa: PLC0415

    try:
        chosen = failure(fail) if fail is not None else load(scenario or SHIPPED)
    except ScenarioError as error:
        raise CliError(Exit.INVALID, str(error)) from error
    try:
        with live() as show:
            outcome = asyncio.run(run_demo(chosen, show, kubeconfig=kubeconfig, templates=templates))
    except asyncio.CancelledError:
        raise click.exceptions.Exit(Exit.INTERRUPTED) from None
    except KubernetesUnusable as error:
        raise CliError(Exit.UNAVAILABLE, str(error)) from error
    except (DemoError, ManifestsError, NatsServerError, WorkerDidNotStart) as error:
        raise CliError(Exit.FAILED, str(error)) from error
    if output != TABLE:
        events = [result.to_json() for result in outcome.results]
        seconds = round(outcome.seconds, 2)
        emit({"ok": outcome.ok, "seconds": seconds, "strangers": outcome.strangers, "events": events}, output)
    else:
        show_outcome(outcome)
    if not outcome.ok:
        note(f"the worker's log ends:\n{outcome.log_tail}")
        raise click.exceptions.Exit(Exit.FAILED)
