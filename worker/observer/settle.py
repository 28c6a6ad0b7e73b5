"""One observation of one run, carried through to its effects.

The order is: statuses, record, actions. A status is published (and acknowledged by the stream) **before** the record
says that the run has ended, because nothing could find out afterwards that it is missing: a crash in between repeats it
under the same id. The actions come last because they can be found out again: a run that should have been stopped or
started is still there at the next look, and a start must not precede the record that confirms the run. So a crash
between any two steps loses nothing and doubles nothing.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from worker.domain.fold import Folded, Start, Stop, Tell, fold
from worker.domain.observed import ObservedRun
from worker.domain.record import Phase
from worker.domain.run_result import Vanished, succeeded
from worker.domain.status import StatusKind
from worker.errors import LostRace

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.domain.events import AppKey
    from worker.domain.record import Record
    from worker.observer.needs import ObserverMeter, Records
    from worker.ports import Ledger, WorkflowApi

_log = logging.getLogger(__name__)

#: How often a record that others write at the same time is folded anew before the application waits for its next turn.
TRIES_AT_ONCE = 5
_ENDS = frozenset({StatusKind.SUCCEEDED, StatusKind.FAILED, StatusKind.SUPERSEDED})


class Settler:
    """Folds observations into records and carries out what follows."""

    def __init__(
        self,
        records: Records,
        workflows: WorkflowApi,
        ledger: Ledger,
        meter: ObserverMeter,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Work on ``records`` and ``workflows``, tell ``ledger``; ``clock`` gives seconds since the epoch."""
        self._records = records
        self._workflows = workflows
        self._ledger = ledger
        self._meter = meter
        self._clock = clock

    async def settle(self, app: AppKey, name: str, seen: ObservedRun | None) -> bool:
        """Carry one observation through.

        Args:
            app: The application.
            name: Name of the run.
            seen: The Workflow as it was seen last; ``None`` if it is not there, which is verified before it counts.

        Returns:
            Whether the run is over: nothing more has to be watched for its sake.

        Raises:
            LostRace: The record is written too often; try again later.
            Unavailable, NewerRecord, WorkerError: From the adapters.
        """
        told: StatusKind | None = None
        for _ in range(TRIES_AT_ONCE):
            stored = await self._records.load(app)
            observation = seen or await self._look(stored.record, name)
            if observation is None:
                return True
            folded = fold(stored.record, observation, self._clock())
            for status in folded.statuses:
                if status.kind not in _ENDS:
                    await self._ledger.publish(status)
                elif told in {None, status.kind}:  # a lost race may change our mind, but a run has one end
                    await self._ledger.publish(status)
                    told = status.kind
            if folded.record != stored.record:
                try:
                    await self._records.save(folded.record, stored.revision)
                except LostRace:
                    continue
            self._count(stored.record, observation, folded)
            await self._act(folded)
            return isinstance(observation, Vanished) or observation.finished
        raise LostRace(f"record {app}")

    async def _look(self, record: Record, name: str) -> ObservedRun | Vanished | None:
        """Find out about a run that the watch does not show; ``None`` if it does not matter, or may not exist yet.

        The record is read first: if it says that the Workflow was created and the server says after that that there is
        none, then it is gone and not merely too new to be seen.
        """
        current = record.run
        live = current is not None and current.name == name and not current.phase.finished
        if not live and all(stale.name != name for stale in record.stale_runs):
            return None
        found = await self._workflows.get(name)
        if found is None and live and current is not None and current.phase is Phase.INTENDED:
            return None
        return found or Vanished(name)

    async def _act(self, folded: Folded) -> None:
        for action in folded.actions:
            match action:
                case Stop(run, superseded_by):
                    there = await self._workflows.get(run)
                    if there is None or there.finished:  # what was seen is older than that
                        continue
                    _log.info("stopping a run that must not go on", extra={"run": run, "superseded_by": superseded_by})
                    if await self._workflows.stop(run, superseded_by):
                        self._meter.run_stopped()
                case Tell(status):
                    await self._ledger.publish(status)
                case Start(run):
                    _log.info("starting a run that its worker left suspended", extra={"run": run})
                    if await self._workflows.start(run):
                        self._meter.run_started()

    def _count(self, before: Record, observation: ObservedRun | Vanished, folded: Folded) -> None:
        run = before.run
        if folded.ended is None or run is None:
            return
        self._meter.run_ended(folded.ended.phase.value)
        _log.info(
            "run ended",
            extra={"application": str(before.app), "run": run.name, "phase": folded.ended.phase.value}
            | ({"error": folded.ended.message} if folded.ended.message else {}),
        )
        if isinstance(observation, Vanished) or not run.accepted_at:
            return
        seconds = max(0.0, (observation.finished_at or self._clock()) - run.accepted_at)
        for task in run.tasks:
            if succeeded(observation.nodes, task) and task.digest:
                self._meter.component_ready(int(task.pattern), seconds)
