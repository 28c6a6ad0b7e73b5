"""`when` expressions, evaluated after substitution: comparisons of words, as govaluate reads them.

A bare word is a string. Argo parses what substitution has left, so a value with spaces or operators in it has to be
quoted in the template, and one with a quote still breaks out: the simulator refuses such an expression as Argo does.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>\d+(?:\.\d+)?(?![\w.]))
  | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | \[(?P<bracketed>[^\]]*)\]
  | (?P<symbol>&&|\|\||==|!=|<=|>=|=~|!~|[<>()!,])
  | (?P<word>[A-Za-z_][\w.]*)
    )""",
    re.VERBOSE,
)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=~": lambda text, pattern: re.search(pattern, text) is not None,
    "!~": lambda text, pattern: re.search(pattern, text) is None,
}


class WhenError(ValueError):
    """A `when` that is no expression, or not a boolean one."""


def holds(text: str) -> bool:
    """Tell whether a task or step is to run; an empty expression always holds.

    Raises:
        WhenError: it cannot be evaluated.
    """
    if not text:
        return True
    parser = _Parser(text)
    try:
        result = parser.whole()
    except TypeError as error:
        raise WhenError(f"Failed to evaluate 'when' expression '{text}': {error}") from error
    if not isinstance(result, bool):
        raise WhenError(f"Expected boolean evaluation for '{text}'. Got {result}")
    return result


class _Parser:
    """Recursive descent: or > and > comparison > not > primary; evaluates as it goes."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            found = _TOKEN.match(text, at)
            if found is None:
                raise WhenError(
                    f"Invalid 'when' expression '{text}': unexpected {text[at:].strip()[:1]!r} "
                    '(hint: try wrapping the affected expression in quotes ("))'
                )
            kind = found.lastgroup or ""
            self._tokens.append((kind, found[kind]))
            at = found.end()
        self._at = 0

    def whole(self) -> Any:
        result = self._either()
        if self._at < len(self._tokens):
            raise self._invalid()
        return result

    def _invalid(self) -> WhenError:
        return WhenError(f"Invalid 'when' expression '{self._text}'")

    def _accept(self, *symbols: str) -> str:
        if self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            if text in symbols and kind in {"symbol", "word"}:
                self._at += 1
                return text
        return ""

    def _either(self) -> Any:
        result = self._both()
        while self._accept("||"):
            right = self._both()
            result = self._boolean(result) or self._boolean(right)
        return result

    def _both(self) -> Any:
        result = self._comparison()
        while self._accept("&&"):
            right = self._comparison()
            result = self._boolean(result) and self._boolean(right)
        return result

    def _boolean(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise WhenError(f"Failed to evaluate 'when' expression '{self._text}': {value!r} is not a boolean")
        return value

    def _comparison(self) -> Any:
        left = self._negated()
        if self._accept("in"):
            return left in self._members()
        sign = self._accept(*_COMPARISONS)
        if not sign:
            return left
        right = self._negated()
        if sign in {"==", "!="}:
            same = type(left) is type(right) and left == right
            return same is (sign == "==")
        if type(left) is not type(right):
            raise TypeError(f"{left!r} and {right!r} cannot be compared")
        return _COMPARISONS[sign](left, right)

    def _members(self) -> list[Any]:
        if not self._accept("("):
            raise self._invalid()
        members = [self._primary()]
        while self._accept(","):
            members.append(self._primary())
        if not self._accept(")"):
            raise self._invalid()
        return members

    def _negated(self) -> Any:
        return not self._boolean(self._negated()) if self._accept("!") else self._primary()

    def _primary(self) -> Any:
        if self._accept("("):
            result = self._either()
            if not self._accept(")"):
                raise self._invalid()
            return result
        if self._at >= len(self._tokens):
            raise self._invalid()
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            return float(text)
        if kind == "string":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "bracketed":
            return text
        if kind == "word":
            return {"true": True, "false": False}.get(text, text)
        raise self._invalid()
