"""Rules applied to objects: which are asked of which value, and what a broken one is told.

The walk, its conditions and the words are those of k8s.io/apiextensions-apiserver ``pkg/apiserver/schema/cel``:
transition rules need an old value that is known to be the same thing's, a broken rule counts only where the value has
changed (ratcheting), and a value that is null is not asked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from worker.dev.kubernetes.cel.expression import Expression, Old
from worker.dev.kubernetes.cel.loops import EvaluationError
from worker.dev.kubernetes.cel.values import aligned, view
from worker.dev.kubernetes.status import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from worker.dev.kubernetes.schema import Schema

_ABSENT: Any = object()
_LONGEST_MESSAGE = 5120
#: Schema violations after which rules are not asked at all: their types would not hold.
_BLOCKING = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)
_BLOCKED = Cause(
    "<nil>",
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the "
    "existing errors to complete validation",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        message: what a broken rule is told, or "".
        told: the expression whose value is told instead, if it has one.
        field: path below the value that the refusal names, or "".
        reason: machine-readable reason of the refusal.
    """

    expression: Expression
    message: str = ""
    told: Expression | None = None
    field: str = ""
    reason: str = "FieldValueInvalid"

    @property
    def named(self) -> str:
        """What the rule is called where it is about the rule itself."""
        return self.message or self.expression.text.strip()


@dataclass(slots=True)
class Node:
    """The rules of one schema and of those below it; schemas without any are not here."""

    schema: Schema
    rules: tuple[Rule, ...] = ()
    properties: dict[str, Node] = field(default_factory=dict)
    additional: Node | None = None
    items: Node | None = None

    def __bool__(self) -> bool:
        """Whether there is any rule here or below."""
        return bool(self.rules or self.properties or self.additional or self.items)

    def judge(self, value: Any, old: Any = _ABSENT, path: str = "", *, settled: bool = False) -> Iterator[Cause]:
        """Yield a cause for each broken rule.

        Args:
            value: what is judged.
            old: what it was, if it is known which old value is this one's.
            path: of the value.
            settled: whether the nearest value above whose old one is known has not changed.
        """
        if value is None:
            return
        if old is not _ABSENT:
            settled = value == old
        if self.rules:
            yield from self._ask(value, old, path, settled=settled)
        if isinstance(value, dict):
            yield from self._judge_map(value, old, path, settled=settled)
        elif isinstance(value, list) and self.items is not None:
            before = self._correlated(old)
            for index, item in enumerate(value):
                was = before.get(self._key(item), _ABSENT)
                yield from self.items.judge(item, was, f"{path}[{index}]", settled=settled)

    def _judge_map(self, value: dict[str, Any], old: Any, path: str, *, settled: bool) -> Iterator[Cause]:
        before = old if isinstance(old, dict) else {}
        for name, item in value.items():
            was = before.get(name, _ABSENT)
            if self.additional is not None:
                yield from self.additional.judge(item, was, f"{path}[{name}]", settled=settled)
            elif name in self.properties:
                below = f"{path}.{name}" if path else name
                yield from self.properties[name].judge(item, was, below, settled=settled)

    def _correlated(self, old: Any) -> dict[str, Any]:
        """Return the old items by their keys; only lists that are maps have items that can be told from each other."""
        if self.schema.list_type != "map" or not isinstance(old, list):
            return {}
        return {self._key(item): item for item in old}

    def _key(self, item: Any) -> str:
        named = item if isinstance(item, dict) else {}
        return json.dumps([named.get(name) for name in self.schema.list_keys])

    def _ask(self, value: Any, old: Any, path: str, *, settled: bool) -> Iterator[Cause]:
        seen = view(self.schema, value)
        known = old is not _ABSENT and old is not None
        before = (view(self.schema, aligned(self.schema, old, value)),) if known else ()
        for rule in self.rules:
            if rule.expression.old is Old.VALUE and not known:
                continue
            try:
                if rule.expression.evaluate(seen, before) is True:
                    continue
            except EvaluationError as error:
                yield Cause(path or "<nil>", "FieldValueInvalid", self._unanswered(rule, str(error)))
                continue
            if settled and rule.expression.old is Old.UNUSED:
                continue
            where = ".".join(part for part in (path, rule.field) if part)
            detail = _message(rule, seen, before)
            yield Cause(where or "<nil>", rule.reason, _refusal(self.schema, rule.reason, value, detail))

    def _unanswered(self, rule: Rule, error: str) -> str:
        kind = f'Invalid value: "{self.schema.type}": '
        if error == "no such overload":
            words = "call arguments did not match a supported operator, function or macro signature for rule"
            return f"{kind}'{error}': {words}: {rule.named}"
        return f"{kind}{error} evaluating rule: {rule.named}"


def _message(rule: Rule, seen: Any, before: tuple[Any, ...]) -> str:
    if rule.told is not None:
        try:
            told = str(rule.told.evaluate(seen, before)).strip()
        except EvaluationError:
            told = ""  # as on a real server, which then tells what it would tell without the expression
        if told and "\n" not in told and len(told.encode()) <= _LONGEST_MESSAGE:
            return told
    return rule.message or f"failed rule: {rule.named}"


def _refusal(schema: Schema, reason: str, value: Any, detail: str) -> str:
    shown = "" if schema.type in {"object", "array"} else json.dumps(value, ensure_ascii=False)
    if reason == "FieldValueForbidden":
        return f"Forbidden: {detail}"
    if reason == "FieldValueRequired":
        return f"Required value: {detail}"
    if reason == "FieldValueDuplicate":
        return f"Duplicate value: {shown}" if shown else "Duplicate value"
    return ": ".join(part for part in ("Invalid value", shown, detail) if part)


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of one resource."""

    root: Node

    def judge(self, value: Any, old: Any | None, violations: Sequence[Cause]) -> list[Cause]:
        """Return a cause for each rule that an object breaks.

        Args:
            value: the object.
            old: the stored object that it replaces, if any.
            violations: what the schema has against it.
        """
        if any(cause.reason in _BLOCKING for cause in violations):
            return [_BLOCKED]
        return list(self.root.judge(value, _ABSENT if old is None else old))
