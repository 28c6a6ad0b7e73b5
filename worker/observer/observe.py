"""The observer: whoever holds the lease follows all Workflows of the installation until they are over.

It learns of Workflows from a list and a watch, and of records from a look at all of them after each list and once a
minute; what is in one and not in the other has ended or vanished while nobody watched. Each application is handled by
itself, so one that cannot be handled (a record of a newer worker, an API that refuses) delays nobody else and is tried
again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from worker.cancellation import honour_cancellation
from worker.domain.events import AppKey
from worker.domain.observed import Delta, Gone, Listed, ObservedRun, Seen
from worker.errors import LostRace, Unavailable, WorkerError, shorten
from worker.observer.app_queue import AppQueue

if TYPE_CHECKING:
    from worker.domain.record import Record
    from worker.observer.needs import Leadership, ObserverMeter, Records, WorkflowFeed
    from worker.observer.settle import Settler

_log = logging.getLogger(__name__)

#: Seconds between two looks at everything that is unfinished: suspended, stray and vanished runs are found by them.
SWEEP_EVERY = 60.0
#: Applications that are handled at the same time.
CONCURRENCY = 16
_FIRST_BACKOFF = 0.5
_MAX_BACKOFF = 60.0
#: Seconds until the records are looked through again after that failed.
_RETRY_LOOK = 5.0
#: Looking through very many records may take this fraction of the time at most.
_REST = 20
#: Complaints that are remembered so that they are not repeated.
_MAX_COMPLAINTS = 1000


class Observer:
    """Follows Workflows while the lease is held; the roles ``run`` and ``observe`` both run one."""

    def __init__(
        self,
        lease: Leadership,
        feed: WorkflowFeed,
        records: Records,
        settler: Settler,
        meter: ObserverMeter,
        *,
        sweep_every: float = SWEEP_EVERY,
        concurrency: int = CONCURRENCY,
    ) -> None:
        """Prepare; ``run`` does the work."""
        self._lease = lease
        self._feed = feed
        self._records = records
        self._settler = settler
        self._meter = meter
        self._sweep_every = sweep_every
        self._concurrency = concurrency

    async def run(self) -> None:
        """Observe whenever the lease is held, until cancelled; nothing else ends it."""
        while True:
            try:
                await self._lease.lead(self._observe)
            except Exception:  # noqa: BLE001 - a process that does not observe any more would look alive
                _log.exception("observing broke off, beginning anew")
            honour_cancellation()
            await asyncio.sleep(_RETRY_LOOK)

    async def _observe(self) -> None:
        self._meter.observing(True)
        try:
            await _Term(self._lease, self._feed, self._records, self._settler, self._meter).run(
                self._sweep_every, self._concurrency
            )
        finally:
            self._meter.observing(False)


class _Term:
    """One uninterrupted time of holding the lease; nothing that it remembers outlives it."""

    def __init__(
        self, lease: Leadership, feed: WorkflowFeed, records: Records, settler: Settler, meter: ObserverMeter
    ) -> None:
        self._lease = lease
        self._feed = feed
        self._records = records
        self._settler = settler
        self._meter = meter
        self._queue: AppQueue[AppKey] = AppQueue()
        #: Runs to look at, by application; a name stays until it was settled without an error.
        self._due: dict[AppKey, set[str]] = {}
        #: Workflows that are not over, and those whose end is not settled yet.
        self._live: dict[str, ObservedRun] = {}
        #: Whether the first list is complete; until then, ends are left to the look at the records.
        self._complete = False
        self._listed = asyncio.Event()
        #: What was settled last of each unfinished Workflow: progress of its nodes alone is no news.
        self._settled: dict[str, tuple[object, ...]] = {}
        self._failures: dict[AppKey, int] = {}
        self._complained: set[tuple[str, str]] = set()

    async def run(self, sweep_every: float, concurrency: int) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow())
                tasks.create_task(self._sweep(sweep_every))
                for _ in range(concurrency):
                    tasks.create_task(self._work())
        finally:
            self._queue.close()

    async def _follow(self) -> None:
        while True:
            try:
                async for delta in self._feed.deltas():
                    self._take_in(delta)
            except Exception:  # noqa: BLE001 - whatever it is, runs must be followed
                _log.exception("the watch of Workflows broke, listing them again")
            honour_cancellation()
            await asyncio.sleep(_FIRST_BACKOFF)

    def _take_in(self, delta: Delta) -> None:
        match delta:
            case Listed(names):
                for name in self._live.keys() - names:
                    self._enqueue(self._live.pop(name))
                self._complete = True
                self._listed.set()
            case Seen(run) if run.finished and not self._complete:
                pass  # most ended long ago: the look at the records finds those whose end is still awaited
            case Gone(run) if not run.finished:
                self._live.pop(run.name, None)
                self._enqueue(run)
            case Seen(run) | Gone(run):
                self._live[run.name] = run
                if self._settled.get(run.name) != _news(run) and not _in_good_hands(run):
                    self._enqueue(run)

    def _enqueue(self, run: ObservedRun) -> None:
        if not (run.namespace and run.application):
            self._complain(run.name, "it carries our label but does not say which application it belongs to")
            return
        self._look_at(AppKey(run.namespace, run.application), run.name)

    def _look_at(self, app: AppKey, name: str) -> None:
        self._due.setdefault(app, set()).add(name)
        self._queue.add(app)

    async def _sweep(self, every: float) -> None:
        """Look at all records after each list; at them, and at everything unfinished, once in a while."""
        await self._listed.wait()
        due = 0.0
        while True:
            honour_cancellation()
            began = time.monotonic()
            if self._listed.is_set() or began >= due:
                self._listed.clear()
                found = await self._look_at_records()
                took = time.monotonic() - began
                due = began + (max(every, took * _REST) if found else min(every, _RETRY_LOOK))
            try:
                async with asyncio.timeout(min(every, max(0.0, due - time.monotonic()))):
                    await self._listed.wait()
            except TimeoutError:
                honour_cancellation()
                for run in list(self._live.values()):
                    self._enqueue(run)

    async def _look_at_records(self) -> bool:
        """Look at each run that a record waits for and the watch does not show; ``False`` if that was not possible."""
        try:
            async for stored in self._records.all(self._complain_of_record):
                honour_cancellation()
                for name in _awaited(stored.record):
                    if name not in self._live:
                        self._look_at(stored.record.app, name)
        except WorkerError as error:
            _log.warning("cannot look through the records, trying again", extra={"error": str(error)})
            return False
        return True

    async def _work(self) -> None:
        while True:
            honour_cancellation()
            app = await self._queue.take()
            try:
                await self._settle_all(app)
            finally:
                self._queue.done(app)

    async def _settle_all(self, app: AppKey) -> None:
        for name in sorted(self._due.pop(app, ())):
            honour_cancellation()
            if not self._lease.held:
                return  # whoever holds it now lists everything anew
            seen = self._live.get(name)
            try:
                over = await self._settler.settle(app, name, seen)
            except Exception as error:  # noqa: BLE001 - one application must not stop the observation of the others
                self._try_again(app, name, error)
            else:
                self._failures.pop(app, None)
                self._remember(name, seen, over)

    def _remember(self, name: str, seen: ObservedRun | None, over: bool) -> None:
        """Note what was settled; of a run that is over nothing needs to be known any more."""
        if not over and seen is not None:
            self._settled[name] = _news(seen)
            return
        self._settled.pop(name, None)
        if over and (run := self._live.get(name)) is not None and run.finished:
            del self._live[name]

    def _try_again(self, app: AppKey, name: str, error: Exception) -> None:
        """Keep a failed run due; transient errors come back soon, others at the next sweep or change."""
        self._due.setdefault(app, set()).add(name)
        failures = self._failures[app] = self._failures.get(app, 0) + 1
        pause = min(_FIRST_BACKOFF * 2 ** min(failures - 1, 10), _MAX_BACKOFF)
        if isinstance(error, LostRace):
            pause = error.delay or _FIRST_BACKOFF
        elif isinstance(error, Unavailable):
            pause = error.retry_after or pause
            _log.warning("cannot settle a run yet", extra={"run": name, "error": str(error), "seconds": pause})
        else:
            pause = _MAX_BACKOFF
            self._complain(name, shorten(str(error)) if isinstance(error, WorkerError) else shorten(repr(error)), error)
        self._queue.add_later(app, pause)

    def _complain_of_record(self, key: str, error: WorkerError) -> None:
        self._complain(key, shorten(str(error)))

    def _complain(self, name: str, why: str, error: Exception | None = None) -> None:
        if (name, why) in self._complained:
            return
        if len(self._complained) >= _MAX_COMPLAINTS:
            self._complained.clear()
        self._complained.add((name, why))
        self._meter.unreadable_workflow()
        bug = error if error is not None and not isinstance(error, WorkerError) else None
        _log.error("cannot observe %s: %s", name, why, exc_info=bug)


def _news(run: ObservedRun) -> tuple[object, ...]:
    """Return those traits of an unfinished Workflow that can mean anything for its record."""
    return (run.finished, run.suspended, run.shutdown, bool(run.nodes))


def _in_good_hands(run: ObservedRun) -> bool:
    """Tell whether its worker is about to start it, or has died: that is for the next sweep to find out."""
    return run.suspended and not run.shutdown and not run.finished


def _awaited(record: Record) -> list[str]:
    """Return the names of the runs whose end ``record`` waits for."""
    current = [record.run.name] if record.run is not None and record.unfinished else []
    return [*current, *(stale.name for stale in record.stale_runs)]
