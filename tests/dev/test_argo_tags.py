"""Tags in arguments: what is replaced, what is left alone, what a value that was not escaped gives away."""

from __future__ import annotations

import pytest

from worker.dev.argo.tags import UnresolvedTagError, substitute

SCOPE = {"tasks.c-db.outputs.parameters.secret": "db-connection", "workflow.uid": "u-1"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("{{tasks.c-db.outputs.parameters.secret}}", "db-connection"),
        ("x-{{ workflow.uid }}-y", "x-u-1-y"),
        ("{{name}}", "{{name}}"),
        ("{\\u007bworkflow.uid}}", "{\\u007bworkflow.uid}}"),
        ('{"a":{"b":1}}', '{"a":{"b":1}}'),
        ("{{=1+1}}", "{{=1+1}}"),
    ],
)
def test_substitution(text: str, result: str) -> None:
    assert substitute(text, SCOPE) == result


def test_a_value_that_brings_a_tag_is_expanded_again() -> None:
    assert substitute("{{inputs.parameters.x}}", {"inputs.parameters.x": "{{workflow.uid}}", **SCOPE}) == "u-1"


@pytest.mark.parametrize("text", ["{{tasks.c-x.outputs.parameters.secret}}", "{{workflow.nope}}"])
def test_a_tag_that_stands_for_nothing_is_an_error(text: str) -> None:
    with pytest.raises(UnresolvedTagError, match="failed to resolve"):
        substitute(text, SCOPE)


def test_endless_expansion_ends() -> None:
    assert "{{workflow.loop}}" in substitute("{{workflow.loop}}", {"workflow.loop": "x{{workflow.loop}}"})
