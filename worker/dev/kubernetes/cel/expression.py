"""One expression: held against the types of its schema, then compiled for evaluation.

Checking knows schemas, evaluation knows maps: so an expression is compiled twice, and what the first accepts the
second evaluates without a further look at types. Errors are told in the words of cel-go, which kube-apiserver uses.
"""

from __future__ import annotations

import functools
import json
import re
from enum import Enum
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_optional, ext_strings
from google.protobuf import descriptor_pool

from worker.dev.kubernetes.cel import library
from worker.dev.kubernetes.cel.loops import EvaluationError, Program
from worker.dev.kubernetes.cel.syntax import patterns
from worker.dev.kubernetes.cel.types import CelType, base_pool

_STRINGS_VERSION = 2
_STATUS = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_NO_STRING = "must evaluate to a string"
#: The compiler's words on an expression, and cel-go's.
_COMPLAINTS = (
    (re.compile(r" not found in struct '[^']*'"), ""),
    (
        re.compile(r"expression of type '(.*)' cannot be the operand of a select operation"),
        r"type '\1' does not support field selection",
    ),
)
#: The library's words about what went wrong in an evaluation, and cel-go's.
_WORDS = (
    (re.compile(r'^Key not found in map : "?(.*?)"?$'), r"no such key: \1"),
    (re.compile(r"^Index error: index=(-?\d+) size=\d+$"), r"index out of bounds: \1"),
    (re.compile(r"^divide by zero$"), "division by zero"),
    (re.compile(r"^No matching overloads found .*$"), "no such overload"),
)
_OPTIONAL = """\
cel.bind(oldSelf, size(oldSelves) == 0 ? optional.none() : optional.of(oldSelves[0]), (
{}
))"""


class Old(Enum):
    """What ``oldSelf`` is to an expression."""

    UNUSED = "unused"
    VALUE = "value"
    OPTIONAL = "optional"


class CompilationError(ValueError):
    """An expression that no API server would accept."""


class Checker:
    """Compiles expressions about values of one type."""

    def __init__(self, pool: descriptor_pool.DescriptorPool, of: CelType) -> None:
        """Compile expressions about values of a type whose messages are in a pool."""
        self._pool = pool
        self._of = of
        self._environments: dict[Old, Any] = {}

    def uses_old(self, text: str, *, optional: bool) -> Old:
        """Check a rule, and tell what ``oldSelf`` is to it.

        Raises:
            CompilationError: it cannot be compiled, or is no truth.
        """
        try:
            self.check(text, Old.UNUSED, "BOOL")
        except CompilationError:
            old = Old.OPTIONAL if optional else Old.VALUE
            self.check(text, old, "BOOL")
            return old
        return Old.UNUSED

    def check(self, text: str, old: Old, result: str) -> None:
        """Check an expression.

        Args:
            text: of the expression.
            old: what ``oldSelf`` is in it.
            result: type of its value, ``BOOL`` or ``STRING``.

        Raises:
            CompilationError: it cannot be compiled, or its value is of another type.
        """
        try:
            found = self._in(old).compile(text).return_type().name()
        except (RuntimeError, ValueError) as error:
            raise CompilationError(f"compilation failed: {_complaint(str(error))}") from error
        if found != result:
            raise CompilationError("cel expression must evaluate to a bool" if result == "BOOL" else _NO_STRING)
        _check_patterns(text)

    def _in(self, old: Old) -> Any:
        if old not in self._environments:
            variables = [{"name": "self", "type": str(self._of)}]
            if old is not Old.UNUSED:
                of = str(self._of) if old is Old.VALUE else f"optional_type<{self._of}>"
                variables.append({"name": "oldSelf", "type": of})
            config = cel.NewEnvConfigFromYaml(json.dumps({"variables": variables}))
            extensions = [*_extensions(), library.comparisons()]
            functions = library.declarations()
            self._environments[old] = cel.NewEnv(self._pool, config=config, functions=functions, extensions=extensions)
        return self._environments[old]


def _extensions() -> list[Any]:
    return [ext_optional.ExtOptional(), ext_strings.ExtStrings(_STRINGS_VERSION)]


@functools.cache
def _interpreter() -> Any:
    extensions = [*_extensions(), ext_bindings.ExtBindings()]
    return cel.NewEnv(base_pool(), functions=library.implementations(), extensions=extensions)


def _check_patterns(text: str) -> None:
    """Refuse patterns that are no regular expressions, where they are written out."""
    for function, pattern, place in patterns(_interpreter().compile(text, disable_check=True).serialize()):
        try:
            _evaluated(_interpreter().compile("''.matches(self)", disable_check=True), {"self": pattern})
        except EvaluationError as error:
            before = text[:place]
            line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1)
            source = text.splitlines()[line - 1]
            where = f"ERROR: <input>:{line}:{column + 1}: invalid {function} argument\n | {source}\n | {'.' * column}^"
            raise CompilationError(f"compilation failed: {where}") from error


class Expression:
    """A checked expression, ready to be evaluated."""

    def __init__(self, text: str, old: Old) -> None:
        """Make a checked expression ready."""
        self.text = text
        self.old = old
        wrapped = _OPTIONAL.format(text) if old is Old.OPTIONAL else text
        compiled = _interpreter().compile(wrapped, disable_check=True)
        self._program = Program(_interpreter(), compiled, _evaluated)

    def evaluate(self, value: Any, old: tuple[Any, ...]) -> Any:
        """Return its value for an object.

        Args:
            value: ``self``, as ``values.view`` makes it.
            old: ``oldSelf`` in the same form; empty when there is none.

        Raises:
            EvaluationError: it has none.
        """
        data: dict[str, Any] = {"self": value}
        if self.old is Old.OPTIONAL:
            data["oldSelves"] = list(old)
        elif old:
            data["oldSelf"] = old[0]
        return self._program.evaluate(data)


def _evaluated(compiled: Any, data: dict[str, Any]) -> Any:
    """Return the plain value of a compiled expression.

    Raises:
        EvaluationError: it has none.
    """
    try:
        result = compiled.eval(data=data)
    except (RuntimeError, ValueError, LookupError) as error:
        raise EvaluationError(_told(str(error))) from error
    if result.type() == cel.Type.ERROR:
        raise EvaluationError(_told(str(result.value())))
    return result.plain_value()


def _complaint(text: str) -> str:
    """Return the compiler's words on an expression as cel-go would say it: nothing about consequences of errors."""
    found = [one for one in _STATUS.sub("", text).split("\nERROR: ") if "'*error*'" not in one]
    complaint = "\nERROR: ".join(found)
    for pattern, words in _COMPLAINTS:
        complaint = pattern.sub(words, complaint)
    return complaint


def _told(text: str) -> str:
    """Return the library's words on an evaluation as cel-go would say it."""
    text = _STATUS.sub("", text)
    for pattern, words in _WORDS:
        if pattern.match(text):
            return pattern.sub(words, text)
    return text
