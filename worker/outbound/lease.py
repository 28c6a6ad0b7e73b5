"""Who observes: one replica at a time, the holder of a key that expires by itself when nobody renews it.

The key lives in the state bucket with a TTL of its own. Two traps decide how it is written: ``KeyValue.update`` drops
the TTL, so renewals are raw publishes; and a renewal whose answer was lost has been stored all the same, so a failed
comparison is looked at before the lease counts as lost. The holder's clock starts before each renewal is sent, so it
ends first.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from typing import TYPE_CHECKING

from nats.errors import Error as NatsError
from nats.js.api import Header
from nats.js.errors import APIError, KeyNotFoundError, KeyWrongLastSequenceError

from worker.cancellation import honour_cancellation
from worker.errors import shorten

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nats.js import JetStreamContext
    from nats.js.kv import KeyValue

_log = logging.getLogger(__name__)

#: Seconds after which the server forgets a holder that does not renew; per-message TTLs are whole seconds.
TTL = 10
#: Seconds between renewals: two may fail before the lease is at risk.
RENEW_EVERY = 3.0
#: Seconds between attempts of those who wait; with ``TTL`` it bounds the hand-over after a crash to 12 seconds.
RETRY_EVERY = 2.0
#: Seconds before the end of the TTL at which a holder that could not renew stops its work: what stopping may take.
MARGIN = 1.0
_REQUEST_TIMEOUT = 2.0
_RETRY_RENEWAL = 0.5
_WRONG_LAST_SEQUENCE = frozenset({10071, 10164})
_TTL_DISABLED = 10166
#: ``asyncio.TimeoutError`` comes from requests; ``OSError`` from a socket that is being replaced.
_TROUBLE = (NatsError, TimeoutError, OSError)


class Lease:
    """The right to observe one installation.

    Attributes:
        holder: Unique name of this process; another process that uses it would share the lease.
    """

    def __init__(
        self,
        js: JetStreamContext,
        bucket: str,
        instance: str,
        holder: str,
        *,
        ttl: int = TTL,
        renew_every: float = RENEW_EVERY,
        retry_every: float = RETRY_EVERY,
    ) -> None:
        self.holder = holder
        self._js = js
        self._bucket = bucket
        self._key = f"lease.{instance}"
        self._ttl = ttl
        self._renew_every = renew_every
        self._retry_every = retry_every
        self._revision = 0
        self._until = 0.0

    @property
    def held(self) -> bool:
        """Whether this process may observe now, by its own clock and without asking the server."""
        return time.monotonic() < self._until - MARGIN

    async def lead(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` whenever the lease is held, again and again, until this call is cancelled or ``work`` returns.

        ``work`` is cancelled, and awaited, before the lease can expire; the lease is given back on the way out, so that
        a clean stop hands over at once.
        """
        while True:
            await self._acquire()
            _log.info("this worker observes from now on", extra={"lease": self._key, "holder": self.holder})
            working = asyncio.ensure_future(work())
            try:
                honour_cancellation()
                finished = await self._keep(working)
            finally:
                working.cancel()
                await asyncio.wait({working})
                await self._release()
            if finished:
                return working.result()

    async def _acquire(self) -> None:
        while not await self._try(self._create):
            honour_cancellation()
            await asyncio.sleep(self._retry_every)

    async def _keep(self, working: asyncio.Future[None]) -> bool:
        """Renew until ``working`` is over (``True``) or the lease is lost (``False``)."""
        pause = self._renew_every
        while True:
            await asyncio.wait({working}, timeout=max(0.0, min(pause, self._left)))
            if working.done():
                return True
            honour_cancellation()
            if self.held and await self._try(self._renew):
                pause = self._renew_every
            elif self.held:
                pause = _RETRY_RENEWAL
            else:
                _log.warning("lost the lease: this worker stops observing", extra={"lease": self._key})
                return False

    @property
    def _left(self) -> float:
        return self._until - MARGIN - time.monotonic()

    async def _try(self, attempt: Callable[[float], Awaitable[bool]]) -> bool:
        """Make one attempt; trouble with the server counts as "not now" and is logged."""
        started = time.monotonic()
        try:
            if not await attempt(started):
                return False
        except _TROUBLE as error:
            fix = ""
            if getattr(error, "err_code", None) == _TTL_DISABLED:
                fix = f": the bucket {self._bucket} lacks allow_msg_ttl, run `platform-worker streams apply`"
            _log.warning("the lease could not be taken or renewed%s", fix, extra={"error": shorten(repr(error))})
            return False
        return True

    async def _create(self, started: float) -> bool:
        bucket = await self._js.key_value(self._bucket)
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT):
                self._revision = await bucket.create(self._key, self._value, msg_ttl=self._ttl)
        except KeyNotFoundError:
            return False  # it was given back between two requests of ``create``
        except KeyWrongLastSequenceError:
            return await self._adopt(bucket) and await self._renew(started)
        self._until = started + self._ttl
        return True

    async def _renew(self, started: float) -> bool:
        headers = {str(Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value): str(self._revision)}
        timeout = min(_REQUEST_TIMEOUT, self._left) if self.held else _REQUEST_TIMEOUT
        subject = f"$KV.{self._bucket}.{self._key}"
        try:
            ack = await self._js.publish(subject, self._value, timeout=timeout, headers=headers, msg_ttl=self._ttl)
        except APIError as error:
            if error.err_code not in _WRONG_LAST_SEQUENCE:
                raise
            if await self._adopt(await self._js.key_value(self._bucket)):
                return await self._renew(started)
            self._until = 0.0
            return False
        self._revision, self._until = ack.seq, started + self._ttl
        return True

    async def _adopt(self, bucket: KeyValue) -> bool:
        """Go on from a revision that this holder wrote without hearing of it; that proves no more time than before."""
        try:
            entry = await bucket.get(self._key)
        except KeyNotFoundError:
            return False
        if entry.value is None or entry.revision is None or entry.value != self._value:
            return False
        self._revision = entry.revision
        return True

    @property
    def _value(self) -> bytes:
        return json.dumps({"holder": self.holder}).encode()

    async def _release(self) -> None:
        """Give the lease back, if it is still ours; if that fails it expires."""
        if self._until <= time.monotonic():
            return
        self._until = 0.0
        with contextlib.suppress(*_TROUBLE):
            async with asyncio.timeout(_REQUEST_TIMEOUT):
                bucket = await self._js.key_value(self._bucket)
                await bucket.delete(self._key, last=self._revision)
