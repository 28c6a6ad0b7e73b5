"""The platform as dev mode installs it, in the API of a test: claims, templates and rights, and who works on them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.dev.argo import task, workflow
from worker.dev import installation
from worker.dev.argo import TemplateRunner
from worker.dev.provider import SimulatedProvider
from worker.outbound.observed_workflow import observed_run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.dev.argo import ArgoCluster

Json = dict[str, Any]
#: Name of the only task of a run.
TASK = "c-it"


@asynccontextmanager
async def installed(cluster: ArgoCluster) -> AsyncIterator[ArgoCluster]:
    """Install everything; steps act with the rights of their ServiceAccount, and claims are provided at once."""
    await installation.install(cluster.client, installation.shipped(), namespace="argo")
    here = replace(cluster, namespace="argo")
    runner = TemplateRunner(here.new_client(), interval=0.02)
    async with SimulatedProvider(here.new_client(), seconds=0.02), runner, here.controller(runner):
        yield here


def run_of(name: str, template: str, parameters: Mapping[str, str], entry: str = "main") -> Json:
    """Return a Workflow of one task."""
    one = task(TASK, template=template, entry=entry, **parameters)
    return workflow(name, one, serviceAccountName="platform-workflows")


async def outcome(cluster: ArgoCluster, run: Json) -> tuple[str, str]:
    """Submit a Workflow; return its phase, and what the worker would say of its only task."""
    await cluster.submit(run)
    name = run["metadata"]["name"]
    phase = (await cluster.ended(name))["phase"]
    return str(phase), observed_run(await cluster.get(name)).nodes[TASK].message
