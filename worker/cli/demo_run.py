"""The demo itself: start everything, publish the scenario stage by stage, read back what became of each event.

The worker is the real command ``run`` in a process of its own, the broker a real nats-server, the Kubernetes API is
spoken to over HTTP. Simulated are Argo, which executes the real WorkflowTemplates, and the provider behind the claims.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.names import message_id, parse_subject
from worker.cli.dead_letter import DeadLetter
from worker.cli.demo_claims import ClaimWatch
from worker.cli.demo_results import Result, sort_in
from worker.cli.documents import read_files
from worker.cli.ledger_view import Entry, read
from worker.dev.argo.client import GROUP, ApiAnswerError, ApiClient
from worker.dev.environment import Environment, environment
from worker.dev.loopback import free_port
from worker.dev.process import worker_process
from worker.outbound.desk import Desk, connected
from worker.outbound.installation import apply_streams, declared_streams
from worker.settings import Settings

if TYPE_CHECKING:
    from worker.dev.demo_scenario import Scenario, Step

#: Seconds between two looks at the ledger, and until a stage that has not ended counts as failed.
_LOOK, _PATIENCE = 0.1, 60.0
#: Seconds that a step may take: a claim that never becomes ready is given up after half an hour on a cluster.
_DEADLINE = 6.0


class DemoError(RuntimeError):
    """A command of the scenario failed; the text is what it said."""


@dataclass(slots=True)
class Progress:
    """What is going on, for whoever shows it.

    Attributes:
        doing: One line.
        told: Entries of the ledger in the order in which they were seen.
    """

    doing: str = ""
    results: list[Result] = field(default_factory=list)
    told: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo came to.

    Attributes:
        strangers: Entries of the ledger that belong to no published event.
        log_tail: End of the worker's log.
    """

    results: list[Result]
    seconds: float
    strangers: int
    log_tail: str

    @property
    def ok(self) -> bool:
        """Every event became what it had to become, and nothing else happened."""
        return not self.strangers and not any(result.deviations() for result in self.results)


async def run_demo(
    scenario: Scenario,
    show: Callable[[Progress], None],
    *,
    kubeconfig: Path | None = None,
    templates: Path | None = None,
) -> Outcome:
    """Run the scenario on servers of its own.

    Args:
        scenario: What to publish.
        show: Called whenever something has changed.
        kubeconfig: Of a real API server to use in place of the embedded one; Argo and the provider stay simulated.
        templates: Folder of WorkflowTemplates to run in place of the shipped ones.

    Raises:
        ManifestsError: Templates or claims were not found, or were refused by the API.
        NatsServerError: The NATS server did not start.
        WorkerDidNotStart: The worker did not start.
    """
    _end_on_sigterm()
    started = time.monotonic()
    progress = Progress("starting nats-server, the Kubernetes API with claims and templates, Argo and a provider …")
    show(progress)
    async with environment(kubeconfig=kubeconfig, simulate=True, deadline=_DEADLINE, templates=templates) as servers:
        port = free_port()
        # Whatever the shell says of another installation does not count here; empty is not set.
        variables = dict.fromkeys(map(str.upper, Settings.model_fields), "") | servers.worker_variables(port)
        settings = Settings.from_environment(variables)
        log = servers.folder / "worker.log"
        async with connected(settings) as client, ApiClient.from_kubeconfig(servers.kubeconfig) as api:
            _tell(progress, show, "creating streams, consumer and bucket …")
            await apply_streams(client, declared_streams(settings))
            _tell(progress, show, "starting the worker …")
            async with worker_process(variables, port, log) as worker, ClaimWatch(api) as claims:
                desk = Desk(client, settings)
                if servers.provider is not None:
                    servers.provider.failures.update(scenario.failing)
                for stage in scenario.stages:
                    await _stage(scenario, stage, _Bed(servers, variables, desk, api), progress, show)
                    for result in progress.results[-len(stage) :]:
                        result.claims = claims.of(result.application) if result.step.expect.claims else []
                strangers = await _read_back(desk, progress.results)
                tail = worker.log_tail()
    return Outcome(progress.results, time.monotonic() - started, strangers, tail)


