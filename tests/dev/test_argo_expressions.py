"""Expressions, `when` clauses, conditions and output paths: what the simulator reads of each language, and refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.dev.argo import conditions, when
from worker.dev.argo.durations import seconds
from worker.dev.argo.expression import ExpressionError, UnsupportedError, evaluate, identifiers, parse
from worker.dev.argo.output_paths import OutputError, jq_filter, json_path
from worker.dev.argo.substitution import MissingVariableError, SubstitutionError, substitute

SCOPE: dict[str, str | None] = {
    "inputs.parameters.size": "small",
    "inputs.parameters.replicas": "3",
    "inputs.parameters.empty": "",
    "inputs.parameters.settings": '{"a": {"b": [1, true]}, "t": "{{x"}',
    "workflow.uid": "u-1",
    "tasks.skipped.outputs.parameters.secret": None,
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("inputs.parameters.size == 'small' ? 'yes' : 'no'", "yes"),
        ('inputs.parameters.size != \\"small\\"', "false"),
        ("toJson(inputs.parameters.size)", '"small"'),
        ("asInt(inputs.parameters.replicas) * 2 - 1", "5"),
        ("inputs.parameters.empty == '' && !(1 > 2) || false", "true"),
        ("inputs.parameters.size in ['small', 'large'] and not (2 < 1)", "true"),
        ("inputs.parameters.size + '-' + workflow.uid", "small-u-1"),
        ("sprig.trunc(4, sprig.sha256sum(inputs.parameters.size))", "81db"),
        ("fromJSON(inputs.parameters.settings).a.b[0]", "1"),
        ("toJson(get(fromJSON(inputs.parameters.settings), 't') ?? '')", '"{{x"'),
        ("get(fromJSON(inputs.parameters.settings), 'zz') ?? 'none'", "none"),
        ("fromJSON(inputs.parameters.settings)?.zz?.y ?? 'none'", "none"),
        ("tasks.skipped.outputs.parameters.secret ?? 'absent'", "absent"),
        ("inputs.parameters.size | upper() | trimSuffix('LL')", "SMA"),
        ("inputs.parameters.size matches '^s.*l$' && 'abc' contains 'b' && 'abc' startsWith 'a'", "true"),
        ("replace(inputs.parameters.size, 's', '<>&')", "<>&mall"),
        ("[1, 2.5, true, nil]", "[1,2.5,true,null]"),
        ('{\\"b\\": 1, a: inputs.parameters.size} ', '{"a":"small","b":1}'),
        ("2 ** 3 ** 1 + 7 % 4", "11"),
        ("-1 + +2", "1"),
        ("len(split('a,b,c', ','))", "3"),
        ("sprig.ternary('yes', 'no', 'x' endsWith 'x')", "yes"),
        ("sprig.default('d', inputs.parameters.empty)", "d"),
        ("`raw \\\\n`", "raw \\n"),
    ],
)
def test_expressions(expression: str, value: str) -> None:
    assert json.loads(substitute(f'"{{{{={expression}}}}}"', SCOPE)) == value


@pytest.mark.parametrize(
    "expression",
    ["inputs.parameters.unknown", "inputs.parameters.size ?? tasks.later.x", "retries", "lastRetry.message + 'x'"],
)
def test_what_is_not_known_yet_is_left_for_later(expression: str) -> None:
    text = f'"{{{{={expression}}}}}"'
    later = expression != "inputs.parameters.size ?? tasks.later.x"
    assert (substitute(text, SCOPE) == text) is later


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("sprig.genPrivateKey('rsa')", "sprig.genPrivateKey"),
        ("nonsense(1)", "nonsense"),
        ("filter([1], # > 0)", "'#'"),
        ("map([1], 1)", "'map'"),
    ],
)
def test_an_unknown_function_is_refused_by_name(expression: str, name: str) -> None:
    with pytest.raises((UnsupportedError, SubstitutionError), match=name):
        substitute(f'"{{{{={expression}}}}}"', SCOPE)


@pytest.mark.parametrize("expression", ["1 +", "(1", "a b", "'open", "[1,", "{a 1}", "1 ? 2", "x not y", "a |", "a."])
def test_what_is_no_expression(expression: str) -> None:
    with pytest.raises(ExpressionError):
        parse(expression)


@pytest.mark.parametrize(
    "expression", ["1 + 'a'", "true + true", "!1", "1 && true", "'a' < 1", "nil.x", "-'a'", "int('x')"]
)
def test_operands_that_do_not_fit(expression: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(parse(expression), {})


def test_guarded_names_are_not_needed() -> None:
    assert identifiers(parse("tasks.a.outputs.x ?? workflow.uid")) == ["tasks", "workflow.uid", "workflow"]
    assert "tasks.a.b" not in identifiers(parse("tasks.a.b?.c"))


def test_strict_names_have_to_be_there() -> None:
    for tag in ("{{tasks.later.outputs.parameters.x}}", "{{=tasks.later.x}}"):
        with pytest.raises(MissingVariableError):
            substitute(f'"{tag}"', SCOPE, strict={"tasks"})


def test_the_output_of_a_skipped_task_is_terminal_in_a_tag() -> None:
    with pytest.raises(SubstitutionError, match="absent optional"):
        substitute('"{{tasks.skipped.outputs.parameters.secret}}"', SCOPE)


def test_tags_within_tags() -> None:
    scope: dict[str, str | None] = {"inputs.parameters.which": "size", **SCOPE}
    text = substitute('"{{inputs.parameters.{{inputs.parameters.which}}}}"', scope)
    assert text == '"{{inputs.parameters.size}}"'
    assert substitute(text, scope) == '"small"'


def test_control_characters_break_the_json_as_in_go() -> None:
    with pytest.raises(SubstitutionError, match="invalid JSON"):
        substitute('"{{x}}"', {"x": "a\x00b"})


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"]), max_size=40))
def test_any_text_is_substituted_verbatim(text: str) -> None:
    if "\\U" not in json.dumps(text) and all(ord(letter) <= 0xFFFF or letter.isprintable() for letter in text):
        assert json.loads(substitute('"{{x}}"', {"x": text})) == text


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", True),
        ("small == small", True),
        ("'a b' == 'a b'", True),
        ("\"a b\" != 'a c'", True),
        ("1 == 1.0", True),
        ("'1' == 1", False),
        ("true", True),
        ("!false && (1 < 2 || x == y)", True),
        ("b in (a, b)", True),
        ("abc =~ '^a'", True),
        ("[x-y] == 'x-y'", True),
    ],
)
def test_when(text: str, result: bool) -> None:
    assert when.holds(text) is result


@pytest.mark.parametrize("text", ["a b", "a ==", "(a == a", "small", "1", "a && b", "a < 1", "a; b", "'open", "x in a"])
def test_what_argo_refuses_in_when(text: str) -> None:
    with pytest.raises(when.WhenError):
        when.holds(text)


CLAIM = {
    "status": {
        "ready": True,
        "phase": "B",
        "n": 3,
        "conditions": [{"status": "False"}, {"status": "True"}],
        "none": None,
    },
    "metadata": {"labels": {"a-b": "x", "platform.io/owner": "h"}},
}


@pytest.mark.parametrize(
    ("condition", "result"),
    [
        ("status.ready == true", True),
        ("status.ready=false", False),
        ("status.phase in (A, B)", True),
        ("status.phase notin (A, B)", False),
        ("status.absent != x", True),
        ("status.absent notin (x)", True),
        ("status.absent == x", False),
        ("status.n > 2", True),
        ("status.n < 3", False),
        ("status.conditions.1.status == True", True),
        ("status.conditions.7.status == True", False),
        ("status.ready", True),
        ("!status.absent", True),
        ("metadata.labels.a-b == x", True),
        ("status.none ==", True),
        ("status.ready == true, status.phase == A", False),
    ],
)
def test_conditions(condition: str, result: bool) -> None:
    assert all(one.matches(CLAIM) for one in conditions.parse(condition)) is result


@pytest.mark.parametrize(
    "condition",
    ['status.conditions.#(type=="Ready").status == True', "a == b c", "a in b", "== x", "a == {{b}}", "a b"],
)
def test_conditions_that_are_no_selectors(condition: str) -> None:
    with pytest.raises(conditions.ConditionError, match="failed to parse"):
        conditions.parse(condition)


def test_requirements_show_themselves_as_argo_prints_them() -> None:
    shown = [str(one) for one in conditions.parse("a==b,c in (z, y),!d,e,f>1,g!=h")]
    assert shown == ["a==b", "c in (y,z)", "!d", "e", "f>1", "g!=h"]


OBJECT: dict[str, Any] = {
    "status": {"secret": {"name": "s"}, "list": [{"type": "Ready", "m": "yes"}, {"type": "Synced"}], "n": 2, "b": True},
    "metadata": {"labels": {"platform.io/owner": "h"}},
}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("{.status.secret.name}", "s"),
        ("{.status.absent.name}", ""),
        ("{.status.list[0].m}/{.status.n}{.status.b}", "yes/2true"),
        ('{.status.list[?(@.type=="Ready")].m}', "yes"),
        (r"{.metadata.labels.platform\.io/owner}", "h"),
        ("{.metadata.labels['platform.io/owner']}", "h"),
        ('{"x"}{$.status.n}', "x2"),
        ("{.status.secret}", '{"name":"s"}'),
    ],
)
def test_json_paths(path: str, text: str) -> None:
    assert json_path(OBJECT, path) == text


@pytest.mark.parametrize(
    ("program", "text"),
    [
        (".status.secret.name", "s"),
        ('.status.absent.name // "none"', "none"),
        (".status.list[0].m | tostring", "yes"),
        ('.metadata.labels["platform.io/owner"]', "h"),
        (".status.n", "2"),
        (".status.absent", "null"),
        (".status.secret | tojson", '{"name":"s"}'),
    ],
)
def test_jq_filters(program: str, text: str) -> None:
    assert jq_filter(OBJECT, program) == text


def test_paths_that_are_not_known_are_refused() -> None:
    with pytest.raises(OutputError, match=r"does not know"):
        json_path(OBJECT, "{.status.list[*].type}")
    for program in (".status.list[]", "map(.a)", ".status.n.x"):
        with pytest.raises(OutputError, match=r"does not"):
            jq_filter(OBJECT, program)


@pytest.mark.parametrize(
    ("text", "value"), [("30", 30.0), (5, 5.0), ("1m30s", 90.0), ("1.5h", 5400.0), ("500ms", 0.5), ("2d", 172800.0)]
)
def test_durations(text: str | int, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "x", "5y", "m5", "1m x"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        seconds(text)
