"""A run → the Workflow that the API server is given, as bytes, built with hera.

The bytes depend on the run alone, so a repeated create after a crash sends the same body again. What ``state rebuild``
needs travels in an annotation.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from contracts.names import MANAGED_BY, Annotation, Label
from worker.domain.model import Action, ComponentSpec
from worker.domain.record import ComponentRecord, Phase, Record, State
from worker.errors import Rejected
from worker.outbound.record_codec import dumps
from worker.outbound.workflow_settings import WorkflowSettings
from worker.outbound.workflow_text import annotation, digest, escape_json, label_value, literal

if TYPE_CHECKING:
    from worker.domain.events import AppKey
    from worker.domain.model import OutputOf, Task
    from worker.domain.record import Run

#: Argo's limit is 200 tasks; a DAG that large is beyond what its controller handles well.
MAX_TASKS = 100
#: Below etcd's 1.5 MiB, with room for the status that Argo writes into the same object.
MAX_BODY = 1_000_000
#: Annotations of one object may have 256 KiB together; the snapshot of the record gets half of that at most.
_MAX_SNAPSHOT = 128 * 1024

ANNOTATION_NAMESPACE = "platform.io/namespace"
ANNOTATION_APPLICATION = "platform.io/application"
ANNOTATION_ATTEMPT = "platform.io/attempt"
ANNOTATION_EVENT_KEY = "platform.io/event-key"
ANNOTATION_RECORD = "platform.io/record"


class HeraWorkflowBuilder:
    """Builds Workflows; implements ``ports.WorkflowBuilder``."""

    def __init__(self, settings: WorkflowSettings) -> None:
        """Build for the installation that ``settings`` describe."""
        self._settings = settings

    @staticmethod
    def warm() -> None:
        """Import what building needs, which takes half a second: in a thread at start, or the first event pays it."""
        importlib.import_module("worker.outbound.workflow_hera")

    def build(self, app: AppKey, uid: str, run: Run, record: Record | None = None) -> bytes:
        """Return the JSON body.

        Args:
            app: The application.
            uid: Uid of the Application, ``""`` without one.
            run: What to do.
            record: The record as it was written with this run; an annotation keeps it for ``state rebuild``.

        Raises:
            Rejected: ``too-many-tasks``, ``workflow-too-large``, or ``unsafe-value`` for a text that Argo would expand.
        """
        if len(run.tasks) > MAX_TASKS:
            raise Rejected(
                "too-many-tasks",
                f"the change needs {len(run.tasks)} tasks, and one Workflow holds at most {MAX_TASKS}",
                fix="split the application",
            )
        body = json.dumps(self._workflow(app, uid, run, record), separators=(",", ":")).encode()
        if len(body) > MAX_BODY:
            raise Rejected(
                "workflow-too-large",
                f"the Workflow would have {len(body)} bytes, the limit is {MAX_BODY}",
                fix="split the application, or shorten its components' properties",
            )
        return body

    def _workflow(self, app: AppKey, uid: str, run: Run, record: Record | None) -> dict[str, Any]:
        from worker.outbound import workflow_hera  # noqa: PLC0415 - half a second, paid by those who build

        labels = {
            Label.APP_NAME.value: label_value(app.name),
            Label.APP_NAMESPACE.value: label_value(app.namespace),
            Label.MANAGED_BY.value: MANAGED_BY,
            Label.INSTANCE.value: label_value(self._settings.instance),
        }
        annotations = _annotations(app, uid, run, record)
        tasks = [_task(task) for task in run.tasks]
        return workflow_hera.assemble(self._settings, run.name, labels, annotations, self._mutex(app), tasks)

    def _mutex(self, app: AppKey) -> str:
        return f"platform-{digest(self._settings.instance, app.namespace, app.name, length=16)}"


def _task(task: Task) -> dict[str, Any]:
    values = {name: literal(value, name, task) for name, value in task.parameters.items()}
    values.update((name, _tag(source)) for name, source in task.outputs_of.items())
    found = {
        "name": task.name,
        "templateRef": {"name": task.template, "template": task.entry},
        "arguments": {"parameters": [{"name": name, "value": values[name]} for name in sorted(values)]},
    }
    if task.depends_on:
        found["depends"] = " && ".join(f"{needed}.Succeeded" for needed in task.depends_on)
    return found


def _tag(source: OutputOf) -> str:
    return f"{{{{tasks.{source.task}.outputs.parameters.{source.output}}}}}"


def _annotations(app: AppKey, uid: str, run: Run, record: Record | None) -> dict[str, str]:
    found = {
        ANNOTATION_NAMESPACE: app.namespace,
        ANNOTATION_APPLICATION: app.name,
        Annotation.UID.value: annotation(uid),
        Annotation.ORDER.value: str(run.order.number),
        ANNOTATION_ATTEMPT: str(run.attempt),
        Annotation.EVENT_ID.value: annotation(run.cause.id),
        ANNOTATION_EVENT_KEY: annotation(run.cause.key),
        Annotation.DELIVERY.value: annotation(run.cause.delivery),
        Annotation.TRACEPARENT.value: annotation(run.traceparent),
        ANNOTATION_RECORD: _snapshot(app, run, record),
    }
    return {key: value for key, value in found.items() if value}


def _snapshot(app: AppKey, run: Run, record: Record | None) -> str:
    """Return what ``state rebuild`` needs: the record as of this run, without what the Workflow's body says already."""
    known = record or Record(app, components=tuple(_component(task, run) for task in run.tasks))
    slim = tuple(replace(task, depends_on=(), parameters={}, reason="") for task in run.tasks)
    # The phase is that of the intent, so that building the same run again after a crash gives the same bytes.
    run = replace(run, tasks=slim, phase=Phase.INTENDED)
    kept = replace(known, order=run.order, run=run, stale_runs=(), dispositions=())
    text = escape_json(dumps(kept).decode())
    return text if len(text) <= _MAX_SNAPSHOT else ""


def _component(task: Task, run: Run) -> ComponentRecord:
    removing = task.action is Action.REMOVE
    state = State.REMOVING if removing else State.DIRTY
    return ComponentRecord(ComponentSpec(task.identity), wanted=not removing, state=state, run=run.name)
