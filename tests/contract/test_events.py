"""Inbound events beyond their examples: times, the guided form, claims, legacy envelopes, namespaces."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contracts.events import (
    ApplicationChanged,
    ApplicationDeleted,
    ComponentsRequest,
    MicroserviceRequest,
    VClusterRequest,
    expand,
    from_claim,
    parse_data,
)
from contracts.inbound import InboundEvent, check_namespace, decode
from contracts.legacy import Hint
from contracts.names import InboundType, oam_subject, parse_subject
from contracts.violations import ContractViolation


def application(**metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {"name": "orders", **metadata},
        "spec": {"components": [{"name": "db", "type": "postgresql"}]},
    }


def changed(**metadata: Any) -> ApplicationChanged:
    data = parse_data(InboundType.APPLICATION_CHANGED, {"application": application(**metadata)})
    assert isinstance(data, ApplicationChanged)
    return data


def test_what_an_application_lacks_is_defaulted() -> None:
    data = changed()
    assert (data.namespace, data.name, data.operation) == ("default", "orders", None)
    component = data.application.components[0]
    assert (component.properties, component.depends_on, data.application.clusters) == ({}, [], ())


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("2025-08-12T09:00:00Z", "2025-08-12T09:00:00Z"),
        ("2025-08-12T11:00:00+02:00", "2025-08-12T09:00:00Z"),
        ("2025-08-12T09:00:00.999Z", "2025-08-12T09:00:00Z"),
    ],
)
def test_times_have_one_form_that_compares_as_text(given: str, normal: str) -> None:
    assert changed(creationTimestamp=given).application.metadata.creation_timestamp == normal


def test_the_first_topology_policy_names_the_clusters() -> None:
    document = application()
    document["spec"]["policies"] = [
        {"name": "o", "type": "override", "properties": {"clusters": 5}},
        {"name": "t", "type": "topology", "properties": {"clusters": ["development", "local"]}},
    ]
    data = parse_data(InboundType.APPLICATION_CHANGED, {"application": document})
    assert isinstance(data, ApplicationChanged)
    assert data.application.clusters == ("development", "local")


def request(**fields: Any) -> Any:
    return parse_data(InboundType.PROVISIONING_REQUESTED, {"name": "billing", **fields})


def test_a_microservice_is_expanded_with_references() -> None:
    service, database, cache = expand(
        request(
            kind="microservice",
            language="python",
            framework="fastapi",
            database="postgres",
            cache="redis",
            realtime="live",
        )
    )
    assert (service.name, service.type) == ("billing", "webservice")
    assert service.properties == {
        "language": "python",
        "framework": "fastapi",
        "realtime": "live",
        "database": "billing-db",
        "cache": "billing-cache",
    }
    assert (database.name, database.type, cache.name, cache.type) == (
        "billing-db",
        "postgresql",
        "billing-cache",
        "redis",
    )


def test_a_plain_microservice_is_one_component() -> None:
    (service,) = expand(request(kind="microservice", language="go"))
    assert service.properties == {"language": "go"}


def test_everything_of_a_microservice_goes_to_its_vcluster() -> None:
    parts = expand(request(kind="microservice", language="go", database="postgres", targetVCluster="dev"))
    assert [part.properties["targetEnvironment"] for part in parts] == ["dev", "dev"]


def test_a_vcluster_is_one_component() -> None:
    (vcluster,) = expand(request(kind="vcluster"))
    assert (vcluster.name, vcluster.type, vcluster.properties) == ("billing", "vcluster", {"size": "medium"})


def test_the_forms_of_a_request() -> None:
    assert isinstance(request(components=[]), ComponentsRequest)
    assert isinstance(request(kind="microservice", language="go"), MicroserviceRequest)
    assert isinstance(request(kind="vcluster", size="large"), VClusterRequest)


def test_longest_guided_name_still_gives_labels() -> None:
    name = "b" * 57
    parts = expand(
        MicroserviceRequest(name=name, kind="microservice", language="go", database="postgres", cache="redis")
    )
    assert max(len(part.name) for part in parts) == 63


def test_a_claim_may_be_named_by_its_metadata() -> None:
    claim = {
        "kind": "ApplicationClaim",
        "metadata": {"name": "a", "namespace": "shop"},
        "spec": {"language": "go", "hasFrontend": True},
    }
    read = from_claim(claim)
    assert (read.name, read.namespace, read.language) == ("a", "shop", "go")


@pytest.mark.parametrize(
    ("claim", "code", "path"),
    [
        ({"kind": "Deployment"}, "not-allowed", "$.kind"),
        ({"kind": "ApplicationClaim"}, "missing-field", "$.spec"),
        ({"kind": "ApplicationClaim", "spec": [], "metadata": None}, "wrong-type", "$.spec"),
        ({"kind": "ApplicationClaim", "metadata": "x", "spec": {}}, "wrong-type", "$.metadata"),
        ({"kind": "ApplicationClaim", "spec": {"name": "a", "language": "cobol"}}, "not-allowed", "$.spec.language"),
        ({"kind": "ApplicationClaim", "spec": {"language": "go"}}, "missing-field", "$.spec.name"),
    ],
)
def test_other_claims_are_refused(claim: dict[str, Any], code: str, path: str) -> None:
    with pytest.raises(ContractViolation) as caught:
        from_claim(claim)
    assert (caught.value.code, caught.value.path) == (code, path)


def legacy(document: object) -> Any:
    return decode(None, json.dumps(document).encode())


@pytest.mark.parametrize(("word", "operation"), [("ADD", "ADD"), ("CREATE", "ADD"), ("UPDATE", "UPDATE")])
@pytest.mark.parametrize("shape", ["resource", "sensor"])
def test_legacy_changes(word: str, operation: str, shape: str) -> None:
    body: object = application() if shape == "resource" else json.dumps(application())
    event = legacy({"body": body, "type" if shape == "resource" else "operation": word})
    assert isinstance(event, InboundEvent)
    assert (event.type, event.id, event.name) == (InboundType.APPLICATION_CHANGED, None, "orders")
    assert event.data.operation == operation  # type: ignore[union-attr]


def test_an_object_that_is_going_is_a_deletion() -> None:
    event = legacy({"type": "UPDATE", "body": application(deletionTimestamp="2025-08-12T09:00:00Z")})
    assert event.type is InboundType.APPLICATION_DELETED
    assert isinstance(event.data, ApplicationDeleted)
    assert event.data.operation == "DELETE"


def review(**request: Any) -> Any:
    kind = {"group": "core.oam.dev", "version": "v1beta1", "kind": "Application"}
    return legacy({"kind": "AdmissionReview", "request": {"kind": kind, "operation": "CREATE", **request}})


def test_an_admission_review_is_a_hint() -> None:
    hint = review(object=application(namespace="shop"), dryRun=True)
    assert hint == Hint("shop", "orders", "CREATE", dry_run=True, old_object=None)


def test_the_hint_of_a_deletion_has_the_old_object() -> None:
    hint = review(operation="DELETE", object=None, oldObject=application(namespace="shop"))
    assert (hint.namespace, hint.name, hint.dry_run) == ("shop", "orders", False)
    assert [component.name for component in hint.old_object.components] == ["db"]


def test_a_review_that_names_nothing_is_refused() -> None:
    with pytest.raises(ContractViolation, match="name is missing"):
        review(object={})


def test_a_password_in_the_source_goes_no_further() -> None:
    source = "https://ci:hunter2@ci.example.com/jobs/7"
    document = {
        "specversion": "1.0",
        "id": "1",
        "source": source,
        "type": InboundType.APPLICATION_CHANGED,
        "data": {"application": application()},
    }
    found = decode(None, json.dumps(document).encode())
    assert isinstance(found, InboundEvent)
    assert found.source == "https://…@ci.example.com/jobs/7"


def test_the_namespace_must_be_the_subjects() -> None:
    event = InboundEvent(InboundType.APPLICATION_CHANGED, "1", "s", changed(namespace="shop"))
    check_namespace(parse_subject(oam_subject("shop", "orders")), event)
    with pytest.raises(ContractViolation) as caught:
        check_namespace(parse_subject(oam_subject("other", "orders")), event)
    assert caught.value.code == "wrong-namespace"


@pytest.mark.parametrize("key", ["x" * 9000, "line\nbreak", "\x1b[2J"])
def test_hostile_names_are_shown_on_one_short_line(key: str) -> None:
    with pytest.raises(ContractViolation) as caught:
        request(components=[], **{key: 1})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
