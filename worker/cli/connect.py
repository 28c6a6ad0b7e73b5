"""Where commands get at NATS and the Kubernetes API: connect, run one coroutine, disconnect.

The composition root of the servers (``bootstrap``) imports everything that they need; commands of a few requests
are wired here instead, each with the one library that it uses, so that they start at once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from contracts.names import STATE_BUCKET

if TYPE_CHECKING:
    from nats.aio.client import Client

    from contracts.streams import Topology
    from worker.outbound.desk import Desk
    from worker.outbound.kubernetes_client import KubernetesClient
    from worker.outbound.streams import Change
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


def declared(found: Settings) -> Topology:
    """Return the declaration of streams, consumer and bucket under this installation's names; small for one server."""
    from contracts.streams import topology  # noqa: PLC0415
    from worker.outbound.streams import tailored  # noqa: PLC0415

    return tailored(
        topology("dev" if found.nats_replicas == 1 else "production"),
        stream=found.nats_stream_name,
        consumer=found.nats_consumer_group,
        replicas=found.nats_replicas,
    )


async def apply_streams(client: Client, found: Settings) -> list[Change]:
    """Create or change streams, consumer and bucket; a bucket that is as new as its event stream is marked as the one.

    Raises:
        Misconfigured: A change would lose messages, or the server refuses it.
        Unavailable: No answer.
    """
    from worker.outbound.jetstream import JetStream  # noqa: PLC0415
    from worker.outbound.state_kv import KvState  # noqa: PLC0415
    from worker.outbound.streams import Streams  # noqa: PLC0415

    changes = await Streams(client, declared(found), timeout=found.publish_timeout).apply()
    created = {change.name for change in changes if change.action == "created"}
    if {found.nats_stream_name, STATE_BUCKET} <= created:
        await KvState(JetStream(client, found.publish_timeout), events=found.nats_stream_name).accept()
    return changes


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
    """Return a session to the Kubernetes API, not opened yet; it gives up within seconds."""
    from worker.outbound.kubernetes_client import KubernetesAccess, KubernetesClient  # noqa: PLC0415 - a slow import

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
