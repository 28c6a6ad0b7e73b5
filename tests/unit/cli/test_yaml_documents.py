"""Files of events as people and programs write them."""

from __future__ import annotations

import json

import pytest

from contracts.violations import ContractViolation
from worker.cli.yaml_documents import load_all


def test_json_is_read_as_json() -> None:
    """YAML knows no surrogate pairs, which is how JSON writes characters beyond the BMP."""
    document = {"name": "\N{SLIGHTLY SMILING FACE}", "tab": "\t", "delete": "\x7f"}
    assert load_all(json.dumps(document), "event.json") == [document]
    assert load_all(json.dumps(document, ensure_ascii=False), "event.json") == [document]


def test_braces_of_yaml_are_yaml() -> None:
    assert load_all("{kind: Application}", "app.yaml") == [{"kind": "Application"}]
    assert load_all("{}\n---\na: 1\n", "app.yaml") == [{}, {"a": 1}]


def test_equal_keys_are_refused_in_both() -> None:
    with pytest.raises(ContractViolation) as found:
        load_all('{"a": 1, "a": 2}', "event.json")
    assert found.value.code == "duplicate-key"
    with pytest.raises(ContractViolation, match="there twice"):
        load_all("a: 1\na: 2\n", "app.yaml")


@pytest.mark.parametrize("text", ["a: \x7f", "a: \x00"])
def test_characters_that_yaml_does_not_have_are_refused(text: str) -> None:
    with pytest.raises(ContractViolation) as found:
        load_all(text, "app.yaml")
    assert found.value.code == "malformed-yaml"
