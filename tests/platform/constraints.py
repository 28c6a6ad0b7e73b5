"""Every constraint that a definition puts on the spec of a claim, each with a name and a way to take it out.

So a test can ask of each one whether anything would notice if it were gone.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = dict[str, Any]

_SIMPLE = (
    "type", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "minProperties",
    "maxProperties", "x-kubernetes-list-map-keys", "x-kubernetes-int-or-string",
)  # fmt: skip
#: Words of a schema that forbid nothing.
_HARMLESS = frozenset(
    {
        "description", "default", "properties", "items", "additionalProperties", "nullable", "x-kubernetes-list-type",
        "x-kubernetes-preserve-unknown-fields",
    }
)  # fmt: skip
_LIST_TYPE = "x-kubernetes-list-type"
_RULES = "x-kubernetes-validations"
#: Crossplane puts it into the CRD whether the definition says so or not.
_CROSSPLANES = frozenset({"spec: type"})


@dataclass(frozen=True)
class Constraint:
    """One word of the schema that refuses something.

    Attributes:
        field: Path of the field, lists as ``[]``, entries of maps as ``{}``; empty for the object as a whole.
        keyword: The word; for `required` and CEL rules with the name or index of the one meant.
        place: Keys that lead to the field's schema.
    """

    field: str
    keyword: str
    place: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.field or 'object'}: {self.keyword}"


def schema_of(definition: Schema) -> Schema:
    """Return the OpenAPI schema of the definition's only version."""
    found: Schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def constraints(definition: Schema) -> list[Constraint]:
    """Return all constraints on the object and its spec; the status is written by the platform only.

    That there is a spec at all is Crossplane's own demand.

    Raises:
        ValueError: The definition uses a word that is not known here.
    """
    root = schema_of(definition)
    found = [Constraint("", f"rule {index}", ()) for index in range(len(root.get(_RULES, [])))]
    found += _of(root["properties"]["spec"], "spec", ("properties", "spec"))
    return [constraint for constraint in found if str(constraint) not in _CROSSPLANES]


def _of(schema: Schema, field: str, place: tuple[str, ...]) -> Iterator[Constraint]:
    if unknown := schema.keys() - _HARMLESS - {*_SIMPLE, _RULES, "required"}:
        raise ValueError(f"{field}: is {', '.join(sorted(unknown))} a constraint? Teach tests/platform/constraints.py")
    for keyword in _SIMPLE:
        if keyword in schema:
            yield Constraint(field, keyword, place)
    if schema.get(_LIST_TYPE) == "set":
        yield Constraint(field, _LIST_TYPE, place)
    for name in schema.get("required", []):
        yield Constraint(field, f"required {name}", place)
    for index in range(len(schema.get(_RULES, []))):
        yield Constraint(field, f"rule {index}", place)
    for name, inner in schema.get("properties", {}).items():
        yield from _of(inner, f"{field}.{name}", (*place, "properties", name))
    if "items" in schema:
        yield from _of(schema["items"], f"{field}[]", (*place, "items"))
    if "additionalProperties" in schema:
        yield from _of(schema["additionalProperties"], f"{field}{{}}", (*place, "additionalProperties"))


def without(definition: Schema, constraint: Constraint) -> Schema:
    """Return the definition as it would be without this constraint."""
    changed = copy.deepcopy(definition)
    schema = schema_of(changed)
    for step in constraint.place:
        schema = schema[step]
    keyword, _, detail = constraint.keyword.partition(" ")
    if keyword == "required":
        schema["required"].remove(detail)
    elif keyword == "rule":
        del schema[_RULES][int(detail)]
    else:
        del schema[keyword]
    return changed
