"""Loops that take more turns than the library grants one evaluation (10,000): the outer ones are run from here.

A real server has a limit too, but it is some hundred thousand turns: a rule about every pair of a hundred items is
nothing to it. So an expression that ran out of turns is evaluated anew, with each of its outermost loops replaced by a
variable, whose value comes from evaluating that loop's parts turn by turn, as the language defines them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.dev.kubernetes.cel.syntax import outermost_loops, serialized, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable

_EXCEEDED = "Iteration budget exceeded"
_MOST_EVALUATIONS = 5_000
_ABSENT: Any = object()
_LIMIT = "operation cancelled: actual cost limit exceeded"


class EvaluationError(ValueError):
    """An expression that has no value for this object; for a rule that is as if it were broken."""


class Program:
    """A compiled expression without a limit that objects of a reasonable size could meet."""

    def __init__(self, interpreter: Any, compiled: Any, evaluate: Callable[[Any, dict[str, Any]], Any]) -> None:
        """Make an expression ready.

        Args:
            interpreter: environment that the expression was compiled in, unchecked.
            compiled: the expression.
            evaluate: returns its plain value for variables, or raises EvaluationError.
        """
        self._interpreter = interpreter
        self._compiled = compiled
        self._evaluate = evaluate

    def evaluate(self, data: dict[str, Any]) -> Any:
        """Return the value for variables.

        Raises:
            EvaluationError: there is none.
        """
        try:
            return self._evaluate(self._compiled, data)
        except EvaluationError as error:
            if str(error) != _EXCEEDED:
                raise
        return _Run(self._interpreter, self._evaluate).value(tree_of(self._compiled.serialize()), data)


class _Run:
    """One evaluation, loop by loop."""

    def __init__(self, interpreter: Any, evaluate: Callable[[Any, dict[str, Any]], Any]) -> None:
        self._interpreter = interpreter
        self._evaluate = evaluate
        self._compiled: dict[bytes, Any] = {}
        self._left = _MOST_EVALUATIONS

    def value(self, tree: Any, data: dict[str, Any]) -> Any:
        """Return the value of an expression or of a part of one."""
        try:
            return self._simple(tree, data)
        except EvaluationError as error:
            if str(error) != _EXCEEDED:
                raise
        whole, data = type(tree)(), dict(data)
        whole.CopyFrom(tree)
        errors: dict[str, EvaluationError] = {}
        for number, loop in enumerate(tuple(outermost_loops(whole))):
            name = f"@loop{number}"
            data.pop(name, None)
            try:
                data[name] = self._looped(loop.comprehension_expr, data)
            except EvaluationError as error:
                errors[name] = error  # the variable stays unbound, which is an error where it is asked for
            loop.Clear()
            loop.ident_expr.name = name
        try:
            return self._simple(whole, data)
        except EvaluationError as error:
            raise next((cause for name, cause in errors.items() if f'"{name}"' in str(error)), error) from error

    def _simple(self, tree: Any, data: dict[str, Any]) -> Any:
        self._left -= 1
        if self._left < 0:
            raise EvaluationError(_LIMIT)
        key = serialized(tree)
        if key not in self._compiled:
            self._compiled[key] = self._interpreter.deserialize(key)
        return self._evaluate(self._compiled[key], data)

    def _looped(self, loop: Any, data: dict[str, Any]) -> Any:
        inner = {**data, loop.accu_var: self.value(loop.accu_init, data)}
        failed: EvaluationError | None = None
        for item in self.value(loop.iter_range, data):
            inner[loop.iter_var] = item
            if self.value(loop.loop_condition, inner) is False:
                break
            try:
                inner[loop.accu_var] = self.value(loop.loop_step, inner)
            except EvaluationError as error:
                if str(error) == _LIMIT:
                    raise
                if inner.pop(loop.accu_var, _ABSENT) is not _ABSENT:
                    failed = error  # which is the loop's value, until a later turn makes it irrelevant
        try:
            return self.value(loop.result, inner)
        except EvaluationError as error:
            raise (error if loop.accu_var in inner else failed or error) from error
