"""The `depends` expressions of DAG tasks: `a.Succeeded && (b.Succeeded || !c.Failed)`.

A bare name stands for `name.Succeeded || name.Skipped || name.Daemoned`, as Argo has it. A task is decided once
everything that its expression names has ended.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_TOKEN = re.compile(r"\s*(?:(&&|\|\||!|\(|\))|([A-Za-z0-9][-A-Za-z0-9]*)(?:\.([A-Za-z]+))?)")
_RESULTS: dict[str, frozenset[str]] = {
    "Succeeded": frozenset({"Succeeded"}),
    "Failed": frozenset({"Failed"}),
    "Errored": frozenset({"Error"}),
    "Skipped": frozenset({"Skipped"}),
    "Omitted": frozenset({"Omitted"}),
    "Daemoned": frozenset({"Daemoned"}),
}
_BARE = frozenset({"Succeeded", "Skipped", "Daemoned"})

Phases = Mapping[str, str]
_Test = Callable[[Phases], bool]


class DependsError(ValueError):
    """An expression that is none."""


@dataclass(frozen=True, slots=True)
class Depends:
    """A parsed expression.

    Attributes:
        names: tasks that it names.
        holds: whether it is true for the phases of these tasks (all of them ended).
    """

    names: frozenset[str]
    holds: _Test


ALWAYS = Depends(frozenset(), lambda _: True)


class _Parser:
    """Recursive descent: or > and > not > primary."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split(text)
        self._at = 0
        self.names: set[str] = set()

    @staticmethod
    def _split(text: str) -> list[tuple[str, str, str]]:
        tokens: list[tuple[str, str, str]] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            found = _TOKEN.match(text, at)
            if found is None:
                raise DependsError(f"depends {text!r}: unexpected {text[at:].strip()[:1]!r} at column {at + 1}")
            tokens.append((found[1] or "", found[2] or "", found[3] or ""))
            at = found.end()
        return tokens

    def parse(self) -> _Test:
        test = self._either()
        if self._at < len(self._tokens):
            raise DependsError(f"depends {self._text!r}: nothing may follow term {self._at}")
        return test

    def _symbol(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _either(self) -> _Test:
        tests = [self._both()]
        while self._symbol() == "||":
            self._at += 1
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda phases: any(test(phases) for test in tests)

    def _both(self) -> _Test:
        tests = [self._negated()]
        while self._symbol() == "&&":
            self._at += 1
            tests.append(self._negated())
        return tests[0] if len(tests) == 1 else lambda phases: all(test(phases) for test in tests)

    def _negated(self) -> _Test:
        if self._symbol() != "!":
            return self._primary()
        self._at += 1
        test = self._negated()
        return lambda phases: not test(phases)

    def _primary(self) -> _Test:
        if self._at >= len(self._tokens):
            raise DependsError(f"depends {self._text!r}: a task is missing at the end")
        symbol, name, result = self._tokens[self._at]
        self._at += 1
        if symbol == "(":
            test = self._either()
            if self._symbol() != ")":
                raise DependsError(f"depends {self._text!r}: a parenthesis is not closed")
            self._at += 1
            return test
        if symbol:
            raise DependsError(f"depends {self._text!r}: a task is missing before {symbol!r}")
        return self._result_of(name, result)

    def _result_of(self, name: str, result: str) -> _Test:
        wanted = _RESULTS.get(result, _BARE if not result else None)
        if wanted is None:
            raise DependsError(f"depends {self._text!r}: task result {result!r} is none of {', '.join(_RESULTS)}")
        self.names.add(name)
        return lambda phases: phases.get(name, "") in wanted


def parse(expression: str) -> Depends:
    """Parse an expression; an empty one always holds.

    Raises:
        DependsError: it is malformed or names an unknown result.
    """
    if not expression.strip():
        return ALWAYS
    parser = _Parser(expression)
    test = parser.parse()
    return Depends(frozenset(parser.names), test)
