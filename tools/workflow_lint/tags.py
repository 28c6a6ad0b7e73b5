"""The `{{…}}` tags of a text: what each names, and whether what it yields is safe to stand in a manifest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.dev.argo import expression
from worker.dev.argo.expression.syntax import (
    Binary,
    Call,
    Conditional,
    ListOf,
    Literal,
    MapOf,
    Member,
    Name,
    Node,
    Unary,
)
from worker.dev.argo.expression.syntax import path as expression_path

if TYPE_CHECKING:
    from collections.abc import Iterator

TAG = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_QUOTING = frozenset({"toJson", "toJSON", "asInt", "int", "asFloat", "float"})
_COMPARING = frozenset({"==", "!=", "<", "<=", ">", ">=", "&&", "||", "and", "or", "in", "matches", "contains"})
_OPEN = "{{"


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag.

    Attributes:
        text: as it stands there.
        names: dotted names that it needs; for an expression without those whose absence it handles itself.
        tree: the expression's syntax tree; None for a simple tag.
        error: why the expression cannot be read; "" if it can.
    """

    text: str
    names: tuple[str, ...]
    tree: Node | None = None
    error: str = ""


def tags(text: str) -> Iterator[Tag]:
    """Yield the tags of a text."""
    for found in TAG.finditer(text):
        inner = found[1].strip()
        if not inner.startswith("="):
            yield Tag(found[0], (inner,))
            continue
        try:
            tree = expression.parse(inner[1:])
        except ValueError as error:
            yield Tag(found[0], (), error=str(error))
            continue
        yield Tag(found[0], tuple(dict.fromkeys(_names(tree))), tree)


def _names(node: Node) -> Iterator[str]:
    """Yield the whole dotted names of an expression, those whose absence it handles too: a typo is none of them."""
    if whole := expression_path(node):
        yield whole
        return
    for child in _children(node):
        yield from _names(child)


def quoted(node: Node) -> bool:
    """Tell whether an expression yields JSON, a number or a boolean whatever its parameters hold."""
    match node:
        case Literal():
            return True
        case Unary("!" | "not", _):
            return True
        case Binary("+", left, right):
            return quoted(left) and quoted(right)
        case Binary(operator, _, _):
            return operator in _COMPARING
        case Conditional(_, then, otherwise):
            return quoted(then) and quoted(otherwise)
        case Call(Name("replace"), (first, *_)):
            return quoted(first)
        case Call(Name(function), _):
            return function in _QUOTING
    return False


def decodes(node: Node) -> bool:
    """Tell whether an expression decodes JSON and lets what was escaped in it open a tag.

    `replace(…, '{' + '{', …)` around it closes the gap.
    """
    match node:
        case Call(Name("replace"), (_, searched, _)) if _constant(searched) == _OPEN:
            return False
        case Call(Name("fromJSON" | "fromJson" | "fromBase64"), _):
            return True
        case Call(Member(Name("sprig"), Literal(name)), _) if "romJson" in str(name) or "dec" in str(name):
            return True
        # What only decides is not what comes out.
        case Conditional(_, then, otherwise):
            return decodes(then) or decodes(otherwise)
        case Binary(operator, left, right):
            return operator not in _COMPARING and (decodes(left) or decodes(right))
    return any(decodes(child) for child in _children(node))


def _constant(node: Node) -> str:
    match node:
        case Literal(str(value)):
            return value
        case Binary("+", left, right):
            return _constant(left) + _constant(right)
    return ""


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case Unary(_, operand):
            return (operand,)
        case Binary(_, left, right):
            return (left, right)
        case Conditional(test, then, otherwise):
            return (test, then, otherwise)
        case Member(base, key, _):
            return (base, key)
        case Call(function, arguments):
            return (function, *arguments)
        case ListOf(items):
            return items
        case MapOf(pairs):
            return tuple(one for pair in pairs for one in pair)
    return ()
