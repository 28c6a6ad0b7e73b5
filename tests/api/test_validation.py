"""The structural schema: types, enums, limits, defaults, pruning, and the causes that name the field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.client import MERGE
from tests.api.kinds import GROUP, widget

if TYPE_CHECKING:
    from tests.api.client import Client


@pytest.mark.parametrize(
    ("spec", "field", "reason", "message"),
    [
        ({"size": "x"}, "spec.size", "FieldValueTypeInvalid", 'spec.size in body must be of type integer: "string"'),
        ({"size": 1.5}, "spec.size", "FieldValueTypeInvalid", 'spec.size in body must be of type integer: "number"'),
        ({"size": True}, "spec.size", "FieldValueTypeInvalid", 'spec.size in body must be of type integer: "boolean"'),
        ({"size": 0}, "spec.size", "FieldValueInvalid", "spec.size in body should be greater than or equal to 1"),
        ({"size": 10}, "spec.size", "FieldValueInvalid", "spec.size in body should be less than or equal to 9"),
        ({"mode": "huge"}, "spec.mode", "FieldValueNotSupported", 'supported values: "small", "large"'),
        ({"code": "ABC"}, "spec.code", "FieldValueInvalid", "spec.code in body should match '^[a-z]+$'"),
        ({"code": "a"}, "spec.code", "FieldValueInvalid", "spec.code in body should be at least 2 chars long"),
        ({"code": "abcdef"}, "spec.code", "FieldValueTooLong", "may not be more than 5 bytes"),
        ({"lines": ["a"] * 4}, "spec.lines", "FieldValueTooMany", "Too many: 4: must have at most 3 items"),
        ({"lines": [1]}, "spec.lines[0]", "FieldValueTypeInvalid", "must be of type string"),
        ({"tags": {"a": 1}}, "spec.tags.a", "FieldValueTypeInvalid", "must be of type string"),
        ({"words": ["a", "a"]}, "spec.words[1]", "FieldValueDuplicate", 'Duplicate value: "a"'),
        ({"ports": [{"name": "a"}, {"name": "a"}]}, "spec.ports[1]", "FieldValueDuplicate", "Duplicate value"),
        ({"ports": [{"number": 1}]}, "spec.ports[0].name", "FieldValueRequired", "Required value"),
        ({"size": None}, "spec.size", "FieldValueRequired", "Required value"),
    ],
)
def test_a_broken_rule_names_its_field(
    api: Client, path: str, spec: dict[str, Any], field: str, reason: str, message: str
) -> None:
    refused = api.expect(422, "POST", path, widget("one", **spec))
    assert refused.reason == "Invalid"
    assert (field, reason) in refused.causes
    assert message in refused.message
    assert refused.message.startswith(f'Widget.{GROUP} "one" is invalid: ')
    details = refused.body["details"]
    assert (details["name"], details["group"], details["kind"]) == ("one", GROUP, "Widget")


def test_every_broken_rule_is_told(api: Client, path: str) -> None:
    refused = api.expect(422, "POST", path, widget("one", size="x", mode="huge"))
    assert set(refused.causes) == {
        ("spec.size", "FieldValueTypeInvalid"),
        ("spec.mode", "FieldValueNotSupported"),
    }


def test_required_fields_are_asked_for(api: Client, path: str) -> None:
    refused = api.expect(422, "POST", path, {**widget("one"), "spec": {}})
    assert refused.causes == [("spec.size", "FieldValueRequired")]


def test_a_spec_of_another_type_is_invalid(api: Client, path: str) -> None:
    refused = api.expect(422, "POST", path, {**widget("one"), "spec": "text"})
    assert refused.causes == [("spec", "FieldValueTypeInvalid")]


def test_unknown_fields_are_dropped_with_a_warning(api: Client, path: str) -> None:
    made = api.expect(201, "POST", path, widget("one", sise=2, nested={"deep": 1}))
    assert "sise" not in made.body["spec"]
    assert "deep" not in made.body["spec"]["nested"]
    assert 'unknown field \\"spec.' in made.headers["Warning"]


def test_unknown_fields_are_refused_on_request(api: Client, path: str) -> None:
    refused = api.expect(400, "POST", path, widget("one", sise=2), fieldValidation="Strict")
    assert refused.reason == "BadRequest"
    assert 'strict decoding error: unknown field "spec.sise"' in refused.message
    api.expect(404, "GET", f"{path}/one")


def test_unknown_fields_are_dropped_silently_on_request(api: Client, path: str) -> None:
    made = api.expect(201, "POST", path, widget("one", sise=2), fieldValidation="Ignore")
    assert "sise" not in made.body["spec"]
    assert "Warning" not in made.headers


def test_fields_under_preserve_are_kept(api: Client, path: str) -> None:
    free = {"any": {"thing": [1, "two", None, {"three": 3.5}]}}
    assert api.expect(201, "POST", path, widget("one", free=free)).body["spec"]["free"] == free


def test_nulls_of_fields_that_are_not_nullable_are_dropped(api: Client, path: str) -> None:
    assert "code" not in api.expect(201, "POST", path, widget("one", code=None)).body["spec"]


def test_a_default_comes_back_when_its_field_is_removed(api: Client, path: str) -> None:
    api.expect(201, "POST", path, widget("one", mode="large"))
    patched = api.expect(200, "PATCH", f"{path}/one", {"spec": {"mode": None}}, MERGE)
    assert patched.body["spec"]["mode"] == "small"


def test_a_patch_is_validated_too(api: Client, path: str) -> None:
    api.expect(201, "POST", path, widget("one"))
    refused = api.expect(422, "PATCH", f"{path}/one", {"spec": {"size": 99}}, MERGE)
    assert refused.causes == [("spec.size", "FieldValueInvalid")]
    assert api.expect(200, "GET", f"{path}/one").body["spec"]["size"] == 1


def test_a_status_is_validated_alone(api: Client, path: str) -> None:
    api.expect(201, "POST", path, widget("one"))
    refused = api.expect(422, "PATCH", f"{path}/one/status", {"status": {"phase": 1}}, MERGE)
    assert refused.causes == [("status.phase", "FieldValueTypeInvalid")]
    assert refused.message.endswith(
        'status.phase: Invalid value: "integer": phase in body must be of type string: "integer"'
    )
    refused = api.expect(422, "PATCH", f"{path}/one/status", {"status": "text"}, MERGE)
    assert refused.causes == [("status", "FieldValueTypeInvalid")]
