"""A plan as people and programs see it: the domain's decision in the words of ``plan --output json``.

The decision comes from the worker's own ``decode`` and ``decide`` on the bytes that ``publish`` would send, so a
plan shown here is the plan that would be carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.cli.documents import DocumentError, Outgoing
from worker.domain.classify import TYPES
from worker.domain.decide import Launch, Postpone, Repeat, Resume, Settle, Supersede, decide
from worker.domain.decode import decode
from worker.domain.events import AppKey, Delivery, Event, InboundMessage
from worker.domain.model import Problem, Task
from worker.domain.plan import Plan
from worker.domain.record import Disposition, Record
from worker.errors import Rejected
from worker.outbound.workflow_text import literal


@dataclass(frozen=True, slots=True)
class TaskLine:
    """One component that the plan does something with (or keeps on purpose)."""

    component: str
    type: str
    pattern: int
    action: str
    template: str
    depends_on: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the task as the contract of ``plan --output json`` has it."""
        return {
            "component": self.component,
            "type": self.type,
            "pattern": self.pattern,
            "action": self.action,
            "workflowTemplate": self.template,
            "dependsOn": list(self.depends_on),
            "parameters": dict(self.parameters),
        }


@dataclass(frozen=True, slots=True)
class ErrorLine:
    """One thing that is wrong, at a path of the user's file."""

    component: str
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class PlanView:
    """What one document would change.

    Attributes:
        outcome: The disposition that the event would get: ``accepted``, ``unchanged``, ``superseded``, ``rejected``, or
            ``waiting`` for a provider in another application.
        note: Why, where the tasks do not say it.
    """

    namespace: str
    name: str
    outcome: str
    note: str = ""
    tasks: tuple[TaskLine, ...] = ()
    unchanged: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    errors: tuple[ErrorLine, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the plan in the form that programs rely on."""
        return {
            "application": {"namespace": self.namespace, "name": self.name},
            "tasks": [task.to_json() for task in self.tasks],
            "unchanged": list(self.unchanged),
            "skipped": [{"component": c, "type": t, "reason": r} for c, t, r in self.skipped],
            "warnings": list(self.warnings),
            "errors": [{"component": e.component, "path": e.path, "message": e.message} for e in self.errors],
        }


def understand(outgoing: Outgoing, delivery: Delivery) -> Event:
    """Return the event that the worker would see.

    Raises:
        Rejected: The worker would reject it.
    """
    headers, body = outgoing.to_message()
    event = decode(InboundMessage(outgoing.subject, headers, body, delivery))
    assert isinstance(event, Event)  # noqa: S101 - only AdmissionReviews are anything else, and files hold none
    return event


def view(outgoing: Outgoing, event: Event, record: Record, neighbours: Mapping[str, Record], instance: str) -> PlanView:
    """Return what ``event`` would change, given what is recorded.

    Args:
        outgoing: Where the event came from; its paths are used in errors.
        event: The event, see ``understand``.
        record: What is recorded of its application, an empty record if nothing is.
        neighbours: Records of the other applications of its namespace.
        instance: Id of the installation.
    """
    app = event.app
    match decide(record, event, neighbours, instance):
        case Launch(plan=plan):
            unsafe = [problem for task in plan.tasks for problem in _unsafe(task)]
            if unsafe:
                return _of_plan(outgoing, app, Plan(app, problems=tuple(unsafe)), Disposition.REJECTED)
            return _of_plan(outgoing, app, plan, Disposition.ACCEPTED)
        case Settle(disposition=disposition, plan=plan):
            return _of_plan(outgoing, app, plan, disposition)
        case Supersede():
            note = "a newer event of this application is recorded already"
            return PlanView(app.namespace, app.name, Disposition.SUPERSEDED.value, note, warnings=(note,))
        case Postpone(message=message):
            return PlanView(app.namespace, app.name, "waiting", message, warnings=(f"the event would wait: {message}",))
        case Resume() | Repeat():
            note = "this very event has been handled already"
            return PlanView(app.namespace, app.name, Disposition.UNCHANGED.value, note, warnings=(note,))


def of_rejection(outgoing: Outgoing, error: Rejected) -> PlanView:
    """Return the plan of an event that the worker would reject before planning."""
    problem = Problem(error.code, error.message, error.path, error.component, error.fix)
    app = AppKey(outgoing.data.namespace, outgoing.data.name)
    return _of_plan(outgoing, app, Plan(app, problems=(problem,)), Disposition.REJECTED)


def of_broken(error: DocumentError) -> PlanView:
    """Return the plan of a document that is no event."""
    namespace, name = error.application
    line = ErrorLine(error.component, error.path, _sentence(error.bare_message, error.fix))
    return PlanView(namespace, name, Disposition.REJECTED.value, errors=(line,))


def _of_plan(outgoing: Outgoing, app: AppKey, plan: Plan, disposition: Disposition) -> PlanView:
    components = {task.name: task.component for task in plan.tasks}
    tasks = [_task(task, components) for task in plan.tasks]
    for kept in plan.retained:
        template = TYPES[kept.identity.type].template
        tasks.append(
            TaskLine(kept.identity.name, kept.identity.type, int(kept.pattern), "retain", template, reason=kept.reason)
        )
    return PlanView(
        app.namespace,
        app.name,
        disposition.value,
        "",
        tuple(tasks),
        tuple(identity.name for identity in plan.unchanged),
        tuple((s.component, s.type, s.reason) for s in plan.skipped),
        tuple(warning for warning in plan.warnings if warning),
        tuple(ErrorLine(p.component, outgoing.in_file(p.path), _sentence(p.message, p.fix)) for p in plan.problems),
    )


def _task(task: Task, components: Mapping[str, str]) -> TaskLine:
    produced = {
        name: f"{{{{tasks.{source.task}.outputs.parameters.{source.output}}}}}"
        for name, source in task.outputs_of.items()
    }
    return TaskLine(
        task.component,
        task.identity.type,
        int(task.pattern),
        task.action.value,
        task.template,
        tuple(dict.fromkeys(components[name] for name in task.depends_on)),
        {**task.parameters, **produced},
        task.reason,
    )


def _unsafe(task: Task) -> list[Problem]:
    """Return what the Workflow's builder would refuse to write."""
    problems = []
    for name, value in task.parameters.items():
        try:
            literal(value, name, task)
        except Rejected as error:
            problems.append(Problem(error.code, error.message, error.path, task.component, error.fix))
    return problems


def _sentence(message: str, fix: str) -> str:
    return f"{message}; {fix}" if fix else message
