"""Every example says the truth: valid ones pass model and schema, invalid ones fail where and as they say."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from contracts import components, strict_json
from contracts.cloudevents import from_message
from contracts.components import PROPERTIES
from contracts.events import ApplicationChanged, from_claim
from contracts.inbound import InboundEvent, decode
from contracts.legacy import Hint
from contracts.names import InboundType, OutboundType
from contracts.status import STATUS
from contracts.violations import ContractViolation, from_validation_error
from tests.contract.library import EXAMPLES, examples, schema

IN: set[str] = set(InboundType)
OUT: set[str] = set(OutboundType)
VALID, INVALID = list(examples("valid")), list(examples("invalid"))


def of(which: list[tuple[str, str, Any]], types: set[str]) -> list[Any]:
    return [pytest.param(kind, content, id=f"{kind}/{name}") for kind, name, content in which if kind in types]


def read_status(event_type: str, document: Any) -> None:
    """Read an outbound event as a consumer would."""
    event = from_message(None, strict_json.dumps(document))
    try:
        STATUS[OutboundType(event_type)].model_validate(event.data)
    except ValidationError as error:
        raise from_validation_error(error, event.data, "$.data") from error


@pytest.mark.parametrize(("event_type", "document"), of(VALID, IN))
def test_valid_inbound_event(event_type: str, document: Any) -> None:
    event = decode(None, strict_json.dumps(document))
    assert isinstance(event, InboundEvent)
    assert event.type == event_type
    jsonschema.validate(document, schema("events", event_type), jsonschema.Draft202012Validator)
    jsonschema.validate(document["data"], schema("data", event_type), jsonschema.Draft202012Validator)


@pytest.mark.parametrize(("event_type", "document"), of(VALID, OUT))
def test_valid_outbound_event(event_type: str, document: Any) -> None:
    read_status(event_type, document)
    jsonschema.validate(document, schema("events", event_type), jsonschema.Draft202012Validator)
    jsonschema.validate(document["data"], schema("data", event_type), jsonschema.Draft202012Validator)


@pytest.mark.parametrize(("event_type", "document"), of(VALID, OUT))
def test_outbound_data_goes_back_to_the_same_json(event_type: str, document: Any) -> None:
    data = STATUS[OutboundType(event_type)].model_validate(document["data"]).to_json()
    for name in document["data"].keys() - {"components", "order"}:
        assert data[name] == document["data"][name]
    assert STATUS[OutboundType(event_type)].model_validate(data).to_json() == data


@pytest.mark.parametrize(("type_name", "properties"), of(VALID, set(PROPERTIES)))
def test_valid_properties(type_name: str, properties: Any) -> None:
    jsonschema.validate(properties, schema("components", type_name), jsonschema.Draft202012Validator)
    clean, dropped = components.strip_secrets(type_name, properties)
    model = components.parse(type_name, clean)
    assert model.values() == components.parse(type_name, properties).values()
    assert "dropped" not in json.dumps(clean)
    assert bool(dropped) == ("dropped" in json.dumps(properties))


@pytest.mark.parametrize(("kind", "document"), of(VALID, {"legacy"}))
def test_valid_legacy_envelope(kind: str, document: Any) -> None:
    event = decode(None, strict_json.dumps(document))
    assert isinstance(event, Hint) == (document.get("kind") == "AdmissionReview")
    assert event.name in {"orders", "simple-app"}


def check(violation: ContractViolation, expect: dict[str, str]) -> None:
    assert (violation.code, violation.path) == (expect["code"], expect["path"])
    assert expect["message"] in violation.message
    assert violation.fix
    assert "\n" not in str(violation)
    assert "hidden" not in str(violation)


@pytest.mark.parametrize(("kind", "example"), of(INVALID, IN | {"legacy"}))
def test_invalid_inbound_event(kind: str, example: Any) -> None:
    raw = example["raw"].encode() if "raw" in example else json.dumps(example["event"]).encode()
    with pytest.raises(ContractViolation) as caught:
        decode(None, raw)
    check(caught.value, example["expect"])


@pytest.mark.parametrize(("event_type", "example"), of(INVALID, OUT))
def test_invalid_outbound_event(event_type: str, example: Any) -> None:
    with pytest.raises(ContractViolation) as caught:
        read_status(event_type, example["event"])
    check(caught.value, example["expect"])
    assert not jsonschema.Draft202012Validator(schema("events", event_type)).is_valid(example["event"])


@pytest.mark.parametrize(("type_name", "example"), of(INVALID, set(PROPERTIES)))
def test_invalid_properties(type_name: str, example: Any) -> None:
    for properties in (example["properties"], components.strip_secrets(type_name, example["properties"])[0]):
        with pytest.raises(ContractViolation) as caught:
            components.parse(type_name, properties)
        check(caught.value, example["expect"])


ONLY_MODELS_SEE = {
    "attribute-name-with-dash",
    "clusters-as-text",
    "doubled-resolver",
    "duplicate-component-names",
    "more-at-least-than-at-most",
    "nothing-switched-on",
    "repository-with-password",
    "resolver-with-password",
    "too-small-a-volume",
    "two-spellings",
    "values-not-json",
}


def test_schemas_refuse_what_a_schema_can_refuse() -> None:
    passed = set()
    for kind, name, example in INVALID:
        if "event" in example and kind in IN:
            folder, document = "events", example["event"]
        elif "properties" in example:
            folder, document = "components", example["properties"]
        else:
            continue
        if jsonschema.Draft202012Validator(schema(folder, kind)).is_valid(document):
            passed.add(name)
    assert passed == ONLY_MODELS_SEE


def test_every_type_has_enough_examples() -> None:
    valid, invalid = [kind for kind, *_ in VALID], [kind for kind, *_ in INVALID]
    for kind in IN | set(PROPERTIES):
        assert valid.count(kind) >= 1, kind
        assert invalid.count(kind) >= 3, kind
    for kind in OUT:
        assert valid.count(kind) >= 1, kind
        assert invalid.count(kind) >= 1, kind
    assert set(valid) | set(invalid) == IN | OUT | set(PROPERTIES) | {"legacy"}


@pytest.mark.parametrize("path", sorted((EXAMPLES / "applications").glob("*.yaml")), ids=lambda path: path.stem)
def test_application_files_are_the_applications_of_the_events(path: Any) -> None:
    application = yaml.safe_load(path.read_text(encoding="utf-8"))
    event = json.loads((EXAMPLES / "valid" / InboundType.APPLICATION_CHANGED / f"{path.stem}.json").read_text())
    assert event["data"]["application"] == application
    read = ApplicationChanged.model_validate({"application": application})
    for component in read.application.components:
        components.parse(component.type, component.properties)


def test_one_application_has_every_type() -> None:
    application = yaml.safe_load((EXAMPLES / "applications" / "all-sixteen.yaml").read_text())
    assert sorted(one["type"] for one in application["spec"]["components"]) == sorted(PROPERTIES)


def test_the_claim_file_is_the_guided_request() -> None:
    claim = yaml.safe_load((EXAMPLES / "claims" / "my-health-service.yaml").read_text())
    event = json.loads((EXAMPLES / "valid" / InboundType.PROVISIONING_REQUESTED / "microservice.json").read_text())
    assert from_claim(claim).model_dump(by_alias=True, exclude_none=True) == event["data"]
