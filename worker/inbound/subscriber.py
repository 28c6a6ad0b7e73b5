"""The FastStream application of the worker: one broker, one subscriber, one handler.

Order of start: HTTP (so that probes are answered while the broker is away), connection, adapters (they need the
connection), binding, pulling. Order of stop: pulling, messages in hand, connection, HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from faststream import FastStream

from worker.inbound.consumer import Consumer
from worker.inbound.credit_pull import CreditPullBroker
from worker.inbound.pull_loop import PullLoop
from worker.inbound.settle import Settler
from worker.inbound.verdict import Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
    from contextlib import AbstractAsyncContextManager

    from nats.aio.client import Client

    from worker.inbound.binding import Binding, Verify
    from worker.inbound.consumer import Admission, InboundMetrics, Tries
    from worker.inbound.held import Held
    from worker.ports import Handler

#: Messages of one namespace that may wait: one of so many that may be unanswered in all.
_SHARE = 10


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What the inbound side needs and cannot have before there is a connection.

    Attributes:
        verify: Compares streams, consumer and bucket with their declaration at each binding.
    """

    handler: Handler
    admission: Admission
    tries: Tries
    verify: Verify | None = None


@dataclass(frozen=True, slots=True)
class InboundOptions:
    """The settings of the inbound side; times in seconds.

    Attributes:
        max_in_flight: Messages in hand at most.
        confirm_timeout: Longest wait for the confirmation of an ack.
        grace: Time for messages in hand on shutdown.
    """

    stream: str
    durable: str
    subjects: Sequence[str]
    max_in_flight: int = 32
    confirm_timeout: float = 5.0
    grace: float = 25.0
    limits: Limits = field(default_factory=Limits)


