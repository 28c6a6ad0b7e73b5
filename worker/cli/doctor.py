"""``doctor``: look at the whole installation and say what is missing, and what to do about it."""

from __future__ import annotations

import asyncio
from itertools import groupby
from typing import TYPE_CHECKING

import click

from worker.cli.connect import kubernetes_client, settings
from worker.cli.exits import Exit
from worker.cli.output import TABLE, console, emit, output_option, table, text, working

if TYPE_CHECKING:
    from worker.outbound.doctor.findings import Finding
    from worker.settings import Settings

_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


@click.command(name="doctor")
@click.option("--secret", "secrets", multiple=True, metavar="NAMESPACE/NAME", help="Also look for this Secret.")
@click.option("--worker-account", default="platform-worker", show_default=True, help="ServiceAccount of the worker.")
@output_option
def command(secrets: tuple[str, ...], worker_account: str, output: str) -> None:
    """Look at the whole installation and say what is missing.

    That is NATS, KEDA, Crossplane, Argo Workflows, the claims, templates, accounts, rights and secrets. Nothing is
    changed. Of Secrets only the names are read. Exit code 0 if everything needed is there (warnings are for what the
    platform can do without), 1 if something is missing or cannot be seen.
    """
    found = settings()
    with working("looking …", quiet=output != TABLE):
        findings = asyncio.run(_examine(found, secrets, worker_account))
    if output == TABLE:
        _show(findings)
    else:
        emit(
            {
                "healthy": all(finding.health.value != "failed" for finding in findings),
                "findings": [
                    {
                        "area": one.area,
                        "name": one.name,
                        "health": one.health.value,
                        "detail": one.detail,
                        "fix": one.fix,
                    }
                    for one in findings
                ],
            },
            output,
        )
    if any(finding.health.value == "failed" for finding in findings):
        raise click.exceptions.Exit(Exit.FAILED)


async def _examine(found: Settings, secrets: tuple[str, ...], worker_account: str) -> list[Finding]:
    from contracts.requirements import SecretName, requirements  # noqa: PLC0415 - pydantic and aiohttp, for this command
    from worker.outbound.doctor.cluster import Cluster  # noqa: PLC0415
    from worker.outbound.doctor.kubernetes import Examination, examine_cluster  # noqa: PLC0415
    from worker.outbound.doctor.nats import examine_nats  # noqa: PLC0415

    wanted = requirements()
    asked = tuple(SecretName(**_split(name), used_by="--secret") for name in secrets)
    examined = Examination(
        wanted.model_copy(update={"secrets": (*wanted.secrets, *asked)}),
        found.workflow_namespace,
        worker_account,
        found.workflow_service_account,
    )
    async with kubernetes_client(found) as client:
        both = await asyncio.gather(examine_nats(found), examine_cluster(Cluster(client), examined))
    return [*both[0], *both[1]]


def _split(name: str) -> dict[str, str]:
    namespace, slash, secret = name.partition("/")
    if not (namespace and slash and secret):
        raise click.BadParameter(f"{name!r} is no NAMESPACE/NAME", param_hint="--secret")
    return {"namespace": namespace, "name": secret}


def _show(findings: list[Finding]) -> None:
    rows: list[tuple[object, ...]] = []
    for area, group in groupby(findings, key=lambda one: one.area):
        for index, one in enumerate(group):
            health = text(one.health.value, _STYLES[one.health.value])
            rows.append((area if index == 0 else "", one.name, health, one.detail))
            if one.fix:
                rows.append(("", "", "", f"→ {one.fix}"))
    console().print(table(("area", "what", "health", "found"), rows))
    counted = {health: sum(one.health.value == health for one in findings) for health in _STYLES}
    console().print(", ".join(f"{number} {health}" for health, number in counted.items() if number))
