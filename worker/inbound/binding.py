"""Binding to the durable consumer: look, compare, never create or change.

Stream and consumer belong to ``platform-worker streams apply``. A worker that created what it misses would resurrect
a consumer with other settings than the declared ones, and nobody would notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import nats.errors
from nats.js.errors import APIError, NotFoundError

from worker.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nats.js import JetStreamContext
    from nats.js.api import ConsumerInfo

    #: Raises ``Misconfigured`` if streams, consumer or bucket are not as declared.
    Verify = Callable[[JetStreamContext], Awaitable[None]]

APPLY = "run: platform-worker streams apply"
_DEFAULT_ACK_WAIT = 30.0
_DEFAULT_MAX_ACK_PENDING = 1000


@dataclass(frozen=True, slots=True)
class Binding:
    """What the subscriber needs to know about its consumer.

    Attributes:
        incarnation: Creation time of the stream, RFC 3339 in UTC.
        ack_wait: Seconds until an unanswered message is delivered again.
        max_ack_pending: Messages that may be in hand over all workers, waiting ones included.
    """

    stream: str
    durable: str
    incarnation: str
    ack_wait: float
    max_ack_pending: int


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the consumer is behind: waiting in the stream, and delivered without an answer."""

    pending: int
    ack_pending: int


async def bind(js: JetStreamContext, stream: str, durable: str, verify: Verify | None = None) -> Binding:
    """Look the consumer up.

    Raises:
        Misconfigured: there is no such stream or consumer, or ``verify`` objects.
        Unavailable: the server gave no answer.
    """
    try:
        info = await js.stream_info(stream)
        consumer = await js.consumer_info(stream, durable)
    except NotFoundError as error:
        what = f"consumer {durable} of stream {stream}" if "consumer" in str(error.description) else f"stream {stream}"
        raise Misconfigured("nats", f"{what} does not exist", fix=APPLY) from error
    except (APIError, nats.errors.Error) as error:
        raise Unavailable("nats", f"no answer about consumer {durable} of stream {stream}: {error}") from error
    if verify is not None:
        await verify(js)
    config = consumer.config
    return Binding(
        stream=stream,
        durable=durable,
        incarnation=info.created.isoformat() if info.created else "",
        ack_wait=config.ack_wait or _DEFAULT_ACK_WAIT,
        max_ack_pending=config.max_ack_pending or _DEFAULT_MAX_ACK_PENDING,
    )


def lag_of(info: ConsumerInfo) -> Lag:
    """Read the lag out of the server's answer."""
    return Lag(pending=info.num_pending or 0, ack_pending=info.num_ack_pending or 0)
