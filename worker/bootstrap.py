"""The composition root: the only file that names concrete adapters. What is wired to what can be read here alone.

Two roles are built here. ``run`` consumes events and, while it holds the lease, observes; ``observe`` only observes.
Whatever needs the broker is built once there is a connection, so that probes are answered from the first moment.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from contracts import names
from worker import __version__
from worker.background import Background
from worker.cancellation import close_for_good
from worker.domain.events import AppKey
from worker.http import Combined, Reason, serve
from worker.inbound.subscriber import Collaborators, Inbound, InboundOptions
from worker.inbound.verdict import Limits
from worker.observer.observe import Observer
from worker.observer.settle import Settler
from worker.outbound.breaker import Breaker, Breakers
from worker.outbound.dead_letters import JetStreamDeadLetters
from worker.outbound.installation import apply_streams, declared_streams
from worker.outbound.jetstream import JetStream
from worker.outbound.kubernetes_api import KubernetesApplications, KubernetesWorkflows
from worker.outbound.kubernetes_client import KubernetesAccess, KubernetesClient
from worker.outbound.lease import Lease
from worker.outbound.ledger import StatusLedger
from worker.outbound.nats_connection import NatsConnection
from worker.outbound.revival import keep_asking
from worker.outbound.state_gate import StateGate
from worker.outbound.state_kv import KvState
from worker.outbound.streams import Streams
from worker.outbound.workflow import HeraWorkflowBuilder
from worker.outbound.workflow_settings import WorkflowSettings
from worker.outbound.workflow_watch import WorkflowWatch
from worker.pipeline import Adapters, Pipeline, no_failpoint
from worker.telemetry import logs, traces
from worker.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from nats.aio.client import Client

    from worker.http import Health
    from worker.ports import Failpoint
    from worker.settings import Settings

_log = logging.getLogger(__name__)
#: Name of things that do not exist, for calls that only want to know whether a system answers.
_NOBODY = "nobody"
#: New objects between two looks of the garbage collector; Python's own 700 means several looks per event.
_YOUNG_OBJECTS = 20_000

__all__ = ["apply_streams", "run_observer", "run_worker"]


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
        self.metrics = Metrics(instance=settings.platform_instance, version=__version__)
        self.kubernetes = KubernetesClient(kubernetes_access(settings), count=self.metrics.requested)
        self.connection = NatsConnection(settings)
        self.broker_breaker = Breaker("nats", on_change=self.metrics.breaker)
        self.api_breaker = Breaker("kubernetes", on_change=self.metrics.breaker)
        self.gate = StateGate(Breakers(self.broker_breaker, self.api_breaker))
        self._alter = alter

    @asynccontextmanager
    async def alive(self, health: Health) -> AsyncIterator[None]:
        """Log, trace and answer probes for the length of the block."""
        settings = self.settings
        secrets = [s.get_secret_value() for s in (settings.nats_password, settings.nats_token) if s is not None]
        logs.configure(settings.log_level.value, settings.log_format.value, secrets=secrets)
        end_of_traces = traces.configure(__version__, instance=settings.platform_instance)
        try:
            async with serve(settings.listen_host, settings.http_port, health, self.metrics) as port:
                _log.info("listening", extra={"port": port})
                yield
        finally:
            await self.kubernetes.close()
            end_of_traces()

    def keep_asking(self, outside: Outside, background: Background) -> None:
        """Let systems that were away be asked while there are no events."""
        adapters = outside.adapters
        background.start("api-prober", keep_asking(self.api_breaker, lambda: adapters.workflows.get(_NOBODY)))
        broker = partial(adapters.ledger.disposition_of, AppKey(_NOBODY, _NOBODY), _NOBODY, _NOBODY)
        background.start("broker-prober", keep_asking(self.broker_breaker, broker))

    async def observe(self, outside: Outside) -> None:
        """Observe for ever, from the moment that the record store can be used."""
        await self.gate.open_store(outside.store)
        await outside.observer.run()

    async def connect_and_observe(self, background: Background) -> None:
        """Connect, keep the connection and observe, for ever."""
        client = await self.connection.connect()
        background.start("keeper", self.connection.keep(client))
        outside = self.reach_out(client)
        self.keep_asking(outside, background)
        try:
            await self.observe(outside)
        finally:
            await close_for_good(client)

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
                dead_letters=JetStreamDeadLetters(
                    jetstream, breaker=self.broker_breaker, count=self.metrics.dead_lettered
                ),
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
        watch = WorkflowWatch(
            self.kubernetes,
            settings.workflow_namespace,
            settings.platform_instance,
            on_bad=lambda _: self.metrics.unreadable_workflow(),
        )
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
    background = Background()

    async def collaborate(client: Client) -> Collaborators:
        outside = process.reach_out(client)
        background.start("observer", process.observe(outside))
        process.keep_asking(outside, background)
        handler = Pipeline(outside.adapters, settings.platform_instance, failpoint)

        async def verify(_: object) -> None:
            await outside.streams.verify()

        return Collaborators(handler, process.gate, outside.store, verify)

    inbound = Inbound(
        inbound_options(settings),
        process.connection.dial,
        collaborate=collaborate,
        keep=process.connection.keep,
        metrics=process.metrics,
    )
    for name, (description, value) in inbound.gauges().items():
        process.metrics.watch(name, description, value)
    health = Combined(inbound, background, Reason("admission", lambda: process.gate.unready))

    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        async with process.alive(health), background:
            yield

    # The lease is given back while there is a connection, so that another replica observes at once.
    await inbound.application(life, after_start=[_settle_in], before_stop=[background.stop]).run()


async def _settle_in() -> None:
    """Import what the first run needs while events without one are handled already, then spare the collector work."""
    await asyncio.to_thread(HeraWorkflowBuilder.warm)
    # What was imported stays for ever: the collector need not look through it again and again. What an event makes has
    # no cycles and goes by its own count, so looking seldom is enough.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)


async def run_observer(settings: Settings) -> None:
    """Observe until SIGTERM or SIGINT; for installations that want it apart from the consumers."""
    process = Process(settings)
    background = Background()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    health = Combined(
        background,
        Reason("connection", lambda: process.connection.trouble),
        Reason("admission", lambda: process.gate.unready),
    )
    async with process.alive(health), background:
        background.start("connection", process.connect_and_observe(background))
        await stopped.wait()


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
