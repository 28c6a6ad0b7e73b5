"""The rules of a schema, compiled; whatever a kube-apiserver would not accept refuses the definition.

What is checked, in which order and in which words is ``ValidateCustomResourceDefinitionOpenAPISchema`` of
k8s.io/apiextensions-apiserver, as far as it is about rules and about the defaults that they judge. The costs that it
estimates are not.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from worker.dev.kubernetes.cel.expression import Checker, CompilationError, Expression, Old
from worker.dev.kubernetes.cel.field_path import normalized
from worker.dev.kubernetes.cel.types import Types
from worker.dev.kubernetes.cel.validator import Node, Rule, Rules
from worker.dev.kubernetes.schema import Schema, SchemaError
from worker.dev.kubernetes.status import Cause
from worker.dev.kubernetes.validation import validate

if TYPE_CHECKING:
    from collections.abc import Iterator

_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_RULES = "x-kubernetes-validations"
_STRING = Schema(type="string")
#: What expressions may know of an object's metadata.
_METADATA = Schema(type="object", properties={"name": _STRING, "generateName": _STRING})


def compile_rules(root: Schema, path: str) -> Rules | None:
    """Compile all rules of a resource's schema.

    Args:
        root: of the resource.
        path: of the schema in its definition, which refusals name.

    Returns:
        The rules, or None if there are none.

    Raises:
        SchemaError: rules that no API server would accept, or a default that breaks one; a cause for each.
    """
    compiler = _Compiler()
    seen = _seen(dataclasses.replace(root, embedded=True))
    compiler.types.of(seen)
    node = compiler.node(seen, path, "")
    if not compiler.problems:
        compiler.problems += _bad_defaults(node, path)
    if compiler.problems:
        raise SchemaError("rules that cannot be compiled", compiler.problems)
    return Rules(node) if node else None


def _seen(schema: Schema) -> Schema:
    """Return a schema as expressions see it: of whole objects, they always know the kind and the name."""
    properties = {name: _seen(child) for name, child in schema.properties.items()}
    if schema.embedded:
        declared = properties.get("metadata", _METADATA)
        known = {name: declared.properties.get(name, _STRING) for name in _METADATA.properties}
        metadata = dataclasses.replace(declared, type="object", preserve=False, trivial=False, properties=known)
        properties = {"apiVersion": _STRING, "kind": _STRING, **properties, "metadata": metadata}
    return dataclasses.replace(
        schema,
        type="object" if schema.embedded else schema.type,
        properties=properties,
        additional=_seen(schema.additional) if schema.additional else None,
        items=_seen(schema.items) if schema.items else None,
    )


class _Compiler:
    """Goes through a schema and collects what is wrong with its rules."""

    def __init__(self) -> None:
        self.types = Types()
        self.problems: list[Cause] = []
        self._pool: Any = None

    def node(self, schema: Schema, path: str, uncorrelatable: str) -> Node:
        """Compile the rules of a schema and of all below.

        Args:
            schema: whose rules.
            path: of the schema in the definition.
            uncorrelatable: path of the list around it whose items have no old values, or "".
        """
        made = Node(schema)
        if not schema.ruled:
            return made
        for name, child in schema.properties.items():
            below = self.node(child, f"{path}.properties[{name}]", uncorrelatable)
            if below:
                made.properties[name] = below
        if schema.additional is not None:
            made.additional = self.node(schema.additional, f"{path}.additionalProperties", uncorrelatable) or None
        if schema.items is not None:
            within = uncorrelatable if schema.list_type == "map" else uncorrelatable or path
            made.items = self.node(schema.items, f"{path}.items", within) or None
        self._refuse_in_logic(schema, path)
        if schema.rules:
            made.rules = tuple(self._rules(schema, path, uncorrelatable))
        return made

    def _refuse_in_logic(self, schema: Schema, path: str) -> None:
        """Refuse rules within allOf and the like."""
        parts = [("allOf", schema.all_of), ("anyOf", schema.any_of), ("oneOf", schema.one_of)]
        parts.append(("not", (schema.negated,) if schema.negated else ()))
        for word, schemas in parts:
            for index, part in enumerate(schemas):
                if part.ruled:
                    where = f"{path}.{word}" if word == "not" else f"{path}.{word}[{index}]"
                    message = "Forbidden: must be empty to be structural"
                    self.problems.append(Cause(f"{where}.{_RULES}", "FieldValueForbidden", message))

    def _rules(self, schema: Schema, path: str, uncorrelatable: str) -> Iterator[Rule]:
        of = self.types.of(schema)
        if of is None:
            message = f"Internal error: failed to retrieve type information for {_RULES}"
            self.problems.append(Cause(f"{path}.{_RULES}", "InternalError", message))
            return
        self._pool = self._pool or self.types.pool()
        checker = Checker(self._pool, of)
        for index, raw in enumerate(schema.rules):
            where = f"{path}.{_RULES}[{index}]"
            found = list(_malformed(schema, raw, where))
            if found:
                self.problems += found
                continue
            rule = self._rule(checker, schema, raw, where, uncorrelatable)
            if rule is not None:
                yield rule

    def _rule(
        self, checker: Checker, schema: Schema, raw: dict[str, Any], where: str, uncorrelatable: str
    ) -> Rule | None:
        text, told = raw["rule"], raw.get("messageExpression", "")
        old, at, prefix = Old.UNUSED, "rule", ""
        try:
            old = checker.uses_old(text, optional=bool(raw.get("optionalOldSelf")))
            if told:
                at, prefix = "messageExpression", "messageExpression "
                checker.check(told, Old.VALUE if old is Old.UNUSED else old, "STRING")
        except CompilationError as error:
            self.problems.append(_invalid(f"{where}.{at}", _in_go(raw), f"{prefix}{error}"))
            return None
        if old is Old.UNUSED and "optionalOldSelf" in raw:
            words = "may not be set if oldSelf is not used in rule"
            self.problems.append(_invalid(f"{where}.optionalOldSelf", raw["optionalOldSelf"], words))
        elif old is not Old.UNUSED and uncorrelatable:
            words = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelatable}"
            self.problems.append(_invalid(f"{where}.rule", text, words))
        return Rule(
            Expression(text, old),
            str(raw.get("message", "")).strip(),
            Expression(told, old) if told else None,
            (normalized(raw["fieldPath"], schema) or "") if raw.get("fieldPath") else "",
            raw.get("reason", "FieldValueInvalid"),
        )


def _in_go(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a rule as the real server shows it."""
    fields = {"Rule": "", "Message": "", "MessageExpression": "", "Reason": None, "FieldPath": ""}
    shown = {name: rule.get(name[0].lower() + name[1:], empty) for name, empty in fields.items()}
    return {**shown, "OptionalOldSelf": rule.get("optionalOldSelf")}


