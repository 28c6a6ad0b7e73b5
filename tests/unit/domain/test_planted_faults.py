"""The state machine test must be able to fail: each fault that is planted into the domain here has to be found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

import worker.pipeline
from tests.unit.domain.test_state_machine import Platform
from worker.domain import decide, planner
from worker.domain.planner import _Planner
from worker.domain.record import Phase as RunPhase
from worker.domain.record import Record, Run, State

SEARCH = settings(
    max_examples=400,
    stateful_step_count=30,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def confirms_everything(record: Record, run: Run) -> Record:
    return worker_confirm(record, run) or record


def forgets_acceptance(record: Record) -> Record:
    if record.run is None or record.run.phase.finished:
        return record
    return replace(record, run=replace(record.run, phase=RunPhase.SUPERSEDED))


def takes_dirty_for_applied(self: _Planner, spec: Any) -> Any:
    known = self._known.get(spec.identity)
    return None if known is not None and known.state is State.DIRTY else planner_compare(self, spec)


worker_confirm = decide.confirm
planner_compare = _Planner._compare

FAULTS: dict[str, tuple[Any, str, Any]] = {
    "an overtaken run is confirmed": (worker.pipeline, "confirm", confirms_everything),
    "nothing is stale": (decide, "_stale", lambda record, event: False),
    "known deliveries are judged anew": (decide, "_known_delivery", lambda record, event: None),
    "a replaced run is not stopped": (decide, "retire_run", forgets_acceptance),
    "attempts are not counted": (decide, "next_attempt", lambda record, order: 1),
    "nothing is taken away": (planner._Planner, "_teardown_tasks", lambda self, unwanted, applies: []),
    "nothing is retained": (planner._Planner, "_why_retained", lambda self, known, users: ""),
    "unknown content counts as applied": (planner._Planner, "_compare", takes_dirty_for_applied),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*FAULTS[fault])
    with pytest.raises((AssertionError, KeyError)):
        run_state_machine_as_test(Platform, settings=SEARCH)
