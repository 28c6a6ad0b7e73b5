"""Violations: one sentence with a path in the sender's spelling, the likely intention, and never a secret."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.violations import ContractViolation, from_validation_error, looks_secret, one_of, path_of, quote


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    dbPassword: Literal["expected"] | None = None  # noqa: N815 - the sender's spelling
    count: Annotated[int, Field(gt=0, lt=10)] = 1


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    items: list[Inner] = []
    mode: Literal["fast", "slow"] = "fast"


def violation(raw: object, **options: object) -> ContractViolation:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(raw)
    return from_validation_error(caught.value, raw, "$.data", **options)  # type: ignore[arg-type]


def test_it_is_one_sentence() -> None:
    found = violation({"items": [{"count": 11}]})
    assert str(found) == "$.data.items[0].count: 11 is out of range for count; give a number below 10"


def test_further_findings_are_counted() -> None:
    assert "(and 2 more)" in violation({"items": [{"count": "x"}], "mode": "slwo", "other": 1}).message


def test_the_likely_intention_is_named() -> None:
    assert violation({"mode": "slwo"}).fix == 'use one of fast, slow (did you mean "slow"?)'
    assert violation({"mod": "fast"}, fields=["items", "mode"]).fix == "write mode instead"


def test_values_under_secret_names_are_not_shown() -> None:
    assert "canary" not in str(violation({"items": [{"dbPassword": "canary"}]}))


def test_values_at_secret_places_are_not_shown() -> None:
    assert '"canary"' in str(violation({"mode": "canary"}))
    assert "canary" not in str(violation({"mode": "canary"}, is_secret=lambda location: location == ("mode",)))


def test_a_violation_can_be_moved_below_another_path() -> None:
    moved = ContractViolation("c", "$.a[0]", "m", "f").under("$.body")
    assert (moved.code, moved.path, moved.message, moved.fix) == ("c", "$.body.a[0]", "m", "f")


@pytest.mark.parametrize(
    ("location", "path"),
    [
        (("a", 0, "b-c"), "$.a[0].b-c"),
        (("a b",), '$["a b"]'),
        (("",), '$[""]'),
        (('"\n',), '$["\\"\\n"]'),
        ((0,), "$[0]"),
        ((), "$"),
    ],
)
def test_paths(location: tuple[int | str, ...], path: str) -> None:
    assert path_of(location) == path


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a", '"a"'),
        (5, "5"),
        (None, "null"),
        (True, "true"),
        ("\x1b[31m\n", '"\\u001b[31m\\n"'),
        ({"a": "secret"}, "an object"),
        (["secret"], "a list"),
        ("https://user:secret@host/x", '"https://…@host/x"'),
        ("https://user:se@cret@host/x", '"https://…@host/x"'),
    ],
)
def test_values_are_shown_as_short_scalars(value: object, shown: str) -> None:
    assert quote(value) == shown


def test_long_values_are_cut_to_eighty_characters() -> None:
    assert len(quote("x" * 500)) == 80


def test_a_closed_set_of_one_is_simply_named() -> None:
    assert one_of("b", ["a"]) == "use a"


@pytest.mark.parametrize(
    "name", ["password", "dbPassword", "API_TOKEN", "api-key", "clientSecret", "connection_string", "credentials"]
)
def test_names_of_secrets(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name", ["credentialsSecretRef", "registrySecret", "existingSecret", "passwordPolicy", "key", "tokenize"]
)
def test_names_of_other_things(name: str) -> None:
    assert not looks_secret(name)
