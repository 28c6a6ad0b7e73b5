"""CEL rules (`x-kubernetes-validations`): which objects they refuse, where, and in which words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.client import APPLY, MERGE
from tests.api.rules import ruled

if TYPE_CHECKING:
    from tests.api.client import Answer, Client

UNCHECKED = (
    "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)
QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
OVERLOAD = "'no such overload': call arguments did not match a supported operator, function or macro signature for rule"


def told(answer: Answer) -> list[str]:
    """Return what a refusal says of each field; nothing for an object that was taken."""
    causes = answer.body.get("details", {}).get("causes", ()) if answer.code == 422 else ()
    assert answer.code in {200, 201, 422}, answer.text
    return sorted(f"{cause.get('field', '')}: {cause['message']}" for cause in causes)


TAKEN: list[dict[str, Any]] = [
    {"bounds": {"low": 1, "high": 2}},
    {"silent": "s"},
    {"told": {"limit": 2, "value": 2}},
    {"required": {"one": ""}},
    {"items": [{"name": "a", "number": 1}, {"name": "b", "number": 9}]},
    {"tags": {"a": "good"}},
    {"nested": [[1], [], [2, 3]]},
    {"keyed": {"map": {"yes": "x"}}},
    {"fixed": "x"},
    {"phase": "new"},
    {"defaulted": {}},
    {"escaped": {"a-b": "x", "namespace": "y"}},
    {"either": 3},
    {"either": "5%"},
    {"guarded": 3},
    *({"size": size} for size in ("2Gi", "1073741824", "1e10", "9999999999Ei", "+1.5Gi")),
    {"sizes": {"request": "1", "limit": "2"}},
    {"sizes": {"request": "900m", "limit": "1"}},
    *({"ratio": ratio} for ratio in (1, 1.2)),
    {"moment": "2024-05-01T00:00:00Z"},
    {"period": "30m"},
    {"raw": "YWI="},
    {"maybe": None},
    {"maybe": "x"},
    {"numbers": [1, 2]},
    {"numbers": []},
    {"words": "a,äö"},
    {"unique": ["a", "b", "x"]},
]
REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({"bounds": {"low": 3, "high": 2}}, ["spec.bounds.low: Invalid value: low must not exceed high"]),
    ({"silent": 'a"b'}, ['spec.silent: Invalid value: "a\\"b": failed rule: self.startsWith(\'s\')']),
    ({"told": {"limit": 1, "value": 2, "unit": "m"}}, ["spec.told: Invalid value: too many m"]),
    ({"told": {"limit": 1, "value": 9}}, ["spec.told: Invalid value: nine"]),
    ({"told": {"limit": 1, "value": 2}}, ["spec.told: Invalid value: told without a unit"]),
    ({"untold": {"words": ["a"]}}, ["spec.untold: Invalid value: told instead"]),
    ({"empty": "y"}, ['spec.empty: Invalid value: "y": told instead']),
    ({"forbidden": "x"}, ["spec.forbidden: Forbidden: nobody may set it"]),
    ({"required": {}}, ["spec.required.one: Required value: one is needed"]),
    ({"duplicate": 3}, ["spec.duplicate: Duplicate value: 3"]),
    ({"taken": {"one": "x"}}, ["spec.taken.one: Duplicate value"]),
    (
        {"items": [{"name": name, "number": number} for name, number in (("a", 1), ("b", 11), ("c", 12))]},
        [f"spec.items[{index}].number: Invalid value: an item's number is below 10" for index in (1, 2)],
    ),
    ({"tags": {"a": "good", "b": "bad"}}, ['spec.tags[b]: Invalid value: "bad": no tag is bad']),
    ({"tags": {"toolong": "good"}}, ["spec.tags: Invalid value: keys are short"]),
    ({"nested": [[1], [2, 0]]}, ["spec.nested[1][1]: Invalid value: 0: above 0"]),
    ({"keyed": {"map": {"no": "x"}}}, ["spec.keyed.map[no]: Invalid value: no 'no'"]),
    ({"phase": "old"}, ['spec.phase: Invalid value: "old": begins as new']),
    ({"escaped": {"namespace": "x"}}, ["spec.escaped: Invalid value: namespace is not x"]),
    ({"escaped": {"a-b": "x", "c.d": "y"}}, ["spec.escaped: Invalid value: not x and y"]),
    ({"either": 11}, ["spec.either: Invalid value: 11: below 10 or a percentage"]),
    ({"either": "5"}, ['spec.either: Invalid value: "5": below 10 or a percentage']),
    ({"size": "1Mi"}, ['spec.size: Invalid value: "1Mi": 1Gi at least']),
    ({"size": "1023.9Mi"}, ['spec.size: Invalid value: "1023.9Mi": 1Gi at least']),
    ({"sizes": {"request": "3", "limit": "2"}}, ["spec.sizes: Invalid value: request must not exceed limit"]),
    ({"sizes": {"request": "x", "limit": "2"}}, ["spec.sizes: Invalid value: request must not exceed limit"]),
    ({"sizes": {"request": "1", "limit": "2500m"}}, ["spec.sizes: Invalid value: request must not exceed limit"]),
    ({"ratio": 2}, ["spec.ratio: Invalid value: 2: between 0.5 and 1.5"]),
    ({"ratio": 0.1}, ["spec.ratio: Invalid value: 0.1: between 0.5 and 1.5"]),
    (
        {"moment": "2023-05-01T00:00:00+02:00"},
        ['spec.moment: Invalid value: "2023-05-01T00:00:00+02:00": 2024 or later'],
    ),
    ({"period": "1h30m"}, ['spec.period: Invalid value: "1h30m": an hour at most']),
    ({"raw": "YQ=="}, ['spec.raw: Invalid value: "YQ==": two bytes']),
    ({"maybe": "y"}, ['spec.maybe: Invalid value: "y": x or nothing']),
    ({"numbers": [2, 1]}, ["spec.numbers: Invalid value: rising to 10"]),
    ({"numbers": [9, 9]}, ["spec.numbers: Invalid value: rising to 10"]),
    ({"words": "a,B"}, ['spec.words: Invalid value: "a,B": words']),
    ({"words": "abb"}, ['spec.words: Invalid value: "abb": words']),
    ({"unique": ["a", "a"]}, ["spec.unique: Invalid value: no word twice"]),
    ({"unique": ["x"]}, ["spec.unique: Invalid value: not only x"]),
    (
        {"silent": "a", "words": "A"},
        [
            "spec.silent: Invalid value: \"a\": failed rule: self.startsWith('s')",
            'spec.words: Invalid value: "A": words',
        ],
    ),
]
#: Rules that have no value for an object count as broken.
FAILED: list[tuple[dict[str, Any], str]] = [
    ({"bounds": {"low": 3}}, 'spec.bounds: Invalid value: "object": no such key: high evaluating rule: low must not'),
    ({"sizes": {"request": "1"}}, 'spec.sizes: Invalid value: "object": no such key: limit evaluating rule: request'),
    ({"guarded": "x"}, f'spec.guarded: Invalid value: "": {OVERLOAD}: below 10'),
    ({"size": "x"}, f'spec.size: Invalid value: "string": {QUANTITY} evaluating rule: 1Gi at least'),
    ({"size": ""}, f'spec.size: Invalid value: "string": {QUANTITY} evaluating rule: 1Gi at least'),
    ({"size": "200K"}, 'spec.size: Invalid value: "string": unable to parse quantity\'s suffix evaluating rule: 1Gi'),
]


def _name(spec: dict[str, Any]) -> str:
    return ",".join(spec)


@pytest.mark.parametrize("spec", TAKEN, ids=_name)
def test_an_object_that_keeps_the_rules_is_taken(api: Client, ruleds: str, spec: dict[str, Any]) -> None:
    api.expect(201, "POST", ruleds, ruled(**spec))


@pytest.mark.parametrize(("spec", "expected"), REFUSED, ids=[_name(spec) for spec, _ in REFUSED])
def test_a_broken_rule_refuses_with_its_path_and_message(
    api: Client, ruleds: str, spec: dict[str, Any], expected: list[str]
) -> None:
    refused = api.expect(422, "POST", ruleds, ruled(**spec))
    assert told(refused) == expected
    assert refused.reason == "Invalid"
    text = ", ".join(expected)
    assert refused.message.startswith('Ruled.suite.platform.io "one" is invalid: ')
    assert len(expected) > 1 or refused.message.endswith(f" is invalid: {text}")


@pytest.mark.parametrize(("spec", "expected"), FAILED, ids=[_name(spec) for spec, _ in FAILED])
def test_a_rule_without_a_value_refuses(api: Client, ruleds: str, spec: dict[str, Any], expected: str) -> None:
    (said,) = told(api.expect(422, "POST", ruleds, ruled(**spec)))
    assert said.startswith(expected)


def test_reasons_are_told_to_programs(api: Client, ruleds: str) -> None:
    refused = api.expect(422, "POST", ruleds, ruled(forbidden="x", required={}, duplicate=3, silent="a"))
    assert set(refused.causes) == {
        ("spec.forbidden", "FieldValueForbidden"),
        ("spec.required.one", "FieldValueRequired"),
        ("spec.duplicate", "FieldValueDuplicate"),
        ("spec.silent", "FieldValueInvalid"),
    }


def test_the_root_s_rules_know_the_name(api: Client, ruleds: str) -> None:
    assert told(api.expect(422, "POST", ruleds, ruled("much-too-long"))) == [
        "metadata.name: Invalid value: names are short"
    ]


@pytest.mark.parametrize("spec", [{"bounds": {"low": "x", "high": 1}}, {"moment": "x"}, {"period": "x"}, {"raw": "!"}])
def test_rules_are_not_asked_about_objects_of_the_wrong_shape(api: Client, ruleds: str, spec: dict[str, Any]) -> None:
    refused = api.expect(422, "POST", ruleds, ruled(**spec, silent="a"))
    unchecked, mistyped = told(refused)
    assert unchecked == UNCHECKED
    assert "must be of type" in mistyped


def test_a_name_that_the_schema_finds_too_long_is_refused(api: Client, ruleds: str) -> None:
    assert told(api.expect(422, "POST", ruleds, ruled("x" * 31))) == [
        UNCHECKED,
        "metadata.name: Too long: may not be more than 30 bytes",
    ]


def test_rules_see_defaults(api: Client, ruleds: str) -> None:
    made = api.expect(201, "POST", ruleds, ruled())
    assert made.body["spec"]["defaulted"] == {"count": 3, "most": 5}
    for spec in ({"count": 6}, {"most": 2}):
        refused = api.expect(422, "POST", ruleds, ruled("two", defaulted=spec))
        assert told(refused) == ["spec.defaulted: Invalid value: count must not exceed most"]


def test_a_refused_object_is_not_stored(api: Client, ruleds: str) -> None:
    api.expect(422, "POST", ruleds, ruled(silent="a"))
    api.expect(404, "GET", f"{ruleds}/one")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"fixed": "a"}, {"fixed": "b"}, ['spec.fixed: Invalid value: "b": cannot be changed']),
        ({"fixed": "a"}, {"fixed": "a", "silent": "s"}, []),
        ({"fixed": "a"}, {"fixed": None}, []),
        ({}, {"fixed": "b"}, []),
        ({"phase": "new"}, {"phase": "old"}, []),
        ({}, {"phase": "old"}, ['spec.phase: Invalid value: "old": begins as new']),
        (
            {"items": [{"name": "a", "number": 5}]},
            {"items": [{"name": "b", "number": 1}, {"name": "a", "number": 4}]},
            ["spec.items[1]: Invalid value: an item's number never falls"],
        ),
        ({"items": [{"name": "a", "number": 5}]}, {"items": [{"name": "b", "number": 1}]}, []),
        (
            {"bounds": {"low": 1, "high": 2}},
            {"bounds": {"high": 0}},
            ["spec.bounds.low: Invalid value: low must not exceed high"],
        ),
        ({"silent": "s"}, {"silent": "x"}, ["spec.silent: Invalid value: \"x\": failed rule: self.startsWith('s')"]),
    ],
)
def test_a_change_is_held_against_what_was(
    api: Client, ruleds: str, before: dict[str, Any], after: dict[str, Any], expected: list[str]
) -> None:
    api.expect(201, "POST", ruleds, ruled(**before))
    assert told(api.call("PATCH", f"{ruleds}/one", {"spec": after}, MERGE)) == expected


KEPT = {"set": ["a", "b"], "map": [{"key": "x", "values": [1, 2]}, {"key": "y"}], "list": [1, 2]}


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({"set": ["b", "a"]}, True),
        ({"set": ["b", "c"]}, False),
        ({"set": ["b"]}, False),
        ({"map": [{"key": "y"}, {"key": "x", "values": [2, 1]}]}, True),
        ({"map": [{"key": "y"}, {"key": "x", "values": [2, 3]}]}, False),
        ({"map": [{"key": "x", "values": [1, 2]}, {"key": "z"}]}, False),
        ({"list": [2, 1]}, False),
    ],
)
def test_sets_and_maps_have_no_order(api: Client, ruleds: str, change: dict[str, Any], taken: bool) -> None:
    api.expect(201, "POST", ruleds, ruled(orderless=KEPT))
    expected = [] if taken else ["spec.orderless: Invalid value: only the order may change"]
    assert told(api.call("PATCH", f"{ruleds}/one", {"spec": {"orderless": change}}, MERGE)) == expected


def test_what_is_done_stays_done(api: Client, ruleds: str) -> None:
    api.expect(201, "POST", ruleds, ruled(phase="new"))
    api.expect(200, "PATCH", f"{ruleds}/one", {"spec": {"phase": "done"}}, MERGE)
    refused = api.expect(422, "PATCH", f"{ruleds}/one", {"spec": {"phase": "new"}}, MERGE)
    assert told(refused) == ['spec.phase: Invalid value: "new": stays done']
    api.expect(200, "PATCH", f"{ruleds}/one", {"spec": {"silent": "s"}}, MERGE)


def test_an_update_is_judged(api: Client, ruleds: str) -> None:
    value = api.expect(201, "POST", ruleds, ruled(fixed="a")).body
    value["spec"]["fixed"] = "b"
    refused = api.expect(422, "PUT", f"{ruleds}/one", value)
    assert told(refused) == ['spec.fixed: Invalid value: "b": cannot be changed']


def test_an_applied_object_is_judged(api: Client, ruleds: str) -> None:
    wish = ruled(bounds={"low": 3, "high": 2})
    refused = api.expect(422, "PATCH", f"{ruleds}/one", wish, APPLY, fieldManager="suite")
    assert told(refused) == ["spec.bounds.low: Invalid value: low must not exceed high"]
    api.expect(404, "GET", f"{ruleds}/one")
    wish["spec"]["bounds"]["high"] = 3
    api.expect(201, "PATCH", f"{ruleds}/one", wish, APPLY, fieldManager="suite")
    wish["spec"]["bounds"]["low"] = 4
    refused = api.expect(422, "PATCH", f"{ruleds}/one", wish, APPLY, fieldManager="suite")
    assert told(refused) == ["spec.bounds.low: Invalid value: low must not exceed high"]


def test_a_status_is_judged_with_the_whole_object(api: Client, ruleds: str) -> None:
    api.expect(201, "POST", ruleds, ruled())
    refused = api.expect(422, "PATCH", f"{ruleds}/one/status", {"status": {"phase": "Bad"}}, MERGE)
    assert told(refused) == ["status.phase: Invalid value: not bad"]
    api.expect(200, "PATCH", f"{ruleds}/one/status", {"status": {"phase": "Good"}}, MERGE)


def test_a_dry_run_is_judged(api: Client, ruleds: str) -> None:
    api.expect(422, "POST", ruleds, ruled(silent="a"), dryRun="All")
    api.expect(201, "POST", ruleds, ruled(silent="s"), dryRun="All")


def test_rules_may_look_at_every_pair_of_many(api: Client, ruleds: str) -> None:
    """The library that evaluates for the embedded API stops after 10,000 turns of loops, a real server much later."""
    many = [f"{number:03}" for number in range(120)]
    api.expect(201, "POST", ruleds, ruled(pairs=many))
    refused = api.expect(422, "POST", ruleds, ruled("two", pairs=[*many[:-1], many[0]]))
    assert told(refused) == ["spec.pairs: Invalid value: no word twice"]
