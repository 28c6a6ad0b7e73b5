"""The connection to NATS: how it is made, what is logged about it, and how it comes back when the client gives up.

nats-py ends some connections for good: after an error that it calls unrecoverable (credentials that expired, a
server that is full), and when its reconnect task dies of an unexpected exception. The process would then look alive
and do nothing for ever. The keeper below notices and connects the same client object again, so that everything that
was built on it goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import nats.errors
from nats.aio.client import Client

from worker.cancellation import close_for_good, honour_cancellation
from worker.errors import shorten

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.settings import Settings

_log = logging.getLogger(__name__)
_LOOK = 0.5
#: The same trouble is told again after so many seconds; different troubles at most one per second.
_SAME_AGAIN, _ANY_AGAIN = 60.0, 1.0


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """What of the settings a connection needs.

    Attributes:
        reconnect_wait: Seconds between two attempts to reach the same server.
        ping_interval: Seconds between pings. With two unanswered ones the connection counts as dead: after three
            intervals, which must stay well below ``ack_wait``, or a cluster that has another leader waits for us.
    """

    reconnect_wait: float = 0.5
    ping_interval: float = 2.0
    connect_timeout: float = 2.0
    name: str = "platform-worker"


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Return the TLS context, ``None`` if neither address nor files ask for TLS.

    Raises:
        OSError: a certificate or key file cannot be read.
    """
    wanted = any(address.startswith(("tls://", "wss://")) for address in settings.nats_url)
    if not (wanted or settings.nats_tls_ca_file or settings.nats_tls_cert_file):
        return None
    context = ssl.create_default_context(cafile=settings.nats_tls_ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.nats_tls_cert_file is not None:
        context.load_cert_chain(settings.nats_tls_cert_file, settings.nats_tls_key_file)
    return context


class _SafeClient(Client):
    """A client that does without TLS only if nobody asks for it.

    nats-py speaks in the clear to a server that does not demand TLS, ``tls://`` or not, and logs in: whoever stands in
    between only has to take the demand out of the server's greeting.
    """

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        server = self._current_server
        if initial_connection and "tls" in self.options and server is not None and server.uri.scheme in {"nats", "tls"}:
            if not (info.get("tls_required") or info.get("tls_available")):
                if self._transport is not None:
                    self._transport.close()  # type: ignore[no-untyped-call]  # the base only forgets it
                raise nats.errors.Error("TLS is asked for, and the server offers none: nothing was sent to it")
            info["tls_required"] = True  # what nats-py looks at, next, to begin with TLS
        await super()._process_info(info, initial_connection)


async def dial(**keywords: Any) -> Client:
    """Connect as ``nats.connect`` does, but never in the clear where TLS is asked for.

    Raises:
        nats.errors.Error, OSError, TimeoutError: no server could be reached within the attempts that are allowed.
    """
    client = _SafeClient()
    await client.connect(**keywords)
    return client


class NatsConnection:
    """Options, callbacks and guard of one client connection.

    Attributes:
        trouble: What is wrong now, in one sentence; ``""`` while connected.
    """

    def __init__(
        self,
        settings: Settings,
        options: ConnectionOptions | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare without connecting."""
        self._settings = settings
        self._options = options or ConnectionOptions()
        self._clock = clock
        self._closed = asyncio.Event()
        self._ending = False
        self._told = ""
        self._told_at = -_SAME_AGAIN
        self.trouble = "not connected yet"

    def keywords(self) -> dict[str, Any]:
        """Return the keyword arguments of ``dial`` (the broker's too)."""
        settings, options = self._settings, self._options
        keywords: dict[str, Any] = {
            "servers": list(settings.nats_url),
            "name": options.name,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": options.reconnect_wait,
            "connect_timeout": options.connect_timeout,
            "ping_interval": options.ping_interval,
            "max_outstanding_pings": 2,
            "error_cb": self._on_error,
            "disconnected_cb": self._on_disconnected,
            "reconnected_cb": self._on_reconnected,
            "closed_cb": self._on_closed,
        }
        secrets: dict[str, Any] = {
            "user_credentials": settings.nats_credentials_file and str(settings.nats_credentials_file),
            "nkeys_seed": settings.nats_nkey_seed_file and str(settings.nats_nkey_seed_file),
            "user": settings.nats_user,
            "password": settings.nats_password and settings.nats_password.get_secret_value(),
            "token": settings.nats_token and settings.nats_token.get_secret_value(),
            "tls": tls_context(settings),
        }
        return keywords | {name: value for name, value in secrets.items() if value is not None}

    async def dial(self) -> Client:
        """Connect, waiting for a server as long as it takes, for somebody who then has it kept."""
        return await dial(**self.keywords())

    async def connect(self) -> Client:
        """Connect, waiting for a server as long as it takes."""
        client = await self.dial()
        await self._on_reconnected()
        return client

    async def keep(self, client: Client) -> None:
        """Revive ``client`` whenever it gave up, until cancelled (which must happen before it is closed on purpose)."""
        if client.is_connected:
            await self._on_reconnected()
        try:
            while True:
                honour_cancellation()
                await asyncio.sleep(_LOOK)
                if client.is_reconnecting and self._reconnecting_died(client):
                    self._tell("the client stopped reconnecting; starting over")
                    await close_for_good(client)
                if client.is_closed:
                    await self._revive(client)
        finally:
            self._ending = True

    async def _revive(self, client: Client) -> None:
        # The client resets its state after this callback; connecting before that would lose the new connection's.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), 5.0)
        self._closed.clear()
        self._tell("the connection was closed; connecting again")
        await client.connect(**self.keywords())
        # Whoever keeps state per connection (pull requests, subscriptions) looks at this number.
        client.stats["reconnects"] += 1
        await self._on_reconnected()

    @staticmethod
    def _reconnecting_died(client: Client) -> bool:
        task = client._reconnection_task  # noqa: SLF001 - nothing public tells that this task has ended
        return task is not None and task.done()

    async def _on_error(self, error: Exception) -> None:
        # Must not raise: an exception here kills the client's reconnect task.
        text = shorten(str(error) or type(error).__name__)
        self.trouble = self.trouble and text
        self._tell(text)

    async def _on_disconnected(self) -> None:
        self.trouble = "disconnected"
        self._tell("disconnected")

    async def _on_reconnected(self) -> None:
        if self.trouble:
            _log.info("connected to NATS")
        self.trouble = ""
        self._told = ""

    async def _on_closed(self) -> None:
        self._closed.set()
        self.trouble = "connection closed"

    def _tell(self, text: str) -> None:
        """Log once per state, at most one line per second, and the same text at most once per minute."""
        if self._ending:
            return
        now = self._clock()
        quiet = _SAME_AGAIN if text == self._told else _ANY_AGAIN
        if now - self._told_at < quiet:
            return
        self._told, self._told_at = text, now
        _log.warning("NATS: %s", text)
