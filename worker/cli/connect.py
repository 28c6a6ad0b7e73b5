"""Where commands get at NATS and the Kubernetes API: connect, run one coroutine, disconnect.

The composition root of the servers (``bootstrap``) imports everything that they need; commands of a few requests
are wired here instead, each with the one library that it uses, so that they start at once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from worker.cli.exits import CliError, Exit

if TYPE_CHECKING:
    from nats.aio.client import Client

    from worker.outbound.desk import Desk
    from worker.outbound.kubernetes_client import KubernetesClient
    from worker.settings import Settings

T = TypeVar("T")


def settings() -> Settings:
    """Read the environment.

    Raises:
        SettingsError: It does not fit.
    """
    from worker.settings import Settings  # noqa: PLC0415 - pydantic, which --help need not load

    return Settings.from_environment(os.environ)


def with_desk(work: Callable[[Desk], Awaitable[T]]) -> T:
    """Run ``work`` with a connected desk and return its result.

    Raises:
        SettingsError: The environment does not fit.
        Unavailable: NATS does not answer.
    """
    from worker.outbound.desk import open_desk  # noqa: PLC0415 - only commands that talk to NATS pay for its client

    async def session() -> T:
        async with open_desk(settings()) as desk:
            return await work(desk)

    return asyncio.run(session())


def with_client(work: Callable[[Client, Settings], Awaitable[T]]) -> T:
    """Run ``work`` with a bare connection and the settings, and return its result.

    Raises:
        SettingsError: The environment does not fit.
        Unavailable: NATS does not answer.
    """
    from worker.outbound.desk import connected  # noqa: PLC0415

    async def session() -> T:
        found = settings()
        async with connected(found) as client:
            return await work(client, found)

    return asyncio.run(session())


def kubernetes_client(found: Settings) -> KubernetesClient:
    """Return a session to the Kubernetes API, not opened yet; it gives up within seconds.

    Raises:
        CliError: There is no such kubeconfig, or nothing says where the API is.
    """
    from worker.outbound.kubernetes_client import KubernetesAccess, KubernetesClient  # noqa: PLC0415 - a slow import

    if found.kubeconfig is not None and not found.kubeconfig.is_file():
        raise CliError(
            Exit.INVALID, f"KUBECONFIG: there is no file {found.kubeconfig}", "correct the path, or unset it"
        )
    usual = Path.home() / ".kube" / "config"
    if found.kubeconfig is None and "KUBERNETES_SERVICE_HOST" not in os.environ and not usual.is_file():
        missing = f"no Kubernetes API is known: KUBECONFIG is not set, there is no {usual}, and this is no pod"
        raise CliError(Exit.UNAVAILABLE, missing, "set KUBECONFIG to a kubeconfig file")
    return KubernetesClient(
        KubernetesAccess(
            kubeconfig=str(found.kubeconfig or ""), total_timeout=found.kube_api_timeout, connect_timeout=2.0
        )
    )


async def stop_workflow(name: str) -> bool:
    """Stop a Workflow through the Kubernetes API; ``False`` if it is gone.

    Raises:
        Unavailable: The API does not answer, or refuses.
    """
    from worker.outbound.kubernetes_api import KubernetesWorkflows  # noqa: PLC0415 - aiohttp and the client's models

    found = settings()
    async with kubernetes_client(found) as client:
        return await KubernetesWorkflows(client, found.workflow_namespace).stop(name, "")
