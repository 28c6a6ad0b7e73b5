"""The composition root: the only file that names concrete adapters. What is wired to what can be read here alone.

Two roles are built here. ``run`` consumes events and, while it holds the lease, observes; ``observe`` only observes.
Whatever needs
the broker is built once there is a connection, so that probes are answered from the first moment.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from contracts import names
from contracts.streams import topology
from worker.inbound.subscriber import Collaborators, Inbound, InboundOptions
from worker.inbound.verdict import Limits
from worker.observer.observe import Observer
from worker.observer.settle import Settler
from worker.outbound.breaker import Breaker, Breakers
from worker.outbound.dead_letters import JetStreamDeadLetters
from worker.outbound.jetstream import JetStream
from worker.outbound.kubernetes_api import KubernetesApplications, KubernetesWorkflows
from worker.outbound.kubernetes_client import KubernetesAccess, KubernetesClient
from worker.outbound.lease import Lease
from worker.outbound.ledger import StatusLedger
from worker.outbound.nats_connection import NatsConnection
from worker.outbound.state_gate import StateGate
from worker.outbound.state_kv import KvState
from worker.outbound.streams import Streams, tailored
from worker.outbound.workflow import HeraWorkflowBuilder, WorkflowSettings
from worker.outbound.workflow_watch import WorkflowWatch
from worker.pipeline import Adapters, Pipeline, no_failpoint
from worker.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from nats.aio.client import Client

    from contracts.streams import Topology
    from worker.ports import Failpoint
    from worker.settings import Settings


def unaltered(adapters: Adapters) -> Adapters:
    """Return the adapters as they are; a crash test that plants a fault passes another function."""
    return adapters


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything that reaches out of the process over one broker connection and one API session."""

    adapters: Adapters
    store: KvState
    streams: Streams
    observer: Observer


class Process:
    """What both roles share: what exists before there is a connection, and how the rest is built once there is one."""

    def __init__(self, settings: Settings, alter: Callable[[Adapters], Adapters] = unaltered) -> None:
        """Read nothing and connect to nothing yet."""
        self.settings = settings
        self.metrics = Metrics(instance=settings.platform_instance)
        self.kubernetes = KubernetesClient(kubernetes_access(settings))
        self.connection = NatsConnection(settings)
        self.broker_breaker = Breaker("nats", on_change=self.metrics.breaker)
        self.api_breaker = Breaker("kubernetes", on_change=self.metrics.breaker)
        self.gate = StateGate(Breakers(self.broker_breaker, self.api_breaker))
        self._alter = alter

    def reach_out(self, client: Client) -> Outside:
        """Build all adapters over a connected client."""
        settings = self.settings
        jetstream = JetStream(client, settings.publish_timeout)
        store = KvState(jetstream, breaker=self.broker_breaker, events=settings.nats_stream_name)
        adapters = self._alter(
            Adapters(
                store=store,
                workflows=KubernetesWorkflows(self.kubernetes, settings.workflow_namespace, breaker=self.api_breaker),
                builder=HeraWorkflowBuilder(workflow_settings(settings)),
                ledger=StatusLedger(jetstream, breaker=self.broker_breaker),
                dead_letters=JetStreamDeadLetters(jetstream, breaker=self.broker_breaker),
                applications=KubernetesApplications(self.kubernetes, breaker=self.api_breaker),
                meter=self.metrics,
            )
        )
        lease = Lease(
            client.jetstream(),
            names.STATE_BUCKET,
            settings.platform_instance,
            holder_name(),
            ttl=settings.lease_ttl,
            renew_every=settings.lease_ttl * 0.3,
            retry_every=settings.lease_ttl * 0.2,
        )
        watch = WorkflowWatch(self.kubernetes, settings.workflow_namespace, settings.platform_instance)
        settler = Settler(store, adapters.workflows, adapters.ledger, self.metrics)
        return Outside(
            adapters=adapters,
            store=store,
            streams=Streams(client, declared_streams(settings)),
            observer=Observer(lease, watch, store, settler, self.metrics),
        )


async def run_worker(
    settings: Settings,
    *,
    failpoint: Failpoint = no_failpoint,
    alter: Callable[[Adapters], Adapters] = unaltered,
) -> None:
    """Consume and observe until SIGTERM or SIGINT.

    Args:
        settings: From the environment.
        failpoint: Called at each step of the corridor; for crash tests.
        alter: Changes the adapters; for crash tests that plant a fault.

    Raises:
        Misconfigured: Streams, consumer or bucket are missing or not as declared.
    """
    process = Process(settings, alter)
    background: list[asyncio.Task[None]] = []

    async def collaborate(client: Client) -> Collaborators:
        outside = process.reach_out(client)

        async def verify(_: object) -> None:
            await outside.streams.verify()

        async def observe() -> None:
            await process.gate.open_store(outside.store)
            await outside.observer.run()

        background.append(asyncio.create_task(observe(), name="observer"))
        handler = Pipeline(outside.adapters, settings.platform_instance, failpoint)
        return Collaborators(handler, process.gate, outside.store, verify)

    inbound = Inbound(
        inbound_options(settings),
        process.connection.keywords(),
        collaborate=collaborate,
        keep=process.connection.keep,
        metrics=process.metrics,
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(process.kubernetes.close)
        stack.push_async_callback(_end, background)
        await inbound.application().run()


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def apply_streams(client: Client, declared: Topology) -> list[object]:
    """Create or update streams, consumer and bucket; a bucket that is as new as its event stream is marked as the one."""
    changes = await Streams(client, declared).apply()
    created = {change.name for change in changes if change.action == "created"}
    [consumer] = declared.consumers.values()
    if {consumer.stream, names.STATE_BUCKET} <= created:
        await KvState(JetStream(client), events=consumer.stream).accept()
    return list(changes)


def declared_streams(settings: Settings) -> Topology:
    """Return the declaration of streams, consumer and bucket under this installation's names."""
    return tailored(
        topology(),
        stream=settings.nats_stream_name,
        consumer=settings.nats_consumer_group,
        replicas=settings.nats_replicas,
    )


def inbound_options(settings: Settings) -> InboundOptions:
    """Return the options of the inbound side."""
    return InboundOptions(
        stream=settings.nats_stream_name,
        durable=settings.nats_consumer_group,
        subjects=(names.OAM_SUBJECTS, names.REQUEST_SUBJECTS),
        max_in_flight=settings.max_in_flight,
        confirm_timeout=settings.publish_timeout,
        grace=settings.graceful_timeout,
        limits=Limits(
            retry_budget=settings.retry_budget,
            unknown_tries=settings.unknown_error_tries,
            crash_loop=settings.crash_loop_deliveries,
        ),
    )


def workflow_settings(settings: Settings) -> WorkflowSettings:
    """Return what is the same for all Workflows of this installation."""
    return WorkflowSettings(
        instance=settings.platform_instance,
        namespace=settings.workflow_namespace,
        service_account=settings.workflow_service_account,
        ttl_seconds=int(settings.workflow_ttl),
        deadline_seconds=int(settings.workflow_deadline),
    )


def kubernetes_access(settings: Settings) -> KubernetesAccess:
    """Return how the API server is reached."""
    return KubernetesAccess(
        kubeconfig=str(settings.kubeconfig or ""),
        total_timeout=settings.kube_api_timeout,
        pool_size=max(64, 2 * settings.max_in_flight),
    )


def holder_name() -> str:
    """Return a name that no other process shares: the lease is held under it."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