def _invalid(path: str, value: object, detail: str) -> Cause:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, dict):
        for sign in "<>&":
            text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Cause(path, "FieldValueInvalid", f"Invalid value: {text}: {detail}")


def _malformed(schema: Schema, raw: dict[str, Any], where: str) -> Iterator[Cause]:
    """Yield what is wrong with a rule before any expression in it is read."""
    rule, message = str(raw.get("rule", "")).strip(), str(raw.get("message", ""))
    if not rule:
        yield Cause(f"{where}.rule", "FieldValueRequired", "Required value: rule is not specified")
    elif message and not message.strip():
        yield _invalid(f"{where}.message", message, "must be non-empty if specified")
    elif "\n" in message.strip():
        yield _invalid(f"{where}.message", message, "must not contain line breaks")
    elif "\n" in rule and not message:
        words = "Required value: message must be specified if rule contains line breaks"
        yield Cause(f"{where}.message", "FieldValueRequired", words)
    if raw.get("messageExpression") and not raw["messageExpression"].strip():
        words = "Required value: messageExpression must be non-empty if specified"
        yield Cause(f"{where}.messageExpression", "FieldValueRequired", words)
    if raw.get("reason", _REASONS[0]) not in _REASONS:
        allowed = ", ".join(f'"{reason}"' for reason in _REASONS)
        words = f'Unsupported value: "{raw["reason"]}": supported values: {allowed}'
        yield Cause(f"{where}.reason", "FieldValueNotSupported", words)
    if raw.get("fieldPath") and normalized(raw["fieldPath"], schema) is None:
        yield _invalid(f"{where}.fieldPath", raw["fieldPath"], "must be a valid path")


def _bad_defaults(node: Node, path: str) -> Iterator[Cause]:
    """Yield what rules have against the defaults in their schemas: each is judged as it is written."""
    schema = node.schema
    if schema.has_default:
        at = f"{path}.default"
        yield from validate(schema, schema.default, at) or node.judge(schema.default, path=at)
    for name, child in node.properties.items():
        yield from _bad_defaults(child, f"{path}.properties[{name}]")
    if node.additional is not None:
        yield from _bad_defaults(node.additional, f"{path}.additionalProperties")
    if node.items is not None:
        yield from _bad_defaults(node.items, f"{path}.items")
