"""Whether a run that is not known to be over may still be relied on."""

from __future__ import annotations

from dataclasses import replace

from worker.domain.decide import empty
from worker.domain.run_result import promising

from .build import APP, component, event, launch, observed

RUN = launch(empty(APP), event(1, component("db", "postgresql"))).run
ENDED = observed(RUN)
GOING_ON = replace(ENDED, phase="Running", finished=False, nodes={})


def test_what_may_still_succeed_is_promising() -> None:
    assert promising(RUN.tasks, GOING_ON)
    assert promising(RUN.tasks, replace(GOING_ON, suspended=True))


def test_what_has_succeeded_is_promising() -> None:
    assert promising(RUN.tasks, ENDED)


def test_what_was_stopped_failed_or_is_gone_is_not() -> None:
    assert not promising(RUN.tasks, replace(GOING_ON, shutdown="Stop"))
    assert not promising(RUN.tasks, observed(RUN, failed=["db"]))
    assert not promising(RUN.tasks, replace(ENDED, nodes={}))
    assert not promising(RUN.tasks, None)
