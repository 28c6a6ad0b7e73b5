"""Text to syntax tree: the operators of expr-lang with their precedences, without closures, slices and ranges."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from worker.dev.argo.expression.syntax import Binary, Call, Conditional, ListOf, Literal, MapOf, Member, Name, Unary

if TYPE_CHECKING:
    from worker.dev.argo.expression.syntax import Node


class ExpressionError(ValueError):
    """An expression that cannot be parsed or evaluated."""


class UnsupportedError(ExpressionError):
    """Something of the language that the simulator does not know; the run has to fail, whatever Argo would do."""


_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>\d+\.\d+|\d+)
  | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
  | (?P<word>[A-Za-z_$][A-Za-z0-9_$]*)
  | (?P<symbol>\?\?|\?\.|\*\*|\|\||&&|==|!=|<=|>=|\.\.|[-+*/%^<>!?:.,()\[\]{}|])
    )""",
    re.VERBOSE,
)
_PRECEDENCE = {
    "|": 0,
    "||": 10,
    "or": 10,
    "&&": 15,
    "and": 15,
    **dict.fromkeys(("==", "!=", "<", ">", "<=", ">=", "in", "not", "matches", "contains"), 20),
    **dict.fromkeys(("startsWith", "endsWith"), 20),
    "+": 30,
    "-": 30,
    "*": 60,
    "/": 60,
    "%": 60,
    "**": 100,
    "^": 100,
    "??": 500,
}
_UNARY = {"not": 50, "!": 50, "-": 90, "+": 90}
_CONSTANTS = {"true": True, "false": False, "nil": None}
_SAME = {"or": "||", "and": "&&", "^": "**"}
#: Functions that take a closure; their arguments would not even parse here.
_CLOSURES = frozenset(
    {"all", "any", "one", "none", "map", "filter", "find", "findIndex", "count", "sum", "groupBy", "reduce", "sortBy"}
)

Token = tuple[str, str]


def parse(text: str) -> Node:
    """Parse an expression.

    Raises:
        ExpressionError: it is malformed.
        UnsupportedError: it uses a construct that the simulator does not know.
    """
    return _Parser(text).whole()


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise ExpressionError(f"unexpected {text[at:].strip()[:1]!r} in the expression {text!r}")
        kind = match.lastgroup or ""
        found.append((kind, match[kind]))
        at = match.end()
    return found


def _unquote(token: str) -> str:
    if token[0] == "`":
        return token[1:-1]
    body = token[1:-1]
    if token[0] == "'":
        body = body.replace("\\'", "'").replace('"', '\\"')
    try:
        text: str = json.loads(f'"{body}"')
    except ValueError as error:
        raise ExpressionError(f"the string {token} has an escape that is none") from error
    return text


class _Parser:
    """Precedence climbing."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._all = _tokens(text)
        self._at = 0

    def whole(self) -> Node:
        node = self._expression()
        if self._at < len(self._all):
            raise self._unexpected()
        return node

    @property
    def _next(self) -> Token:
        return self._all[self._at] if self._at < len(self._all) else ("", "")

    def _is(self, *symbols: str) -> bool:
        kind, text = self._next
        return kind in {"symbol", "word"} and text in symbols

    def _take(self) -> Token:
        token = self._next
        self._at += 1
        return token

    def _accept(self, symbol: str) -> bool:
        if not self._is(symbol):
            return False
        self._at += 1
        return True

    def _expect(self, symbol: str) -> None:
        if not self._accept(symbol):
            raise self._unexpected(f", {symbol!r} is missing")

    def _unexpected(self, hint: str = "") -> ExpressionError:
        what = repr(self._next[1]) if self._next[1] else "end"
        return ExpressionError(f"unexpected {what} in the expression {self._text!r}{hint}")

    def _expression(self, lowest: int = -1) -> Node:
        node = self._binary(lowest)
        if lowest < 0 and self._accept("?"):
            then = self._expression()
            self._expect(":")
            return Conditional(node, then, self._expression())
        return node

    def _binary(self, lowest: int) -> Node:
        left = self._unary()
        while True:
            operator = self._next[1] if self._next[0] in {"symbol", "word"} else ""
            precedence = _PRECEDENCE.get(operator, -1)
            if precedence < 0 or precedence < lowest:
                return left
            self._take()
            negated = operator == "not"
            if negated:
                if not self._is("in", "contains", "matches", "startsWith", "endsWith"):
                    raise self._unexpected()
                operator = self._take()[1]
            if operator == "|":
                left = self._pipe(left)
                continue
            right_binds = precedence if operator in {"**", "^"} else precedence + 1
            left = Binary(_SAME.get(operator, operator), left, self._binary(right_binds))
            left = Unary("!", left) if negated else left

    def _pipe(self, left: Node) -> Node:
        node = self._postfix(self._primary())
        if not isinstance(node, Call):
            raise ExpressionError(f"only a call may follow a pipe in the expression {self._text!r}")
        return Call(node.function, (left, *node.arguments))

    def _unary(self) -> Node:
        if self._is(*_UNARY):
            operator = self._take()[1]
            operand = self._binary(_UNARY[operator])
            return Unary("!" if operator == "not" else operator, operand)
        return self._postfix(self._primary())

    def _primary(self) -> Node:
        kind, text = self._take()
        if kind == "number":
            return Literal(float(text) if "." in text else int(text))
        if kind == "string":
            return Literal(_unquote(text))
        if kind == "word":
            return self._word(text)
        if text == "(":
            node = self._expression()
            self._expect(")")
            return node
        if text == "[":
            return ListOf(self._items("]"))
        if text == "{":
            return self._map()
        self._at -= 1
        raise self._unexpected()

    def _word(self, text: str) -> Node:
        if text in _CONSTANTS:
            return Literal(_CONSTANTS[text])
        if text == "let" or (text in _CLOSURES and self._is("(")):
            raise UnsupportedError(f"the simulator does not know {text!r} in the expression {self._text!r}")
        return Name(text)

    def _map(self) -> Node:
        pairs: list[tuple[Node, Node]] = []
        while not self._accept("}"):
            kind, text = self._take()
            if kind not in {"string", "word", "number"}:
                self._at -= 1
                raise self._unexpected(", a key is missing")
            self._expect(":")
            pairs.append((Literal(_unquote(text) if kind == "string" else text), self._expression()))
            if not self._is("}"):
                self._expect(",")
        return MapOf(tuple(pairs))

    def _items(self, closing: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self._accept(closing):
            items.append(self._expression())
            if not self._is(closing):
                self._expect(",")
        return tuple(items)

    def _postfix(self, node: Node) -> Node:
        while True:
            if self._is(".", "?."):
                optional = self._take()[1] == "?."
                kind, text = self._take()
                if kind != "word":
                    self._at -= 1
                    raise self._unexpected(", a name is missing")
                node = Member(node, Literal(text), optional)
            elif self._accept("["):
                key = self._expression()
                self._expect("]")
                node = Member(node, key)
            elif self._accept("("):
                node = Call(node, self._items(")"))
            else:
                return node
