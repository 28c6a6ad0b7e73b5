"""Kubernetes' functions in expressions: quantities, sums and orders of lists, finds of regular expressions.

Each is declared with the types of k8s.io/apiserver ``pkg/cel/library``, for the compiler, and implemented for the
kinds of values that it meets at run time. Functions that are not here (URLs, IPs, semantic versions, sets) are unknown
to the compiler, so that a definition that uses one is refused.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

from cel_expr_python import cel

from worker.dev.kubernetes.cel import quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = cel.Type
_QUANTITY = T.AbstractType("kubernetes.Quantity")
_ORDERED = (T.INT, T.UINT, T.DOUBLE, T.BOOL, T.DURATION, T.TIMESTAMP, T.STRING, T.BYTES)
_SUMMABLE = (T.INT, T.UINT, T.DOUBLE, T.DURATION)
_NUMBERS = (T.INT, T.UINT, T.DOUBLE)
_ANYTHING = (T.BOOL, *_NUMBERS, T.STRING, T.BYTES, T.TIMESTAMP, T.DURATION, T.LIST, T.MAP, T.NULL)
_MAXIMUM = 2**63 - 1
#: At run time a quantity is a map with one key, for the library cannot carry values of types that it does not know.
_KEY = "kubernetes.Quantity"

Quantity: TypeAlias = dict[str, str]


@dataclass(frozen=True, slots=True)
class _Function:
    """One function: its overloads as the compiler knows them, its implementation by the kinds of its arguments."""

    name: str
    overloads: tuple[tuple[Any, tuple[Any, ...]], ...]
    implementations: tuple[tuple[tuple[Any, ...], Callable[..., Any]], ...]
    member: bool = True

    def declared(self) -> Any:
        """Return the declaration for the compiler."""
        made = [
            cel.Overload(f"{self.name}_{number}", result, list(arguments), self.member)
            for number, (result, arguments) in enumerate(self.overloads)
        ]
        return cel.FunctionDecl(self.name, made)

    def implemented(self) -> Any:
        """Return the declaration for the interpreter."""
        made = [
            cel.Overload(f"{self.name}_{number}", T.DYN, list(kinds), self.member, implementation)
            for number, (kinds, implementation) in enumerate(self.implementations)
        ]
        return cel.FunctionDecl(self.name, made)


def _boxed(value: Fraction) -> Quantity:
    return {_KEY: str(value)}


def _value(boxed: Quantity) -> Fraction:
    if boxed.keys() != {_KEY}:
        raise TypeError("no such overload")
    return Fraction(boxed[_KEY])


def _is_quantity(text: str) -> bool:
    try:
        quantity.parse(text)
    except ValueError:
        return False
    return True


def _is_integer(boxed: Quantity) -> bool:
    value = _value(boxed)
    return value.denominator == 1 and abs(value) <= _MAXIMUM


def _as_integer(boxed: Quantity) -> int:
    if not _is_integer(boxed):
        raise ValueError("cannot convert value to integer")
    return int(_value(boxed))


def _compare(left: Quantity, right: Quantity) -> int:
    a, b = _value(left), _value(right)
    return (a > b) - (a < b)


def _quantities() -> Iterator[_Function]:
    q = _QUANTITY
    yield _Function(
        "quantity",
        ((q, (T.STRING,)),),
        (((T.STRING,), lambda text: _boxed(quantity.parse(text))),),
        member=False,
    )
    yield _Function("isQuantity", ((T.BOOL, (T.STRING,)),), (((T.STRING,), _is_quantity),), member=False)
    one: tuple[tuple[str, Any, Callable[[Quantity], Any]], ...] = (
        ("isInteger", T.BOOL, _is_integer),
        ("asInteger", T.INT, _as_integer),
        ("asApproximateFloat", T.DOUBLE, lambda boxed: float(_value(boxed))),
    )
    for name, result, implementation in one:
        yield _Function(name, ((result, (q,)),), (((T.MAP,), implementation),))
    yield _Function("sign", ((T.INT, (q,)),), (((T.MAP,), lambda boxed: _compare(boxed, _boxed(Fraction(0)))),), False)
    two: tuple[tuple[str, Any, Callable[[Quantity, Quantity], Any]], ...] = (
        ("compareTo", T.INT, _compare),
        ("isGreaterThan", T.BOOL, lambda left, right: _compare(left, right) > 0),
        ("isLessThan", T.BOOL, lambda left, right: _compare(left, right) < 0),
    )
    for name, result, compared in two:
        yield _Function(name, ((result, (q, q)),), (((T.MAP, T.MAP), compared),))
    for name, factor in (("add", 1), ("sub", -1)):
        yield _Function(
            name,
            ((q, (q, q)), (q, (q, T.INT))),
            (
                ((T.MAP, T.MAP), lambda left, right, f=factor: _boxed(_value(left) + f * _value(right))),
                ((T.MAP, T.INT), lambda left, right, f=factor: _boxed(_value(left) + f * right)),
            ),
        )


def _extreme(name: str, choose: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    def chosen(items: list[Any]) -> Any:
        if not items:
            raise ValueError(f"{name} called on empty list")
        return choose(items)

    return chosen


def _sum(items: list[Any]) -> Any:
    durations = bool(items) and isinstance(items[0], dt.timedelta)
    return sum(items, dt.timedelta()) if durations else sum(items)


def _lists() -> Iterator[_Function]:
    def of_ordered(name: str, implementation: Callable[[list[Any]], Any], result: Any = None) -> _Function:
        overloads = tuple((result or one, (T.List(one),)) for one in _ORDERED)
        return _Function(name, overloads, (((T.LIST,), implementation),))

    yield of_ordered("isSorted", lambda items: all(a <= b for a, b in itertools.pairwise(items)), T.BOOL)
    yield of_ordered("min", _extreme("min", min))
    yield of_ordered("max", _extreme("max", max))
    yield _Function("sum", tuple((one, (T.List(one),)) for one in _SUMMABLE), (((T.LIST,), _sum),))


def _finds() -> Iterator[_Function]:
    def find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
        found = (match[0] for match in re.finditer(pattern, text))
        return list(found if limit < 0 else itertools.islice(found, limit))

    def find(text: str, pattern: str) -> str:
        return next(iter(find_all(text, pattern, 1)), "")

    strings = (T.STRING, T.STRING)
    yield _Function("find", ((T.STRING, strings),), ((strings, find),))
    yield _Function(
        "findAll",
        ((T.List(T.STRING), strings), (T.List(T.STRING), (*strings, T.INT))),
        ((strings, find_all), ((*strings, T.INT), find_all)),
    )


_FUNCTIONS = (*_quantities(), *_lists(), *_finds())


def declarations() -> list[Any]:
    """Return the declarations of all functions for the compiler."""
    return [function.declared() for function in _FUNCTIONS]


def implementations() -> list[Any]:
    """Return the declarations of all functions for the interpreter, which looks at kinds of values only."""
    return [function.implemented() for function in _FUNCTIONS]


def comparisons() -> Any:
    """Return the extension by which the compiler lets numbers of different types be compared, as Kubernetes does."""
    pairs = [(one, other) for one in _NUMBERS for other in _NUMBERS if one != other]
    operators = {"_<_": "less", "_<=_": "less_equals", "_>_": "greater", "_>=_": "greater_equals"}
    declared = [
        cel.FunctionDecl(
            operator,
            [cel.Overload(f"{name}_{a.name()}_{b.name()}".lower(), T.BOOL, [a, b]) for a, b in pairs],
        )
        for operator, name in operators.items()
    ]
    return cel.CelExtension("kubernetes.comparisons", declared)
