"""Pulling by credit: asks the server for as many messages as there are free slots, and notices when it is silent.

The loops of the usual clients hide three things that an operator must see: a consumer that is gone (they spin on
it), a connection that is open but dead (they wait), and messages that were prefetched and then dropped on shutdown
(they come back after ack_wait). Here one subscription carries messages, the server's status answers and its idle
heartbeats; each *epoch* (one connection, one subscription, one binding) starts with a look at the consumer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from typing import TYPE_CHECKING, Protocol

import nats.errors
from nats.js.errors import APIError, NotFoundError

from worker.errors import Misconfigured, Unavailable
from worker.inbound.binding import APPLY, bind, lag_of
from worker.inbound.credits import Credits
from worker.inbound.heartbeat import Heartbeat
from worker.inbound.held import hold, is_delivery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

    from worker.inbound.binding import Binding, Lag, Verify
    from worker.inbound.held import Held

_log = logging.getLogger(__name__)
_NANO = 1_000_000_000
_TICK = 0.5
_BACKOFF_FIRST, _BACKOFF_MOST = 0.1, 0.5
#: Missed heartbeats (and a little) after which the server counts as silent.
_SILENT_BEATS, _SILENT_SLACK = 2.5, 1.0
#: Beats without a byte after which the server is asked: with all slots taken there is no request that would bring
#: heartbeats.
_QUIET_BEATS = 1.25
_GIVEN_BACK_AFTER_CRASH = 1.0
_IDLE_HEARTBEAT, _REQUEST_TIMEOUT = "100", "408"


class Permit(Protocol):
    """Says whether messages may be asked for now."""

    def __call__(self) -> bool:
        """Return ``False`` while a breaker is open or a suspect is handled alone."""


class PullLoop:
    """Pulls one durable consumer and starts a task per message.

    Attributes:
        binding: The consumer as it was looked up last; ``None`` while it is not bound.
        problem: Why nothing is pulled, in one sentence; ``""`` if all is well.
        lag: The consumer's lag at the last look.
    """

    def __init__(
        self,
        *,
        stream: str,
        durable: str,
        limit: int,
        permit: Permit,
        verify: Verify | None = None,
        on_bound: Callable[[Binding], None] = lambda _: None,
        expires: float = 30.0,
        idle_heartbeat: float = 2.0,
        lag_interval: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare without connecting.

        Args:
            stream: Stream to read.
            durable: Durable pull consumer on it.
            limit: Messages in hand at most.
            permit: Asked before each request.
            verify: Compares the server's configuration with the declared one at each binding.
            on_bound: Told about each new binding.
            expires: Seconds that a request waits at the server.
            idle_heartbeat: Seconds between two signs of life of a waiting request.
            lag_interval: Seconds between two looks at the consumer's lag.
            clock: Monotonic seconds.
        """
        self._stream = stream
        self._durable = durable
        self._permit = permit
        self._verify = verify
        self._on_bound = on_bound
        self._expires = expires
        self._beat = idle_heartbeat
        self._lag_interval = lag_interval
        self._clock = clock
        self.credits = Credits(limit, lifetime=expires + _SILENT_BEATS * idle_heartbeat)
        self.held: dict[str, Held] = {}
        self.heartbeat = Heartbeat(self.held.values, clock=clock)
        self.binding: Binding | None = None
        self.problem = "not started"
        self._told = ""
        self.lag: Lag | None = None
        self._by_sequence: dict[int, Held] = {}
        self._tasks: dict[asyncio.Task[None], Held] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._running = False
        self._subscription: Subscription | None = None
        self._inbox = ""
        self._incarnation = ""
        self._epoch = -1
        self._rebind = True
        self._last_byte = 0.0
        self._last_sign = 0.0
        self._next_look = 0.0
        self._last_consumer_sequence = 0
        self._backoff = _BACKOFF_FIRST
        self._not_before = 0.0

    async def start(self, client: Client, handle: Callable[[Msg], Awaitable[object]]) -> None:
        """Bind, then pull until ``stop``.

        Args:
            client: Connected client; it may reconnect later.
            handle: Called in a task of its own for each message; ``held[msg.reply]`` is its handle.

        Raises:
            Misconfigured: the consumer does not exist or is not as declared.
        """
        self._client = client
        self._handle = handle
        self._js = client.jetstream(timeout=max(1.0, self._beat))
        self._running = True
        await self._bind_at_start()
        loops = {"pull": self._pull, "tick": self._tick, "heartbeat": self.heartbeat.run}
        self._loops = [asyncio.create_task(loop(), name=name) for name, loop in loops.items()]

    async def stop(self, grace: float) -> None:
        """Take nothing more in; let what is in hand finish within ``grace`` seconds; give back the rest at once."""
        if not self._running:
            return
        self._running = False
        self._wake.set()
        subscription, self._subscription = self._subscription, None
        if subscription is not None and self._client.is_connected:
            # Unsubscribes, waits for what the server has sent meanwhile, and runs it through _on_message, which
            # gives it back.
            with contextlib.suppress(nats.errors.Error, TimeoutError):
                await asyncio.wait_for(subscription.drain(), 2.0)  # type: ignore[no-untyped-call]
        deadline = self._clock() + grace
        while self._tasks and self._clock() < deadline:
            self._cancel(lambda held: held.idle)
            await asyncio.wait(self._tasks, timeout=min(_TICK, max(0.0, deadline - self._clock())))
        self._cancel(lambda _: True)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2.0)
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if self._client.is_connected:
            with contextlib.suppress(nats.errors.Error):
                await self._client.flush(timeout=2)

    def _cancel(self, which: Callable[[Held], bool]) -> None:
        """End the tasks of those messages, which gives them back."""
        for task, held in list(self._tasks.items()):
            if which(held) and not task.cancelling():
                task.cancel()

    @property
    def started(self) -> bool:
        """Whether the consumer was bound once and pulling began."""
        return bool(self._loops)

    @property
    def alive(self) -> bool:
        """Whether the tasks that pull, look and beat run."""
        return self.started and not any(loop.done() for loop in self._loops)

    @property
    def silence(self) -> float:
        """Seconds since the server was heard last."""
        return self._clock() - self._last_byte

    @property
    def silent(self) -> bool:
        """Whether the server should have been heard by now."""
        return self.silence > _SILENT_BEATS * self._beat + _SILENT_SLACK

    async def _bind_at_start(self) -> None:
        while True:
            try:
                await self._open_epoch()
            except Misconfigured:
                raise
            except (Unavailable, nats.errors.Error) as error:
                self._refuse(str(error))
                await asyncio.sleep(max(0.0, self._not_before - self._clock()))
            else:
                return

    async def _pull(self) -> None:
        while self._running:
            self._wake.clear()
            try:
                await self._step()
            except (Misconfigured, Unavailable, nats.errors.Error, OSError) as error:
                self._refuse(str(error))
            except Exception as error:  # noqa: BLE001 - whatever it is, pulling must go on
                self._refuse(f"{type(error).__name__} while pulling")
            await self._wake.wait()

    async def _step(self) -> None:
        client = self._client
        if not client.is_connected:
            self._rebind = True
            self._problem("connection closed" if client.is_closed else "not connected to the NATS server")
            return
        if self._clock() < self._not_before:
            return
        if self._rebind or self._epoch != client.stats["reconnects"]:
            await self._open_epoch()
        self.credits.expire(self._clock())
        count = self.credits.wanted()
        if count and self._permit():
            await self._ask(count)

    async def _open_epoch(self) -> None:
        """Start over: no requests, a new inbox, a fresh look at the consumer."""
        self._rebind, self._epoch = True, self._client.stats["reconnects"]
        old, self._subscription = self._subscription, None
        if old is not None:
            with contextlib.suppress(nats.errors.Error):
                await old.unsubscribe()
        self.credits.reset()
        binding = await bind(self._js, self._stream, self._durable, self._verify)
        if binding.incarnation != self._incarnation:
            self._orphan()
        self._incarnation = binding.incarnation
        self._inbox = self._client.new_inbox()
        self._subscription = await self._client.subscribe(f"{self._inbox}.*", cb=self._on_message)
        self._last_consumer_sequence = 0
        self._last_byte = self._last_sign = self._clock()
        self.heartbeat.ack_wait = binding.ack_wait
        self._on_bound(binding)
        self.binding, self._rebind = binding, False
        self._problem("")

    def _orphan(self) -> None:
        """The stream is another one: the sequence numbers of what is in hand belong to other messages there."""
        for held in self.held.values():
            held.orphaned = True
        self._by_sequence.clear()

    async def _ask(self, count: int) -> None:
        number = self.credits.request(count, self._clock())
        body = {"batch": count, "expires": int(self._expires * _NANO), "idle_heartbeat": int(self._beat * _NANO)}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._durable}"
        await self._client.publish(subject, json.dumps(body).encode(), reply=f"{self._inbox}.{number}")

    def _refuse(self, problem: str) -> None:
        """Note why nothing can be pulled and wait a little longer than the last time."""
        self._problem(problem)
        self._not_before = self._clock() + self._backoff
        self._backoff = min(self._backoff * 2, _BACKOFF_MOST)

    def _problem(self, problem: str) -> None:
        if problem and problem != self._told:
            _log.warning("not pulling: %s", problem)
            self._told = problem
        self.problem = problem

    def _sign(self) -> None:
        """A message or a heartbeat came: requests are served."""
        self._backoff = _BACKOFF_FIRST
        if self._told:
            _log.info("pulling from %s by %s", self._stream, self._durable)
            self._told = ""

    async def _tick(self) -> None:
        while self._running:
            await asyncio.sleep(_TICK)
            self._wake.set()
            if self.binding is None or not self._client.is_connected:
                continue
            now = self._clock()
            stalled = self.credits.outstanding > 0 and now - self._last_sign > _SILENT_BEATS * self._beat
            if stalled or now >= self._next_look or self.silence > _QUIET_BEATS * self._beat:
                answered = await self._look()
                # The server lives, yet our requests get neither messages nor heartbeats: they are lost, for example
                # with a leader.
                self._rebind = self._rebind or (stalled and answered)

    async def _look(self) -> bool:
        """Look at the consumer: is it there, does the server answer, how far is it behind?"""
        self._next_look = self._clock() + self._lag_interval
        try:
            info = await self._js.consumer_info(self._stream, self._durable)
        except NotFoundError:
            self._unbind(f"consumer {self._durable} of stream {self._stream} does not exist; {APPLY}")
            return True
        except (APIError, nats.errors.Error, OSError) as error:
            _log.debug("no answer about the consumer: %s", error)
            return False
        self._last_byte = self._clock()
        self.lag = lag_of(info)
        return True

    def _unbind(self, problem: str) -> None:
        self.binding, self._rebind = None, True
        self._refuse(problem)

    async def _on_message(self, raw: Msg) -> None:
        self._last_byte = self._last_sign = self._clock()
        if not is_delivery(raw.reply):
            self._on_status(raw)
            return
        held, facts = hold(raw, self._client, self._incarnation, self._last_byte)
        if not self._running:
            await held.nak()
            return
        self.credits.received()
        if facts.consumer_sequence <= self._last_consumer_sequence:
            # The consumer counts from the start again: it is another one, perhaps of another stream. Look before
            # touching anything.
            self.credits.released()
            self._unbind("the consumer was recreated")
            await held.nak(_TICK)
            return
        self._last_consumer_sequence = facts.consumer_sequence
        self._sign()
        earlier = self._by_sequence.get(facts.sequence)
        if earlier is not None and earlier.answerable:
            # Redelivered while in hand (a long outage, a frozen process): one answer serves both, and two handlers
            # would only race.
            earlier.reply = raw.reply
            self.credits.released()
            return
        self.held[raw.reply] = self._by_sequence[facts.sequence] = held
        task = asyncio.create_task(self._guard(raw, held, facts.sequence))
        self._tasks[task] = held
        task.add_done_callback(self._tasks.pop)

    def _on_status(self, raw: Msg) -> None:
        """Take note of a status answer: heartbeats, and why a request ended."""
        headers = raw.headers or {}
        code, description = headers.get("Status", ""), headers.get("Description", "")
        if code == _IDLE_HEARTBEAT:
            self._sign()
            return
        number = raw.subject.rpartition(".")[2]
        pending = headers.get("Nats-Pending-Messages")
        self.credits.ended(int(number), int(pending) if pending is not None else None)
        if code != _REQUEST_TIMEOUT:
            self._unbind(f"the server refused a pull request: {code} {description or 'no responders'}")
        self._wake.set()

    async def _guard(self, raw: Msg, held: Held, sequence: int) -> None:
        """Run the handler; whatever happens, the slot is free afterwards and the message was answered or given back."""
        try:
            await self._handle(raw)
        except asyncio.CancelledError:
            _log.debug("handling %s was cancelled", held.message.delivery.key)
        except Exception as error:  # noqa: BLE001 - the last boundary before the event loop
            _log.error("handling %s ended with %s", held.message.delivery.key, type(error).__name__)
        finally:
            del self.held[raw.reply]
            if self._by_sequence.get(sequence) is held:
                del self._by_sequence[sequence]
            self.credits.released()
            self._wake.set()
            with contextlib.suppress(nats.errors.Error):
                await held.nak(_GIVEN_BACK_AFTER_CRASH if self._running else 0.0)
