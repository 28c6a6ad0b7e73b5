"""`successCondition` and `failureCondition` of resource templates: label selectors over paths into the object.

Written after `k8s.io/apimachinery/pkg/labels` and Argo's executor: success needs every requirement, failure only one,
and `!=` and `notin` hold for a field that is absent.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_KEY = r"(?:[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_SET = re.compile(rf"(?P<key>{_KEY})\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUAL = re.compile(rf"(?P<key>{_KEY})\s*(?P<operator>==|=|!=)\s*(?P<values>{_VALUE})")
_ORDER = re.compile(rf"(?P<key>{_KEY})\s*(?P<operator>[<>])\s*(?P<values>-?\d+)")
_EXISTS = re.compile(rf"(?P<operator>!?)\s*(?P<key>{_KEY})")
_COMMA = re.compile(r",(?![^(]*\))")


class ConditionError(ValueError):
    """A condition that is no label selector."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement on one path."""

    key: str
    operator: str
    values: tuple[str, ...]

    def matches(self, value: Any) -> bool:
        """Tell whether an object satisfies it."""
        found, exists = lookup(value, self.key)
        if self.operator in {"==", "=", "in"}:
            return exists and found in self.values
        if self.operator in {"!=", "notin"}:
            return not exists or found not in self.values
        if self.operator in {"exists", "!"}:
            return exists is (self.operator == "exists")
        if not exists or not re.fullmatch(r"[-+]?\d+", found):
            return False
        return int(found) > int(self.values[0]) if self.operator == ">" else int(found) < int(self.values[0])

    def __str__(self) -> str:
        if self.operator in {"in", "notin"}:
            return f"{self.key} {self.operator} ({','.join(sorted(self.values))})"
        if self.operator in {"exists", "!"}:
            return self.key if self.operator == "exists" else f"!{self.key}"
        return f"{self.key}{self.operator}{self.values[0]}"


def parse(text: str) -> list[Requirement]:
    """Return the requirements of a condition; none for an empty one.

    Raises:
        ConditionError: it is no label selector: keys cannot hold filters such as `#(type=="Ready")`.
    """
    if not text.strip():
        return []
    return [_requirement(part.strip(), text) for part in _COMMA.split(text)]


def _requirement(part: str, whole: str) -> Requirement:
    for pattern in (_SET, _EQUAL, _ORDER):
        if found := pattern.fullmatch(part):
            values = (value.strip() for value in found["values"].split(","))
            return Requirement(found["key"], found["operator"], tuple(values))
    if found := _EXISTS.fullmatch(part):
        return Requirement(found["key"], found["operator"] or "exists", ())
    raise ConditionError(f"condition '{whole}' failed to parse: '{part}' is no requirement of a label selector")


def lookup(value: Any, path: str) -> tuple[str, bool]:
    """Return what a dotted path leads to, as text, and whether there is something; numbers are places in lists."""
    place = value
    for part in path.split("."):
        if isinstance(place, dict) and part in place:
            place = place[part]
        elif isinstance(place, list) and part.isdigit() and int(part) < len(place):
            place = place[int(part)]
        else:
            return "", False
    if isinstance(place, str):
        return place, True
    if place is None:
        return "", True
    return json.dumps(place, separators=(",", ":"), ensure_ascii=False), True
