"""The syntax tree of an expression, and the names that it needs.

Which names are needed decides in Argo whether a tag is replaced now, left for later, or waited for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, string, `true`, `false` or `nil`."""

    value: Any


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """`base.name`, `base?.name` or `base[key]`."""

    base: Node
    key: Node
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Unary:
    """`!x` or `-x`."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Conditional:
    """`test ? then : otherwise`."""

    test: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments)`; `x | f(y)` is `f(x, y)`."""

    function: Node
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[a, b]`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """`{"a": b}`."""

    items: tuple[tuple[Node, Node], ...]


Node: TypeAlias = Literal | Name | Member | Unary | Binary | Conditional | Call | ListOf | MapOf


def identifiers(node: Node) -> list[str]:
    """Return the identifiers and dotted paths of an expression, each once, as Argo asks whether they are known.

    A path whose absence `??` or `?.` handles is not among them; its first name is.
    """
    found: dict[str, None] = {}
    for name in _names(node, guarded=False):
        found.setdefault(name)
    return list(found)


def path(node: Node) -> str:
    """Return `a.b.c` for members of members of a name; `""` for anything else."""
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Member) and not node.optional:
        base, key = path(node.base), node.key
        if base and isinstance(key, Literal) and isinstance(key.value, str):
            return f"{base}.{key.value}"
    return ""


def _names(node: Node, *, guarded: bool) -> Iterator[str]:
    match node:
        case Name(name):
            yield name
        case Member(base, key, optional):
            whole = path(node)
            if whole and not guarded:
                yield whole
            yield from _names(base, guarded=guarded or (optional and isinstance(base, Member)))
            yield from _names(key, guarded=guarded)
        case Binary(operator, left, right):
            yield from _names(left, guarded=guarded or operator == "??")
            yield from _names(right, guarded=guarded)
        case _:
            for child in _children(node):
                yield from _names(child, guarded=guarded)


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case Unary(_, operand):
            return (operand,)
        case Conditional(test, then, otherwise):
            return (test, then, otherwise)
        case Call(function, arguments):
            return (function, *arguments)
        case ListOf(items):
            return items
        case MapOf(pairs):
            return tuple(one for pair in pairs for one in pair)
        case _:
            return ()
