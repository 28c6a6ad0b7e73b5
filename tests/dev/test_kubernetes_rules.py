"""CEL rules in the embedded API beyond what its answers show: none is lost, loops, awkward text, what is imported."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tools.platform_api.apis import APIS, ROOT
from tools.platform_api.crds import claim_crd, composite_crd, load_definition
from worker.dev import installation
from worker.dev.kubernetes.cel import compile_rules
from worker.dev.kubernetes.cel.expression import Expression, Old
from worker.dev.kubernetes.cel.loops import EvaluationError
from worker.dev.kubernetes.cel.names import escaped
from worker.dev.kubernetes.cel.quantity import parse
from worker.dev.kubernetes.registry import resources_of
from worker.dev.kubernetes.schema import Schema, SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.dev.kubernetes.cel.validator import Node

_DATA = ROOT / "tests" / "platform" / "data"


def _definitions() -> list[Any]:
    found = [one for one in installation.shipped() if one["kind"] == "CustomResourceDefinition"]
    found += [crd(load_definition(api)) for api in APIS for crd in (claim_crd, composite_crd)]
    found += [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(_DATA.glob("*.yaml"))]
    return [pytest.param(one, id=one["metadata"]["name"]) for one in found]


def _written(schema: object) -> int:
    if isinstance(schema, list):
        return sum(map(_written, schema))
    if not isinstance(schema, dict):
        return 0
    here = len(schema.get("x-kubernetes-validations", ()))
    return here + sum(_written(part) for name, part in schema.items() if name != "x-kubernetes-validations")


def _compiled(node: Node | None) -> Iterator[object]:
    if node is not None:
        yield from node.rules
        for below in (*node.properties.values(), node.additional, node.items):
            yield from _compiled(below)


@pytest.mark.parametrize("definition", _definitions())
def test_every_rule_that_is_written_is_compiled(definition: dict[str, Any]) -> None:
    for version, resource in zip(definition["spec"]["versions"], resources_of(definition), strict=True):
        root = resource.rules.root if resource.rules else None
        assert len(list(_compiled(root))) == _written(version["schema"])


def test_the_shipped_definitions_have_rules() -> None:
    assert sum(_written(one) for one in installation.shipped()) > 15


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("plain", "plain"),
        ("a-b.c/d", "a__dash__b__dot__c__slash__d"),
        ("a__b", "a__underscores__b"),
        ("namespace", "__namespace__"),
        ("1a", None),
        ("a b", None),
        ("", None),
    ],
)
def test_names_are_escaped_as_kubernetes_does(name: str, identifier: str | None) -> None:
    assert escaped(name) == identifier


@pytest.mark.parametrize(
    ("one", "other"), [("1Gi", "1073741824"), ("0.1m", "100u"), ("1e3", "1k"), ("-1.5", "-1500m"), ("0.1n", "1n")]
)
def test_quantities_are_exact(one: str, other: str) -> None:
    assert parse(one) == parse(other)


def test_fields_may_have_any_names() -> None:
    """The types of expressions are protobuf messages, which have names of their own to keep apart."""
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    names = [
        "foo_bar",
        "fooBar",
        "FooBar",
        "fooBarEntry",
        "FooBarEntry",
        "_",
        "__",
        "a-b",
        "a_b",
        "aB",
        "ä",
        "1",
        "in",
        "type",
    ]
    schema = Schema.of(
        {
            "type": "object",
            "properties": {**dict.fromkeys(names, texts), "FooEntry": {"type": "string"}, "foo": texts},
            "x-kubernetes-validations": [
                {"rule": "self.foo.all(k, self.foo[k] == self.FooEntry) && self.foo_bar.a == self.fooBar.b"},
                {"rule": "'x' in self.__underscores__ && size(self.a__dash__b) == 0 && self.__in__.x != ''"},
            ],
        }
    )
    rules = compile_rules(schema, "schema")
    assert rules is not None
    maps = {"foo_bar": {"a": "1"}, "fooBar": {"b": "1"}, "__": {"x": ""}, "a-b": {}, "in": {"x": "y"}, "ä": {"x": "y"}}
    assert rules.judge({**maps, "foo": {"k": "v"}, "FooEntry": "v"}, None, ()) == []
    assert len(rules.judge({**maps, "foo": {"k": "v"}, "FooEntry": "w", "in": {"x": ""}}, None, ())) == 2


def _value(text: str, value: Any) -> Any:
    return Expression(text, Old.UNUSED).evaluate(value, ())


MANY = list(range(150))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("self.all(a, self.exists_one(b, a == b))", True),
        ("self.all(a, self.all(b, a != b))", False),
        ("self.exists(a, self.filter(b, a == b).size() != 1)", False),
        ("self.map(a, self.filter(b, b < a).size()).exists(n, n == 149)", True),
        ("self.all(a, self.all(b, b / (a - 1) > -200) && a < 100)", False),  # an error that a later turn settles
        ("self.all(a, self.all(b, b / (a - 1) > -200)) || self.size() == 150", True),
        ("!has({'a': 1}.b) || self.all(a, self.all(b, b / 0 == 1))", True),
    ],
)
def test_loops_beyond_the_library_s_limit_have_their_value(text: str, expected: bool) -> None:
    assert _value(text, MANY) is expected


def test_an_error_in_a_long_loop_is_told() -> None:
    with pytest.raises(EvaluationError, match=r"^division by zero$"):
        _value("self.all(a, self.all(b, b / 0 == 1))", MANY)


def test_a_loop_without_end_in_sight_is_given_up() -> None:
    text = "self.all(a, self.all(b, self.all(c, self.all(d, a + b + c + d >= 0))))"
    with pytest.raises(EvaluationError, match="actual cost limit exceeded"):
        _value(text, MANY)


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x\udfffy\0"])
def test_text_that_the_library_cannot_carry_is_judged_whole(text: str) -> None:
    rule = {"rule": f"self.size() == {len(text)} && self != 'a'"}
    schema = Schema.of({"type": "object", "properties": {"a": {"type": "string", "x-kubernetes-validations": [rule]}}})
    rules = compile_rules(schema, "schema")
    assert rules is not None
    assert rules.judge({"a": text}, None, ()) == []


def test_a_definition_that_asks_for_an_unknown_function_is_refused() -> None:
    """Functions of Kubernetes that are not in the library here, so that nobody takes their rules for kept."""
    for call in ("url(self).getHost() == ''", "isIP(self)", "semver(self).major() == 1", "sets.contains([1], [2])"):
        schema = Schema.of({"type": "object", "x-kubernetes-validations": [{"rule": call}]})
        with pytest.raises(SchemaError) as refused:
            compile_rules(schema, "schema")
        assert "undeclared reference" in refused.value.causes[0].message


@pytest.mark.parametrize("module", ["worker.__main__", "worker.bootstrap", "worker.dev.kubernetes"])
def test_the_library_is_imported_for_rules_only(module: str) -> None:
    program = f"import sys, {module}; sys.exit('cel_expr_python' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, cwd=ROOT).returncode == 0


def test_without_the_library_a_definition_with_rules_is_refused() -> None:
    program = (
        "import sys; sys.modules['cel_expr_python'] = None\n"
        "from worker.dev import installation\n"
        "from worker.dev.kubernetes.registry import resources_of\n"
        "for one in installation.shipped():\n"
        "    if one['kind'] == 'CustomResourceDefinition': resources_of(one)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=False, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode != 0
    assert "lacks cel_expr_python: install platform-worker[dev-mode]" in ended.stderr