class Inbound:
    """The inbound side of one worker process.

    Attributes:
        broker: Its broker; its connection serves the outbound adapters too.
        loop: Its pull loop, with the facts for health and metrics.
        consumer: The loop around the handler; ``None`` before there is a connection.
    """

    def __init__(
        self,
        options: InboundOptions,
        dial: Callable[[], Awaitable[Client]],
        *,
        collaborate: Callable[[Client], Awaitable[Collaborators]],
        keep: Callable[[Client], Coroutine[Any, Any, None]],
        metrics: InboundMetrics,
    ) -> None:
        """Wire without connecting.

        Args:
            options: Settings.
            dial: Makes the connection.
            collaborate: Builds what needs the connection; called once, connected, before anything is pulled.
            keep: Keeps the connection alive until cancelled.
            metrics: Counters.
        """
        self._options = options
        self._collaborate = collaborate
        self._keep = keep
        self._metrics = metrics
        self._collaborators: Collaborators | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False
        self.consumer: Consumer | None = None
        self.broker = CreditPullBroker(dial, grace=options.grace)
        self.loop = PullLoop(
            stream=options.stream,
            durable=options.durable,
            limit=options.max_in_flight,
            permit=self._permitted,
            verify=self._verify,
            on_bound=self._bound,
        )
        self.broker.credit_pull(
            self.loop, self._consume, stream=options.stream, durable=options.durable, subjects=options.subjects
        )

    def application(
        self,
        lifespan: Callable[[], AbstractAsyncContextManager[None]] = contextlib.nullcontext,
        after_start: Sequence[Callable[[], Awaitable[None]]] = (),
        before_stop: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> FastStream:
        """Return the application; ``run()`` ends after SIGTERM or SIGINT.

        Args:
            lifespan: Entered before the first connection and left after the last; serves HTTP.
            after_start: Awaited once messages are pulled.
            before_stop: What else needs the connection to end well; awaited while it is still there.
        """

        @contextlib.asynccontextmanager
        async def life() -> AsyncIterator[None]:
            async with lifespan():
                try:
                    yield
                finally:
                    # FastStream leaves a broker connected whose start has failed.
                    await self._let_go()
                    await self.broker.stop()

        return FastStream(
            self.broker,
            logger=None,
            lifespan=life,
            on_startup=[self._connect],
            after_startup=after_start,
            on_shutdown=[self._let_go, *before_stop],
        )

    def dead(self) -> dict[str, str]:
        """Return what only a restart can repair; a broker that is away is no such thing."""
        if self._keeper is None or self._stopping:
            return {}
        problems = {}
        if self._keeper.done():
            problems["connection"] = "the task that keeps the connection has ended"
        if self.broker.connection.is_closed:
            problems["connection"] = "the connection is closed and was not made again"
        if self.loop.started and not self.loop.alive:
            problems["subscriber"] = "the task that pulls messages has ended"
        return problems

    def unready(self) -> dict[str, str]:
        """Return why no messages are taken in."""
        if self._stopping:
            return {"worker": "shutting down"}
        if self._keeper is None or not self.broker.connection.is_connected:
            return {"connection": "not connected to the NATS server"}
        problems = {}
        if self.loop.binding is None:
            problems["consumer"] = self.loop.problem
        elif self.loop.silent:
            problems["connection"] = f"nothing was heard from the NATS server for {self.loop.silence:.0f} s"
        if self.consumer is not None and self.consumer.unready:
            problems["state"] = self.consumer.unready
        return problems

    def facts(self) -> dict[str, Any]:
        """Return numbers for people who look at ``/ready``."""
        loop = self.loop
        return {
            "stream": self._options.stream,
            "consumer": self._options.durable,
            "in_flight": loop.credits.in_hand,
            "deferred": self.consumer.deferrals.count() if self.consumer else 0,
            "pending": loop.lag.pending if loop.lag else None,
            "ack_pending": loop.lag.ack_pending if loop.lag else None,
        }

    def gauges(self) -> dict[str, tuple[str, Callable[[], float]]]:
        """Return the numbers to be told at each scrape: description and reader by name."""
        loop, nan = self.loop, float("nan")
        return {
            "in_flight_messages": ("Messages in hand.", lambda: loop.credits.in_hand),
            "pending_messages": (
                "Messages of the consumer that wait in the stream.",
                lambda: loop.lag.pending if loop.lag else nan,
            ),
            "ack_pending_messages": (
                "Messages of the consumer that were delivered to any worker and not answered.",
                lambda: loop.lag.ack_pending if loop.lag else nan,
            ),
            "deferred_messages": (
                "Messages that this worker gave back until later.",
                lambda: self.consumer.deferrals.count() if self.consumer else 0,
            ),
            "consuming": ("1 while messages are taken in.", lambda: 0 if self.unready() else 1),
        }

    async def _connect(self) -> None:
        client = await self.broker.connect()
        self._keeper = asyncio.create_task(self._keep(client), name="connection-keeper")
        self._collaborators = await self._collaborate(client)
        self.consumer = Consumer(
            self._collaborators.handler,
            Settler(self._metrics, timeout=self._options.confirm_timeout),
            admission=self._collaborators.admission,
            tries=self._collaborators.tries,
            metrics=self._metrics,
            limits=self._options.limits,
        )

    async def _let_go(self) -> None:
        """Nothing may revive the connection that is closed next."""
        self._stopping = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    def _permitted(self) -> bool:
        if self.consumer is None or self._collaborators is None:
            return False
        return self._collaborators.admission.open and not self.consumer.turnstile.closed

    async def _verify(self, js: Any) -> None:
        if self._collaborators is not None and self._collaborators.verify is not None:
            await self._collaborators.verify(js)

    def _bound(self, binding: Binding) -> None:
        if self.consumer is not None:
            self.consumer.deferrals.share = max(1, binding.max_ack_pending // _SHARE)

    async def _consume(self, held: Held) -> None:
        assert self.consumer is not None, "messages arrive after the start hook"  # noqa: S101
        await self.consumer.consume(held)
