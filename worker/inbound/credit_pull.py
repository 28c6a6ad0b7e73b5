"""The only file that knows FastStream's private parts: a subscriber that pulls by credit, and its broker.

FastStream's own pull subscribers spin on a deleted consumer, block the event loop on a closed connection, die of a
stray ``CancelledError`` and drop prefetched messages on shutdown. Everything else of FastStream stays: broker life,
middlewares, decoding, AsyncAPI. ``tests/nats/test_faststream_contract.py`` fails loudly when an upgrade moves what
is used here.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import nats.errors
from faststream import AckPolicy
from faststream._internal.endpoint.subscriber.call_item import CallsCollection
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.broker.registrator import NatsRegistrator
from faststream.nats.subscriber.config import NatsSubscriberConfig, NatsSubscriberSpecificationConfig
from faststream.nats.subscriber.specification import NatsSubscriberSpecification
from faststream.nats.subscriber.usecases import PullStreamSubscriber
from nats.js.api import ConsumerConfig

from worker.cancellation import close_for_good

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from faststream.message import StreamMessage
    from faststream.nats.message import NatsMessage
    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from worker.inbound.held import Held
    from worker.inbound.pull_loop import PullLoop


class CreditPullSubscriber(PullStreamSubscriber):
    """A pull subscriber whose loop is a ``PullLoop``."""

    loop: PullLoop
    grace: float
    consume_held: Callable[[Held], Awaitable[None]]

    async def _create_subscription(self) -> None:
        await self.loop.start(self.connection, self._handle)

    async def _handle(self, raw: Msg) -> None:
        # Contexts, middlewares, parser and filters cost more than a whole event with nothing to do. They are run if
        # there is anything in them.
        if self._broker_middlewares:
            await self.process_message(raw)
        else:
            await self.consume_held(self.loop.held[raw.reply])

    async def stop(self) -> None:
        """Stop pulling, finish or give back what is in hand."""
        self.running = False
        await self.loop.stop(self.grace)
        await super().stop()

    def get_log_context(self, message: StreamMessage[Msg] | None) -> dict[str, str]:  # noqa: ARG002
        """Return nothing: the worker's own logs carry the event's context; the base formats a subject per message."""
        return {}


class CreditPullBroker(NatsBroker):
    """A NATS broker with one credit-pulling subscriber that survives what nats-py calls unrecoverable."""

    def __init__(self, dial: Callable[[], Awaitable[Client]], *, grace: float) -> None:
        """Prepare without connecting.

        Args:
            dial: Makes the connection.
            grace: Seconds that messages in hand have to finish on shutdown.
        """
        # FastStream logs two lines per message and validates arguments by default: both cost more than the handler
        # of a duplicate.
        super().__init__(logger=None, apply_types=False, graceful_timeout=grace)
        self._dial = dial
        self._grace = grace

    async def _connect(self) -> Client:
        # The base would call nats.connect, with an error_cb that raises inside nats-py's reconnect task and so kills it
        # for good.
        connection = await self._dial()
        self.config.connect(connection)
        return connection

    def credit_pull(
        self,
        loop: PullLoop,
        consume: Callable[[Held], Awaitable[None]],
        *,
        stream: str,
        durable: str,
        subjects: Sequence[str],
    ) -> CreditPullSubscriber:
        """Register the subscriber: ``consume`` gets each message once it is in hand and settles it."""
        consumer = ConsumerConfig(durable_name=durable, filter_subjects=list(subjects))
        calls: CallsCollection[Msg] = CallsCollection()
        subscriber = CreditPullSubscriber(
            NatsSubscriberConfig(
                subject="",
                sub_config=consumer,
                extra_options={"durable": durable, "stream": stream},
                no_reply=True,
                _outer_config=self.config.broker_config,
                _ack_policy=AckPolicy.MANUAL,
            ),
            NatsSubscriberSpecification(
                _outer_config=self.config.broker_config,
                calls=calls,
                specification_config=NatsSubscriberSpecificationConfig(
                    subject="",
                    queue=None,
                    filter_subjects=list(subjects),
                    title_=None,
                    description_=None,
                    include_in_schema=True,
                ),
            ),
            calls,
            queue="",
            pull_sub=PullSub(),
            stream=JStream(stream, declare=False),
        )
        subscriber.loop, subscriber.grace, subscriber.consume_held = loop, self._grace, consume

        async def decode(message: NatsMessage) -> Held:
            """Hand over the message itself: what its bytes mean is decided by the corridor, with limits."""
            return loop.held[message.raw_message.reply]

        async def events(held: Any) -> None:
            await consume(held)

        super(NatsRegistrator, self).subscriber(subscriber)
        subscriber.add_call(parser_=None, decoder_=decode, dependencies_=())
        subscriber(events)
        return subscriber

    async def stop(self, *args: Any) -> None:
        """Stop; without a connection there is nothing to drain, which is no error then."""
        connection = self._connection
        if connection is not None and not connection.is_connected:
            for subscriber in self.subscribers:
                await subscriber.stop()
            self._connection = None
            self.config.broker_config.disconnect()
        else:
            with contextlib.suppress(nats.errors.Error, OSError):
                await super().stop(*args)
        if connection is not None:
            await close_for_good(connection)