def _end_on_sigterm() -> None:
    """Let SIGTERM cancel the demo, so that it takes its servers with it as after Ctrl-C."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this is called in one
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _tell(progress: Progress, show: Callable[[Progress], None], doing: str) -> None:
    progress.doing = doing
    show(progress)


@dataclass(frozen=True, slots=True)
class _Bed:
    """What runs while events are published.

    Attributes:
        variables: Environment of commands.
    """

    servers: Environment
    variables: Mapping[str, str]
    desk: Desk
    api: ApiClient


async def _stage(
    scenario: Scenario, stage: Sequence[Step], bed: _Bed, progress: Progress, show: Callable[[Progress], None]
) -> None:
    ids = {result.step.name: result.id for result in progress.results}
    for step in stage:
        if step.repaired and bed.servers.provider is not None:
            bed.servers.provider.failures.clear()
        sent = _run_command(bed, step) if step.command else _publish(bed.desk, step, scenario.folder, ids)
        progress.results.append(await sent)
    _tell(progress, show, "")
    deadline = time.monotonic() + _PATIENCE
    while not all(result.ended for result in progress.results) and time.monotonic() < deadline:
        await asyncio.sleep(_LOOK)
        seen = progress.told[-1].sequence if progress.told else 0
        progress.told += [read(letter) async for letter in bed.desk.statuses("platform.status.>", seen)]
        sort_in(progress.results, progress.told, [])
        await _look_at_runs(bed.api, progress.results)
        show(progress)


async def _publish(desk: Desk, step: Step, folder: Path, ids: dict[str, str]) -> Result:
    ident = ids[step.same_id_as] if step.same_id_as else f"demo-{step.name}"
    if step.file is not None:
        [outgoing] = read_files([str(folder / step.file)], event_id=ident)
        subject = outgoing.subject
        headers, body = outgoing.to_message()
    else:
        assert step.subject is not None  # noqa: S101 - the scenario's model sees to it
        assert step.body is not None  # noqa: S101
        subject, headers, body = step.subject, {}, step.body.encode()
    receipt = await desk.publish(subject, body, headers, message_id(subject, ident))
    about = parse_subject(subject)
    return Result(step, f"{about.namespace}/{about.name}", ident, body, receipt.sequence, not receipt.duplicate)


async def _run_command(bed: _Bed, step: Step) -> Result:
    """Run a command of this very program, which publishes one event and says where it went."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker", *step.command, "--output", "json"),
        env={**os.environ, **bed.variables},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaint = await process.communicate()
    if process.returncode:
        raise DemoError(f"platform-worker {shlex.join(step.command)}: {complaint.decode().strip()}")
    [sent] = json.loads(said)
    application = f"{sent['application']['namespace']}/{sent['application']['name']}"
    return Result(step, application, sent["id"], b"", sent["sequence"], sent["stored"])


async def _look_at_runs(api: ApiClient, results: Sequence[Result]) -> None:
    """Read the phases of the tasks of all runs that have not ended."""
    for result in results:
        if not result.run or result.ended:
            if result.end in {"succeeded", "deleted"}:
                result.tasks = dict.fromkeys(result.tasks, "Succeeded")
            continue
        try:
            workflow = await api.call("GET", f"{GROUP}/namespaces/argo/workflows/{result.run}")
        except ApiAnswerError:
            continue
        nodes = ((workflow.get("status") or {}).get("nodes") or {}).values()
        result.tasks = {node["displayName"]: node["phase"] for node in nodes if node.get("type") != "DAG"}


async def _read_back(desk: Desk, results: list[Result]) -> int:
    """Read ledger and DLQ anew from their beginnings; return how many entries belong to no published event."""
    entries = [read(letter) async for letter in desk.statuses("platform.status.>")]
    letters = [DeadLetter.read(letter) async for letter in desk.dead_letters("platform.dlq.>")]
    sort_in(results, entries, letters)
    known = sum(len(result.entries) + len(result.letters) for result in results)
    return len(entries) + len(letters) - known
