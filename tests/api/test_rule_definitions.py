"""Definitions with CEL rules: what cannot be compiled is refused when it is installed, with its path and in words."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.client import APPLY, MERGE
from tests.api.rules import with_schema
from tests.api.servers import CRDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.client import Client

Json = dict[str, Any]
AT = "spec.validation.openAPIV3Schema.properties[spec]"
STRING: Json = {"type": "string", "maxLength": 10}
INTEGER: Json = {"type": "integer"}
OBJECT: Json = {"type": "object", "properties": {"a": INTEGER}}


def _ruled(schema: Json, rule: str, **more: Any) -> Json:
    return {**schema, "x-kubernetes-validations": [{"rule": rule, **more}]}


def _uncompilable(rule: str, line: str, column: int, why: str) -> str:
    return f"compilation failed: ERROR: <input>:1:{column}: {why}\n | {line}\n | {'.' * (column - 1)}^"


RULE = f"{AT}.x-kubernetes-validations[0].rule"
TOLD = f"{AT}.x-kubernetes-validations[0].messageExpression"
REFUSED: dict[str, tuple[Json, str, str, str]] = {
    "syntax": (
        _ruled(STRING, "self =="),
        RULE,
        "FieldValueInvalid",
        "compilation failed: ERROR: <input>:1:8: Syntax error: mismatched input '<EOF>' expecting",
    ),
    "unknown function": (
        _ruled(STRING, "foo(self)"),
        RULE,
        "FieldValueInvalid",
        _uncompilable("foo", "foo(self)", 4, "undeclared reference to 'foo' (in container '')"),
    ),
    "unknown field": (
        _ruled(OBJECT, "self.nope == 1"),
        RULE,
        "FieldValueInvalid",
        _uncompilable("nope", "self.nope == 1", 5, "undefined field 'nope'"),
    ),
    "unknown field in has": (
        _ruled(OBJECT, "!has(self.nope)"),
        RULE,
        "FieldValueInvalid",
        "undefined field 'nope'",
    ),
    "unknown variable": (
        _ruled({"type": "array", "maxItems": 3, "items": INTEGER}, "self.all(x, y == 1)"),
        RULE,
        "FieldValueInvalid",
        "undeclared reference to 'y'",
    ),
    "field of a free object": (
        _ruled(
            {"type": "object", "properties": {"a": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}},
            "self.a.b == 1",
        ),
        RULE,
        "FieldValueInvalid",
        "undefined field 'b'",
    ),
    "field without a type": (
        _ruled({"type": "object", "properties": {"a": {"x-kubernetes-preserve-unknown-fields": True}}}, "self.a == 1"),
        RULE,
        "FieldValueInvalid",
        "undefined field 'a'",
    ),
    "types": (
        _ruled(STRING, "self == 1"),
        RULE,
        "FieldValueInvalid",
        "found no matching overload for '_==_' applied to '(string, int)'",
    ),
    "selection": (_ruled(STRING, "self.x.y == 1"), RULE, "FieldValueInvalid", "does not support field selection"),
    "no bool": (_ruled(STRING, "self"), RULE, "FieldValueInvalid", "cel expression must evaluate to a bool"),
    "no rule": (_ruled(STRING, ""), RULE, "FieldValueRequired", "Required value: rule is not specified"),
    "pattern": (
        _ruled(STRING, "self.matches('(')"),
        RULE,
        "FieldValueInvalid",
        _uncompilable("matches", "self.matches('(')", 14, "invalid matches argument"),
    ),
    "no string": (
        _ruled(STRING, "true", messageExpression="1"),
        TOLD,
        "FieldValueInvalid",
        "messageExpression must evaluate to a string",
    ),
    "message expression": (
        _ruled(STRING, "true", messageExpression="self.nope"),
        TOLD,
        "FieldValueInvalid",
        "messageExpression compilation failed: ERROR: <input>:1:5: type 'string' does not support field selection",
    ),
    "blank message": (
        _ruled(STRING, "true", message=" "),
        f"{AT}.x-kubernetes-validations[0].message",
        "FieldValueInvalid",
        "must be non-empty if specified",
    ),
    "two-line message": (
        _ruled(STRING, "true", message="a\nb"),
        f"{AT}.x-kubernetes-validations[0].message",
        "FieldValueInvalid",
        "must not contain line breaks",
    ),
    "two-line rule": (
        _ruled(STRING, "true ||\nfalse"),
        f"{AT}.x-kubernetes-validations[0].message",
        "FieldValueRequired",
        "Required value: message must be specified if rule contains line breaks",
    ),
    "reason": (
        _ruled(STRING, "true", reason="Nope"),
        f"{AT}.x-kubernetes-validations[0].reason",
        "FieldValueNotSupported",
        'Unsupported value: "Nope": supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid',
    ),
    "field path": (
        _ruled(OBJECT, "true", fieldPath=".x"),
        f"{AT}.x-kubernetes-validations[0].fieldPath",
        "FieldValueInvalid",
        'Invalid value: ".x": must be a valid path',
    ),
    "optional without old": (
        _ruled(STRING, "true", optionalOldSelf=True),
        f"{AT}.x-kubernetes-validations[0].optionalOldSelf",
        "FieldValueInvalid",
        "Invalid value: true: may not be set if oldSelf is not used in rule",
    ),
    "transition of items": (
        {"type": "array", "maxItems": 3, "items": _ruled(STRING, "self == oldSelf")},
        f"{AT}.items.x-kubernetes-validations[0].rule",
        "FieldValueInvalid",
        f"oldSelf cannot be used on the uncorrelatable portion of the schema within {AT}",
    ),
    "default": (
        {"type": "object", "properties": {"a": _ruled({**STRING, "default": "x"}, "self == 'y'")}},
        f"{AT}.properties[a].default",
        "FieldValueInvalid",
        "Invalid value: \"x\": failed rule: self == 'y'",
    ),
    "default before inner defaults": (
        {
            "type": "object",
            "properties": {
                "a": _ruled(
                    {"type": "object", "properties": {"b": {**INTEGER, "default": 3}}, "default": {}}, "self.b == 3"
                )
            },
        },
        f"{AT}.properties[a].default",
        "FieldValueInvalid",
        "no such key: b evaluating rule: self.b == 3",
    ),
    "in allOf": (
        {**OBJECT, "allOf": [_ruled({}, "self.a == 1")]},
        f"{AT}.allOf[0].x-kubernetes-validations",
        "FieldValueForbidden",
        "Forbidden: must be empty to be structural",
    ),
}


@pytest.mark.parametrize(("schema", "field", "reason", "message"), REFUSED.values(), ids=REFUSED)
def test_rules_that_cannot_be_compiled_refuse_their_definition(
    api: Client, schema: Json, field: str, reason: str, message: str
) -> None:
    name = f"refused{secrets.token_hex(3)}"
    value = with_schema(name, schema)
    refused = api.expect(422, "POST", CRDS, value)
    assert refused.causes == [(field, reason)]
    assert message in refused.body["details"]["causes"][0]["message"]
    api.expect(404, "GET", f"{CRDS}/{value['metadata']['name']}")


ACCEPTED: dict[str, Json] = {
    "numbers of two types": _ruled(
        {"type": "object", "properties": {"a": INTEGER, "b": {"type": "number"}}}, "self.a < 2.5 && self.b >= self.a"
    ),
    "old value": _ruled(OBJECT, "self.a == oldSelf.a"),
    "old value by expression": _ruled(STRING, "self == oldSelf", messageExpression="'was ' + oldSelf"),
    "old values of a map": {
        "type": "object",
        "maxProperties": 3,
        "additionalProperties": _ruled(STRING, "self == oldSelf"),
    },
    "strings": _ruled(STRING, "self.lowerAscii() != 'a' && self.charAt(0) != 'x'"),
    "path": _ruled(OBJECT, "true", fieldPath=".a"),
    "several lines": _ruled(STRING, "// about it\ntrue ||\nfalse", message="never"),
    "shortest list": _ruled({"type": "array", "maxItems": 9, "items": INTEGER}, "self.size() == 0 || self.min() > 0"),
}


@pytest.mark.parametrize("schema", ACCEPTED.values(), ids=ACCEPTED)
def test_rules_that_can_be_compiled_are_accepted(api: Client, schema: Json) -> None:
    api.expect(201, "POST", CRDS, with_schema(f"accepted{secrets.token_hex(3)}", schema), dryRun="All")


def test_every_bad_rule_is_told(api: Client) -> None:
    schema = {"type": "object", "properties": {"a": _ruled(STRING, "nope"), "b": _ruled(STRING, "self")}}
    refused = api.expect(422, "POST", CRDS, with_schema("several", schema))
    places = [f"{AT}.properties[{name}].x-kubernetes-validations[0].rule" for name in ("a", "b")]
    assert sorted(field for field, _ in refused.causes) == places


@pytest.fixture
def kind(api: Client) -> Iterator[str]:
    """A kind of the test's own, without rules; its name in lower case."""
    name = f"own{secrets.token_hex(3)}"
    api.expect(201, "POST", CRDS, with_schema(name, {"type": "object", "properties": {"a": STRING, "b": STRING}}))
    path = f"/apis/suite.platform.io/v1/namespaces/default/{name}s"
    until(lambda: api.call("POST", path, _own(name, "probe"), dryRun="All").code == 201, f"{name} is served")
    yield name
    api.expect(200, "DELETE", f"{CRDS}/{name}s.suite.platform.io")


