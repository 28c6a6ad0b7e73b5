"""From bytes to events: what labels, annotations and policies mean, and where an event stands among others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from worker.domain.decode import cause_of_message, decode
from worker.domain.events import AppKey, Delivery, Event, EventKind, InboundMessage, OwnerKind, Settings
from worker.domain.orchestrator import ORCHESTRATOR
from worker.domain.record import Record
from worker.errors import Rejected

from .build import launch

#: The reference application of the original documents.
REFERENCE = {
    "apiVersion": "core.oam.dev/v1beta1",
    "kind": "Application",
    "metadata": {"name": "test-reference-app"},
    "spec": {
        "components": [
            {"name": "user-db", "type": "postgresql", "properties": {"size": "small"}},
            {"name": "user-cache", "type": "redis", "properties": {"size": "small"}},
            {"name": "streaming", "type": "realtime-platform", "properties": {"enableKafka": True}},
            {
                "name": "user-service",
                "type": "webservice",
                "properties": {"database": "user-db", "cache": "user-cache", "realtime": "streaming"},
            },
        ]
    },
}


def read(kind: str, data: dict[str, Any], subject: str = "platform.oam.default.test-reference-app") -> Event:
    body = {
        "specversion": "1.0",
        "id": "1",
        "source": "urn:test",
        "type": f"io.platform.{kind}.v1",
        "datacontenttype": "application/json",
        "data": data,
    }
    headers = {"Content-Type": "application/cloudevents+json"}
    delivery = Delivery("PLATFORM_EVENTS", "2026-01-01T00:00:00Z", 7, 1.0)
    event = decode(InboundMessage(subject, headers, json.dumps(body).encode(), delivery))
    assert isinstance(event, Event)
    return event


def application(kind: str = "changed", metadata: dict[str, Any] | None = None, **spec: Any) -> Event:
    document = {
        **REFERENCE,
        "metadata": {**REFERENCE["metadata"], **(metadata or {})},  # type: ignore[dict-item]
        "spec": {**REFERENCE["spec"], **spec},  # type: ignore[dict-item]
    }
    return read(f"oam.application.{kind}", {"application": document})


def test_a_password_in_the_source_of_what_cannot_be_read_goes_no_further() -> None:
    body = b'{"specversion":"1.0","id":"1","source":"x://u:hunter2@h","type":"unknown"}'
    message = InboundMessage("platform.oam.shop.a", {}, body, Delivery("PLATFORM_EVENTS", "2026", 1))
    assert "hunter2" not in str(cause_of_message(message))


def test_the_reference_application_from_bytes_to_tasks() -> None:
    launched = launch(Record(AppKey("default", "test-reference-app")), application())
    assert list(ORCHESTRATOR.narrate(launched.plan)) == [
        "Processing pattern 3: postgresql",
        "Processing pattern 3: redis",
        "Processing pattern 3: realtime-platform",
        "Processing pattern 1: webservice",
    ]
    service = launched.plan.tasks[-1]
    assert service.depends_on == ("c-user-db", "c-user-cache", "c-streaming")
    assert {name: (o.task, o.output) for name, o in service.outputs_of.items()} == {
        "database_secret": ("c-user-db", "connection_secret"),
        "cache_secret": ("c-user-cache", "connection_secret"),
        "realtime_endpoint": ("c-streaming", "endpoint"),
        "realtime_secret": ("c-streaming", "connection_secret"),
    }


def test_the_order_is_kubernetes_own_where_it_is_known() -> None:
    times = {"creationTimestamp": "2026-01-01T02:00:00+02:00"}
    order = application(metadata={"uid": "u", "generation": 3, "resourceVersion": "12", **times}).order
    assert (order.uid, order.generation, order.resource_version) == ("u", 3, 12)
    assert order.created == "2026-01-01T00:00:00Z"
    assert (order.incarnation, order.sequence, order.deleted) == ("2026-01-01T00:00:00Z", 7, False)
    assert application().order.number == 7


@pytest.mark.parametrize(
    ("kind", "metadata", "expected"),
    [
        ("changed", {}, EventKind.CHANGED),
        ("deleted", {}, EventKind.DELETED),
        ("changed", {"deletionTimestamp": "2026-01-01T00:00:00Z"}, EventKind.DELETED),
    ],
)
def test_kinds_of_applications(kind: str, metadata: dict[str, Any], expected: EventKind) -> None:
    event = application(kind, metadata)
    assert event.kind is expected
    assert event.order.deleted is (expected is EventKind.DELETED)
    assert event.owner is OwnerKind.APPLICATION


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, Settings()),
        ({"webservice.oam.dev/source": "API-Driven"}, Settings(source="api-driven")),
        ({"webservice.oam.dev/source": "analyzer-driven"}, Settings(source="analyzer-driven")),
        ({"webservice.oam.dev/source": "{{workflow.uid}}"}, Settings(source="oam-driven")),
        ({"platform.io/deletion-policy": "delete"}, Settings(delete=("*",))),
        ({"platform.io/deletion-policy": "retain"}, Settings()),
        ({"platform.io/deletion-policy": "user-db, streaming"}, Settings(delete=("user-db", "streaming"))),
        ({"platform.io/allow-empty": "True"}, Settings(allow_empty=True)),
        ({"platform.io/allow-empty": "no"}, Settings()),
    ],
)
def test_annotations(annotations: dict[str, str], expected: Settings) -> None:
    assert application(metadata={"annotations": annotations}).settings == expected


def test_labels() -> None:
    labels = {"app-container": "mono", "github-owner": "me"}
    assert application(metadata={"labels": labels}).settings == Settings(app_container="mono", github_owner="me")


@pytest.mark.parametrize(("clusters", "target"), [(["edge", "north"], "edge"), (["local"], ""), ([], "")])
def test_the_first_cluster_of_the_topology_is_the_target(clusters: list[str], target: str) -> None:
    policies = [{"name": "where", "type": "topology", "properties": {"clusters": clusters}}]
    assert application(policies=policies).settings.cluster == target


def test_data_passing_and_dependencies() -> None:
    parts = [
        {"name": "a", "type": "redis", "dependsOn": ["b"], "inputs": [{"from": "topic", "parameterKey": "x"}]},
        {"name": "b", "type": "kafka", "outputs": [{"name": "topic", "valueFrom": "y"}]},
    ]
    first, second = application(components=parts).components
    assert (first.depends_on, first.inputs_from, second.outputs) == (("b",), ("topic",), ("topic",))


def request(name: str, /, **data: Any) -> Event:
    return read(f"provisioning.{name}", {"name": "orders", "namespace": "shop", **data}, "platform.request.shop.orders")


def test_the_guided_form_becomes_components_with_references() -> None:
    event = request(
        "requested", kind="microservice", language="go", database="postgres", cache="redis", appContainer="m"
    )
    assert (event.kind, event.owner) == (EventKind.REQUESTED, OwnerKind.REQUEST)
    assert event.settings == Settings(source="api-driven", app_container="m")
    assert [(c.name, c.type) for c in event.components] == [
        ("orders", "webservice"),
        ("orders-db", "postgresql"),
        ("orders-cache", "redis"),
    ]
    assert len(launch(Record(event.app), event).plan.tasks) == 3


def test_removal_and_retry() -> None:
    removal = request("removal.requested", components=["a"], deletionPolicy="delete")
    assert (removal.kind, removal.only, removal.settings.delete) == (EventKind.REMOVAL, ("a",), ("*",))
    retry = request("retry.requested", components=["a"], reconcile=True)
    assert (retry.kind, retry.only, retry.reconcile) == (EventKind.RETRY, ("a",), True)


def test_what_breaks_the_contract_is_rejected_with_its_place() -> None:
    with pytest.raises(Rejected) as caught:
        request("requested", components=[{"name": "a"}])
    assert caught.value.path == "$.data.components[0].type"
    assert caught.value.fix
