"""The scenarios whose Workflows are kept: stories of events, told through the real decoding, planning and building.

Only the last run of a story is kept. Between two events everything that ran succeeds, unless the story says otherwise.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from contracts.names import InboundType, oam_subject, request_subject
from worker.domain.decide import Launch, confirm, decide, empty
from worker.domain.decode import Review, decode
from worker.domain.events import AppKey, Delivery, InboundMessage
from worker.domain.fold import fold
from worker.domain.observed import ObservedNode, ObservedRun
from worker.outbound.workflow import HeraWorkflowBuilder
from worker.outbound.workflow_settings import WorkflowSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from worker.domain.record import Record, Run

APPLICATIONS = Path(__file__).parents[2] / "contracts" / "examples" / "applications"
FOLDER = Path(__file__).with_name("workflows")
INCARNATION = "2026-01-02T03:04:05+00:00"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

JsonObject = dict[str, Any]


class NoRunError(Exception):
    """A story did not lead to a run; the text says what came instead."""


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a story, and how its run ends: ``Succeeded`` or ``Failed`` for all of its nodes."""

    type: InboundType
    data: JsonObject
    ends: str = "Succeeded"
    event_id: str = ""


def workflow_of(steps: list[Step]) -> bytes:
    """Tell a story and return the body of its last run."""
    return told(steps)[-1][1]


def told(steps: list[Step]) -> list[tuple[Record, bytes]]:
    """Tell a story and return, for each of its events, the record with the intent and the body of its run."""
    record: Record | None = None
    made: list[tuple[Record, bytes]] = []
    for sequence, step in enumerate(steps, 1):
        event = decode(_message(step, sequence))
        assert not isinstance(event, Review)
        record = record or empty(event.app)
        decision = decide(record, event, {}, "default")
        if not isinstance(decision, Launch):
            raise NoRunError(f"event {sequence}: {getattr(decision, 'problems', decision)}")
        run = decision.run
        body = HeraWorkflowBuilder(WorkflowSettings()).build(event.app, run.order.uid, run, decision.record)
        made.append((decision.record, body))
        confirmed = confirm(decision.record, run)
        assert confirmed is not None
        record = fold(confirmed, _ended(event.app, run, step.ends), 0.0).record
    return made


def rendered(body: bytes) -> str:
    """Render a body for the eye; the snapshot for `state rebuild` is opened up, it is JSON within JSON."""
    workflow = json.loads(body)
    annotations = workflow["metadata"]["annotations"]
    annotations["platform.io/record"] = json.loads(annotations["platform.io/record"])
    return str(yaml.safe_dump(workflow, sort_keys=False, width=120, allow_unicode=True))


def _ended(app: AppKey, run: Run, phase: str) -> ObservedRun:
    outputs = {
        name: f"the-{name.replace('_', '-')}" for name in ("connection_secret", "mqtt_secret", "endpoint", "repository")
    }
    nodes = {task.name: ObservedNode(phase, outputs=outputs if task.entry == "main" else {}) for task in run.tasks}
    return ObservedRun(
        run.name, app.namespace, app.name, run.cause.delivery, phase, nodes=nodes, finished=True, finished_at=1.0
    )


def _message(step: Step, sequence: int) -> InboundMessage:
    application = step.data.get("application")
    metadata = application["metadata"] if application else step.data
    subject = (oam_subject if application else request_subject)(metadata.get("namespace", "default"), metadata["name"])
    event = {
        "specversion": "1.0",
        "id": step.event_id or f"event-{sequence}",
        "source": "urn:golden",
        "type": step.type.value,
        "traceparent": TRACEPARENT,
        "data": step.data,
    }
    delivery = Delivery("PLATFORM_EVENTS", INCARNATION, sequence, 1_767_323_045.0 + sequence)
    return InboundMessage(
        subject, {"Content-Type": "application/cloudevents+json"}, json.dumps(event).encode(), delivery
    )


def application(file: str, generation: int = 1, **labels: str) -> JsonObject:
    """Read an example Application and give it the metadata that an API server would."""
    found: JsonObject = yaml.safe_load((APPLICATIONS / file).read_text())
    metadata = found.setdefault("metadata", {})
    metadata.update(
        uid="5f0c1f3e-9a56-4e0b-8c0e-0a4b8d7e6f10",
        creationTimestamp="2026-01-01T00:00:00Z",
        generation=generation,
        resourceVersion=str(1000 + generation),
    )
    if labels:
        metadata["labels"] = labels
    return found