def _own(kind: str, name: str, **spec: str) -> Json:
    value = {"apiVersion": "suite.platform.io/v1", "kind": kind.capitalize(), "metadata": {"name": name}}
    return {**value, "spec": spec}


def test_a_definition_cannot_get_a_bad_rule_later(api: Client, kind: str) -> None:
    path = f"{CRDS}/{kind}s.suite.platform.io"
    value = api.expect(200, "GET", path).body
    schema = value["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    schema["properties"]["a"] = _ruled(STRING, "nope")
    patches: list[tuple[str, object, str]] = [
        ("PUT", value, "application/json"),
        ("PATCH", {"spec": {"versions": value["spec"]["versions"]}}, MERGE),
    ]
    for method, body, content_type in patches:
        refused = api.expect(422, method, path, body, content_type)
        assert refused.causes == [(f"{AT}.properties[a].x-kubernetes-validations[0].rule", "FieldValueInvalid")]
    wish = with_schema(kind, schema)
    api.expect(422, "PATCH", path, wish, APPLY, fieldManager="suite", force="true")
    assert "nope" not in api.expect(200, "GET", path).text
    collection = f"/apis/suite.platform.io/v1/namespaces/default/{kind}s"
    api.expect(201, "POST", collection, _own(kind, "one", a="x"), dryRun="All")


def test_a_rule_that_comes_later_lets_alone_what_does_not_change(api: Client, kind: str) -> None:
    collection = f"/apis/suite.platform.io/v1/namespaces/default/{kind}s"
    api.expect(201, "POST", collection, _own(kind, "old", a="x", b="x"))
    path = f"{CRDS}/{kind}s.suite.platform.io"
    versions = api.expect(200, "GET", path).body["spec"]["versions"]
    schema = versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    schema["properties"]["a"] = _ruled(STRING, "self == 'y'", message="must be y")
    api.expect(200, "PATCH", path, {"spec": {"versions": versions}}, MERGE)
    until(
        lambda: api.call("POST", collection, _own(kind, "new", a="x"), dryRun="All").code == 422, "the rule is served"
    )
    changed = api.expect(200, "PATCH", f"{collection}/old", {"spec": {"b": "z"}}, MERGE)
    assert changed.body["spec"] == {"a": "x", "b": "z"}
    refused = api.expect(422, "PATCH", f"{collection}/old", {"spec": {"a": "z"}}, MERGE)
    assert refused.causes == [("spec.a", "FieldValueInvalid")]
    api.expect(200, "PATCH", f"{collection}/old", {"spec": {"a": "y"}}, MERGE)
