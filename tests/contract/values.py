"""Values out of a JSON Schema, of the kind that the contract generates: for properties, at the edge of what it allows.

Only the words that these schemas use are known; an unknown one is an error, so that nothing is passed over in silence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

Schema = Mapping[str, Any]

#: What people and programs write where a text is expected: words, numbers, other alphabets, tags, addresses.
_TEXTS = [
    "",
    "x",
    "a b",
    "é",
    "é" * 70,
    "0",
    "1.5",
    "-a",
    "a/b",
    "https://git.example/a/b.git",
    "{{workflow.uid}}",
    "🏴‍☠️",
]
_KNOWN = {
    "type", "enum", "const", "pattern", "minLength", "maxLength", "minimum", "maximum", "items", "minItems", "maxItems",
    "uniqueItems", "properties", "patternProperties", "required", "additionalProperties", "propertyNames", "anyOf",
    "oneOf", "minProperties", "maxProperties", "$ref", "description", "not", "contentMediaType",
}  # fmt: skip


def matching(pattern: str, longest: int) -> st.SearchStrategy[str]:
    """Return texts that match a pattern as a whole, of at most ``longest`` characters; the longest ones often."""
    form = re.compile(pattern)
    found = st.from_regex(form, fullmatch=True).filter(lambda text: "\n" not in text)
    return (
        st.one_of(found, found.map(lambda text: text * longest))
        .map(lambda text: text[:longest])
        .filter(lambda text: form.fullmatch(text) is not None)
    )


def values_of_properties(document: Schema) -> dict[str, st.SearchStrategy[Any]]:
    """Return values that the schema of a component type allows, by property; null is left out, it means absent.

    Raises:
        ValueError: The schema has a word that is not known here.
    """
    defs = document["$defs"]
    root = defs[document["$ref"].removeprefix("#/$defs/")]
    return {name: _values(one, defs) for name, one in root["properties"].items() if not one.get("writeOnly")}


def _values(here: Schema, defs: Mapping[str, Schema]) -> st.SearchStrategy[Any]:
    if unknown := here.keys() - _KNOWN:
        raise ValueError(f"teach tests/contract/values.py the words {', '.join(sorted(unknown))}")
    if "$ref" in here:
        name = here["$ref"].removeprefix("#/$defs/")
        return _values(defs[name], defs)
    for word in ("anyOf", "oneOf"):
        if word in here:
            return st.one_of([_values(one, defs) for one in here[word] if one.get("type") != "null"])
    if "enum" in here or "const" in here:
        return st.sampled_from(here.get("enum", [here.get("const")]))
    kinds = here.get("type", "object")
    return st.one_of([_typed(kind, here, defs) for kind in (kinds if isinstance(kinds, list) else [kinds])])


def _typed(kind: str, here: Schema, defs: Mapping[str, Schema]) -> st.SearchStrategy[Any]:
    match kind:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            low, high = here.get("minimum", -5), here.get("maximum", 2**40)
            return st.one_of(st.sampled_from([low, high]), st.integers(low, high))
        case "number":
            return st.one_of(st.integers(0, 100), st.sampled_from([0.5, 1.5, 3.25, 14.1]))
        case "string":
            return _text(here)
        case "array":
            most = min(here.get("maxItems", 4), 4)
            return st.lists(_values(here.get("items", {"type": "null"}), defs), max_size=most)
        case "object":
            return _object(here, defs)
        case _:
            raise ValueError(f"teach tests/contract/values.py the type {kind}")


def _text(here: Schema) -> st.SearchStrategy[str]:
    longest = here.get("maxLength", 40)
    if here.get("contentMediaType") == "application/json":
        return st.sampled_from(["{}", '{"a": "{{workflow.uid}}"}', '{"é": ["🏴‍☠️", 1.5, null]}'])
    if not longest:
        return st.just("")
    if "pattern" in here and here["pattern"] != r"^[^\x00-\x1f\x7f-\x9f]*$":
        return matching(here["pattern"], longest)
    return st.one_of(st.sampled_from(_TEXTS), st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20))


def _object(here: Schema, defs: Mapping[str, Schema]) -> st.SearchStrategy[dict[str, Any]]:
    required = set(here.get("required", ()))
    fields = {name: _values(one, defs) for name, one in here.get("properties", {}).items() if not one.get("writeOnly")}
    more = here.get("additionalProperties")
    keys = _text(here["propertyNames"]) if "propertyNames" in here else st.sampled_from(["a", "A.b", "x-y", "é"])
    if isinstance(more, Mapping):
        return st.dictionaries(keys, _values(more, defs), min_size=here.get("minProperties", 0), max_size=3)
    if "patternProperties" in here and not fields:
        [(pattern, one)] = here["patternProperties"].items()
        return st.dictionaries(matching(pattern, 40), _values(one, defs), max_size=3)
    if not fields:
        leaf = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.sampled_from(_TEXTS))
        return st.dictionaries(keys, st.one_of(leaf, st.lists(leaf, max_size=2)), max_size=3)
    return st.fixed_dictionaries(
        {name: one for name, one in fields.items() if name in required},
        optional={name: one for name, one in fields.items() if name not in required},
    )