def changed(app: JsonObject, ends: str = "Succeeded", **event: str) -> Step:
    return Step(InboundType.APPLICATION_CHANGED, {"application": app, "operation": "UPDATE"}, ends, **event)


def deleted(app: JsonObject) -> Step:
    return Step(InboundType.APPLICATION_DELETED, {"application": app, "operation": "DELETE"})


def component(app: JsonObject, name: str) -> JsonObject:
    return next(one for one in app["spec"]["components"] if one["name"] == name)


def annotated(app: JsonObject, **annotations: str) -> JsonObject:
    app["metadata"].setdefault("annotations", {}).update(
        {f"platform.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
    )
    return app


def reference_create() -> list[Step]:
    return [changed(application("reference-application.yaml"))]


def all_sixteen() -> list[Step]:
    return [changed(application("all-sixteen.yaml"))]


def healthcare() -> list[Step]:
    return [changed(application("complete-healthcare-platform.yaml"))]


def change_of_one() -> list[Step]:
    """The database grows; whatever does not use it is left alone."""
    after = application("reference-application.yaml", 2)
    component(after, "user-db")["properties"]["size"] = "large"
    return [*reference_create(), changed(after)]


def removal_of_one() -> list[Step]:
    """The cache goes, after the service has succeeded without it; retained by default, it is named for deletion."""
    after = annotated(application("reference-application.yaml", 2), deletion_policy="user-cache")
    del component(after, "user-service")["properties"]["cache"]
    after["spec"]["components"] = [one for one in after["spec"]["components"] if one["name"] != "user-cache"]
    return [*reference_create(), changed(after)]


def teardown() -> list[Step]:
    """Everything goes, in the opposite order, data included because the annotation says so."""
    before = annotated(application("reference-application.yaml"), deletion_policy="delete")
    after = annotated(application("reference-application.yaml", 2), deletion_policy="delete")
    return [changed(before), deleted(after)]


def replacement_by_type() -> list[Step]:
    """The database becomes another product: removed under one identity, created under another."""
    after = annotated(application("reference-application.yaml", 2), deletion_policy="delete")
    component(after, "user-db")["type"] = "mongodb"
    return [*reference_create(), changed(after)]


def hostile_strings() -> list[Step]:
    """Nothing that a user wrote opens a tag: JSON is escaped without loss, and ids and traces are no values."""
    app = application("reference-application.yaml")
    app["spec"]["components"].append(
        {
            "name": "chat",
            "type": "rasa-chatbot",
            "properties": {"policies": ["{{workflow.uid}}", "{{=sprig.env('HOME')}}", '"}} {{{{', "\u2028"]},
        }
    )
    return [changed(app, event_id='{{workflow.uid}}"é')]


def long_names() -> list[Step]:
    """Names of the greatest length that Kubernetes allows: labels are cut with a hash, annotations have them whole."""
    app = application("reference-application.yaml")
    app["metadata"]["name"] = "an-application-with-a-very-long-name." * 6 + "end"
    component(app, "user-db")["name"] = "d" * 63
    component(app, "user-service")["properties"]["database"] = "d" * 63
    return [changed(app)]


def retry_after_failure() -> list[Step]:
    """The first run failed: the retry has attempt 2 and runs what is not known to be applied."""
    request: JsonObject = {"name": "test-reference-app", "namespace": "default"}
    first = reference_create()[0]
    return [replace(first, ends="Failed"), Step(InboundType.RETRY_REQUESTED, request)]


def guided_request() -> list[Step]:
    """The guided form of a request, expanded to a service with its database and cache."""
    data: JsonObject = {
        "name": "orders",
        "namespace": "team-a",
        "kind": "microservice",
        "language": "python",
        "database": "postgres",
        "cache": "redis",
    }
    return [Step(InboundType.PROVISIONING_REQUESTED, data)]


SCENARIOS: Mapping[str, Callable[[], list[Step]]] = {
    story.__name__.replace("_", "-"): story
    for story in (
        reference_create,
        all_sixteen,
        healthcare,
        change_of_one,
        removal_of_one,
        teardown,
        replacement_by_type,
        hostile_strings,
        long_names,
        retry_after_failure,
        guided_request,
    )
}


def golden(name: str) -> str:
    """Return what the file of a scenario must say."""
    story = SCENARIOS[name]
    about = f"# {story.__doc__}\n" if story.__doc__ else ""
    return f"# Written by: python -m tests.golden.regenerate\n{about}{rendered(workflow_of(story()))}"
