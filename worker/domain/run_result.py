"""How a run ended, read from its nodes: the verdict on it, and the line of each of its components for people.

Argo's word about the whole Workflow is not enough: a Workflow that was terminated while it waited ends ``Succeeded``
without having run. So a run has succeeded only if each of its tasks has a succeeded node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.domain.model import Action, Problem, Task
from worker.domain.observed import ObservedNode, ObservedRun
from worker.domain.record import Phase, State
from worker.domain.status import ComponentStatus
from worker.errors import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SUCCEEDED = "Succeeded"
#: Node phases that say that the task itself went wrong; others that are not ``Succeeded`` were merely not reached.
FAULTY = frozenset({"Failed", "Error"})
#: State of a component in a status event whose teardown succeeded; records have none such: they forget the component.
REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Vanished:
    """A run that was created and is not in the cluster any more, although nobody saw it end."""

    name: str


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict on a finished run.

    Attributes:
        phase: ``succeeded``, ``failed`` or ``superseded``.
        message: Why it did not succeed, on one line; ``""`` if it did.
        component: Name of the first component that went wrong, ``""`` if none did.
        task: Name of that component's task.
    """

    phase: Phase
    message: str = ""
    component: str = ""
    task: str = ""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The verdict as the error entry of a status event; empty unless the run failed."""
        if self.phase is not Phase.FAILED:
            return ()
        place = f"$.status.nodes[?(@.displayName=='{self.task}')]" if self.task else "$.status"
        fix = "look at the Workflow, remove the cause, then send the next change or ask for a retry"
        return (Problem("run-failed", self.message, place, self.component, fix),)


def succeeded(nodes: Mapping[str, ObservedNode], task: Task) -> bool:
    """Tell whether ``task`` was carried out: only a Succeeded node says so."""
    node = nodes.get(task.name)
    return node is not None and node.phase == SUCCEEDED


def result_of(tasks: Sequence[Task], run: ObservedRun | Vanished, *, replaced: bool = False) -> Result:
    """Judge a run that is over.

    Args:
        tasks: What it had to do, in execution order; empty if that is not known any more: then all of its nodes must
            have succeeded.
        run: The finished Workflow, or the fact that it is gone.
        replaced: Another run has taken its place, so whoever stopped it did so for that reason.
    """
    if isinstance(run, Vanished):
        if replaced:
            return Result(Phase.SUPERSEDED)
        return Result(Phase.FAILED, f"vanished: the Workflow {run.name} was deleted before its end was seen")
    if tasks:
        complete = all(succeeded(run.nodes, task) for task in tasks)
    else:
        complete = all(node.phase == SUCCEEDED for node in run.nodes.values())
    if run.phase == SUCCEEDED and run.nodes and complete:
        return Result(Phase.SUCCEEDED)
    if run.superseded_by or (replaced and run.shutdown):
        return Result(Phase.SUPERSEDED, shorten(f"stopped in favour of {run.superseded_by or 'a newer event'}"))
    for task in tasks:
        node = run.nodes.get(task.name)
        if node is not None and node.phase in FAULTY:
            return Result(
                Phase.FAILED, shorten(node.message or f"its node ended {node.phase}"), task.component, task.name
            )
    return Result(Phase.FAILED, shorten(_without_culprit(tasks, run)))


def promising(tasks: Sequence[Task], run: ObservedRun | None) -> bool:
    """Tell whether a run may still succeed, or has: it is there, nobody has stopped it, and it has not failed."""
    if run is None or run.shutdown:
        return False
    return not run.finished or result_of(tasks, run).phase is Phase.SUCCEEDED


def _without_culprit(tasks: Sequence[Task], run: ObservedRun) -> str:
    """Explain a run that did not succeed although no node of it failed."""
    if run.message and run.phase != SUCCEEDED:
        return run.message
    missing = ", ".join(t.component for t in tasks if not succeeded(run.nodes, t)) or "its components"
    return f"the Workflow ended {run.phase or 'without a phase'}, but nothing shows that it provisioned {missing}"


def component_lines(tasks: Sequence[Task], run: ObservedRun | Vanished) -> tuple[ComponentStatus, ...]:
    """Return one status line per task, in execution order, saying what is known about its component now."""
    nodes = run.nodes if isinstance(run, ObservedRun) else {}
    return tuple(_line(task, nodes.get(task.name)) for task in tasks)


def _line(task: Task, node: ObservedNode | None) -> ComponentStatus:
    removal = task.action is Action.REMOVE
    if node is not None and node.phase == SUCCEEDED:
        state, message, outputs = (REMOVED if removal else State.APPLIED.value), "", node.outputs
    else:
        state, outputs = (State.REMOVING.value if removal else State.DIRTY.value), {}
        message = "" if node is None else shorten(f"{node.phase}: {node.message}" if node.message else node.phase)
    return ComponentStatus(
        task.component, task.identity.type, int(task.pattern), task.action.value, state, message, dict(outputs)
    )
