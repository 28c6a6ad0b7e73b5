"""Label and field selectors, in the grammar that the API accepts in query strings.

Of fields, ``metadata.name`` and ``metadata.namespace`` are selectable, as a real server has it for custom resources
that declare no selectable fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.dev.kubernetes import status

if TYPE_CHECKING:
    from worker.dev.kubernetes.store import Stored

_KEY = r"(?:[A-Za-z0-9][-A-Za-z0-9_.]*/)?[A-Za-z0-9][-A-Za-z0-9_.]*"
_SET = re.compile(rf"^({_KEY})\s+(in|notin)\s*\(([^()]*)\)$")
_EQUALITY = re.compile(rf"^({_KEY})\s*(==|=|!=)\s*([-A-Za-z0-9_.]*)$")
_EXISTS = re.compile(rf"^(!?)\s*({_KEY})$")
_COMMA = re.compile(r",(?![^(]*\))")

Requirement = Callable[[dict[str, str]], bool]


@dataclass(frozen=True, slots=True)
class Selection:
    """The conjunction of a label selector and a field selector."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[tuple[str, bool, str], ...] = ()

    def matches(self, stored: Stored) -> bool:
        """Tell whether an object is selected."""
        if not all(requirement(stored.labels) for requirement in self.labels):
            return False
        return all(
            ((stored.name if path == "metadata.name" else stored.namespace) == value) is equal
            for path, equal, value in self.fields
        )

    def __bool__(self) -> bool:
        return bool(self.labels or self.fields)


def _equality(key: str, operator: str, value: str) -> Requirement:
    if operator == "!=":
        return lambda labels: labels.get(key) != value
    return lambda labels: labels.get(key) == value


def _membership(key: str, operator: str, values: frozenset[str]) -> Requirement:
    if operator == "in":
        return lambda labels: labels.get(key) in values
    return lambda labels: labels.get(key) not in values


def _existence(key: str, *, wanted: bool) -> Requirement:
    return lambda labels: (key in labels) is wanted


def _label_requirement(text: str) -> Requirement:
    if found := _SET.match(text):
        values = frozenset(value.strip() for value in found[3].split(","))
        return _membership(found[1], found[2], values)
    if found := _EQUALITY.match(text):
        return _equality(found[1], found[2], found[3])
    if found := _EXISTS.match(text):
        return _existence(found[2], wanted=not found[1])
    raise status.bad_request(f"unable to parse requirement: found '{text}', expected: a label key, operator and value")


def _field_requirement(text: str) -> tuple[str, bool, str]:
    for operator, equal in (("!=", False), ("==", True), ("=", True)):
        path, found, value = text.partition(operator)
        if found:
            if path not in {"metadata.name", "metadata.namespace"}:
                raise status.bad_request(f"field label not supported: {path}")
            return path, equal, value
    raise status.bad_request(f"invalid field selector: '{text}'; can't understand '{text}'")


def parse(labels: str, fields: str) -> Selection:
    """Parse the query parameters ``labelSelector`` and ``fieldSelector``.

    Raises:
        ApiError: 400 when one of them is malformed or selects on a field that is not selectable.
    """
    label_parts = (part.strip() for part in _COMMA.split(labels)) if labels.strip() else ()
    field_parts = (part.strip() for part in fields.split(",")) if fields.strip() else ()
    return Selection(
        tuple(_label_requirement(part) for part in label_parts),
        tuple(_field_requirement(part) for part in field_parts),
    )
