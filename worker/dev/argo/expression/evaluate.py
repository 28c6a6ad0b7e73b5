"""Evaluation of a syntax tree in an environment of nested maps.

Errors are those that expr-lang raises when it compiles or runs; the caller decides, as Argo does, whether an error
leaves the tag as it is.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

from worker.dev.argo.expression.functions import BUILTINS, SPRIG
from worker.dev.argo.expression.parser import ExpressionError, UnsupportedError
from worker.dev.argo.expression.syntax import (
    Binary,
    Call,
    Conditional,
    ListOf,
    Literal,
    MapOf,
    Member,
    Name,
    Unary,
    path,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from worker.dev.argo.expression.syntax import Node

_ORDER: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
    "**": operator.pow,
    "-": operator.sub,
}
_TEXT: Mapping[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "matches": lambda text, pattern: re.search(pattern, text) is not None,
}


def evaluate(node: Node, environment: Mapping[str, Any]) -> Any:
    """Return the value of an expression.

    Raises:
        ExpressionError: a name is unknown, or an operation does not fit its operands.
        UnsupportedError: it calls a function that the simulator does not know.
    """
    try:
        return _value(node, environment)
    except ExpressionError:
        raise
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
        raise ExpressionError(f"cannot be evaluated: {error}") from error


def _value(node: Node, scope: Mapping[str, Any]) -> Any:
    match node:
        case Literal(value):
            return value
        case Name(name):
            if name not in scope:
                raise ExpressionError(f"unknown name {name}")
            return scope[name]
        case Member():
            return _member(node, scope)
        case Unary(sign, operand):
            return _unary(sign, _value(operand, scope))
        case Binary():
            return _binary(node, scope)
        case Conditional(test, then, otherwise):
            return _value(then if _boolean(_value(test, scope), "?:") else otherwise, scope)
        case Call(function, arguments):
            return _function(function)(*(_value(one, scope) for one in arguments))
        case ListOf(items):
            return [_value(one, scope) for one in items]
        case MapOf(pairs):
            return {_value(key, scope): _value(value, scope) for key, value in pairs}


def _function(node: Node) -> Callable[..., Any]:
    name = path(node)
    first, _, rest = name.partition(".")
    found = SPRIG.get(rest) if first == "sprig" else BUILTINS.get(name)
    if found is None:
        raise UnsupportedError(f"the simulator does not know the function {name or 'that is called'}")
    return found


def _member(node: Member, scope: Mapping[str, Any]) -> Any:
    base = _value(node.base, scope)
    if base is None:
        if node.optional or (isinstance(node.base, Member) and node.base.optional):
            return None
        raise ExpressionError(f"cannot fetch {path(node) or 'a member'} of nil")
    key = _value(node.key, scope)
    if isinstance(base, dict):
        return base.get(key)
    if isinstance(base, list) and isinstance(key, int):
        return base[key]
    raise ExpressionError(f"cannot fetch {key!r} of a {type(base).__name__}")


def _unary(sign: str, value: Any) -> Any:
    if sign == "!":
        return not _boolean(value, "!")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ExpressionError(f"{sign} needs a number")
    return -value if sign == "-" else value


def _binary(node: Binary, scope: Mapping[str, Any]) -> Any:
    sign = node.operator
    if sign == "??":
        try:
            left = _value(node.left, scope)
        except UnsupportedError:
            raise
        except ExpressionError:
            left = None
        return left if left is not None else _value(node.right, scope)
    left = _value(node.left, scope)
    if sign in {"&&", "||"}:
        decided = _boolean(left, sign) is (sign == "||")
        return left if decided else _boolean(_value(node.right, scope), sign)
    right = _value(node.right, scope)
    if sign == "==":
        return _same(left, right)
    if sign == "!=":
        return not _same(left, right)
    if sign == "in":
        return left in right
    if sign in _TEXT:
        return _TEXT[sign](left, right)
    if isinstance(left, str) is not isinstance(right, str) or isinstance(left, bool) or isinstance(right, bool):
        raise ExpressionError(f"invalid operation: {sign} between {type(left).__name__} and {type(right).__name__}")
    return left + right if sign == "+" else _ORDER[sign](left, right)


def _same(left: Any, right: Any) -> bool:
    """Compare without Python's equality of `True` and `1`."""
    return isinstance(left, bool) is isinstance(right, bool) and bool(left == right)


def _boolean(value: Any, sign: str) -> bool:
    if not isinstance(value, bool):
        raise ExpressionError(f"{sign} needs a boolean, not {value!r}")
    return value
