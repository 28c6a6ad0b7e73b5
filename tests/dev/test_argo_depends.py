"""`depends` expressions: their grammar and what they mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.dev.argo.depends import DependsError, parse

PHASES = ("Succeeded", "Failed", "Error", "Skipped", "Omitted")
RESULTS = {"Succeeded": "Succeeded", "Failed": "Failed", "Errored": "Error", "Skipped": "Skipped", "Omitted": "Omitted"}


@pytest.mark.parametrize(
    ("expression", "phases", "holds"),
    [
        ("", {}, True),
        ("a", {"a": "Succeeded"}, True),
        ("a", {"a": "Skipped"}, True),
        ("a", {"a": "Failed"}, False),
        ("a", {"a": "Omitted"}, False),
        ("a.Succeeded", {"a": "Skipped"}, False),
        ("a.Succeeded && b.Succeeded", {"a": "Succeeded", "b": "Failed"}, False),
        ("a.Succeeded || b.Succeeded", {"a": "Succeeded", "b": "Failed"}, True),
        ("a.Succeeded && (b.Succeeded || b.Skipped)", {"a": "Succeeded", "b": "Skipped"}, True),
        ("!a.Failed", {"a": "Succeeded"}, True),
        ("!(a.Failed || a.Errored)", {"a": "Error"}, False),
        ("a.Failed || b.Failed && c.Failed", {"a": "Failed", "b": "Succeeded", "c": "Succeeded"}, True),
        ("(a.Failed || b.Failed) && c.Failed", {"a": "Failed", "b": "Succeeded", "c": "Succeeded"}, False),
        ("!!a", {"a": "Succeeded"}, True),
        (" c-db.Succeeded&&c-2.Succeeded ", {"c-db": "Succeeded", "c-2": "Succeeded"}, True),
    ],
)
def test_meaning(expression: str, phases: dict[str, str], *, holds: bool) -> None:
    parsed = parse(expression)
    assert parsed.names == phases.keys()
    assert parsed.holds(phases) is holds


@pytest.mark.parametrize(
    ("expression", "part"),
    [
        ("a.Succeeded &&", "missing at the end"),
        ("&& a", "missing before '&&'"),
        ("a b", "nothing may follow"),
        ("(a", "not closed"),
        ("a)", "nothing may follow"),
        ("a & b", "unexpected '&'"),
        ("a.Sukceeded", "'Sukceeded' is none of"),
        ("!", "missing at the end"),
    ],
)
def test_what_is_no_expression(expression: str, part: str) -> None:
    with pytest.raises(DependsError, match="depends") as caught:
        parse(expression)
    assert part in str(caught.value)


_TERMS = st.builds(
    lambda name, result: (f"{name}.{result}", f"(p[{name!r}] == {RESULTS[result]!r})"),
    st.sampled_from(["a", "b", "c-1"]),
    st.sampled_from(sorted(RESULTS)),
)
_EXPRESSIONS = st.recursive(
    _TERMS,
    lambda inner: st.one_of(
        st.builds(lambda x, y: (f"({x[0]} && {y[0]})", f"({x[1]} and {y[1]})"), inner, inner),
        st.builds(lambda x, y: (f"({x[0]} || {y[0]})", f"({x[1]} or {y[1]})"), inner, inner),
        st.builds(lambda x: (f"!{x[0]}", f"(not {x[1]})"), inner),
    ),
    max_leaves=12,
)


@given(_EXPRESSIONS, st.fixed_dictionaries({name: st.sampled_from(PHASES) for name in ("a", "b", "c-1")}))
def test_any_expression_means_what_python_would_say(pair: tuple[str, str], phases: dict[str, str]) -> None:
    expression, python = pair
    assert parse(expression).holds(phases) is eval(python, {"p": phases})
