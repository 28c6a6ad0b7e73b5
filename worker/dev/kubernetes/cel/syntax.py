"""The syntax tree of an expression, as far as it takes to find loops and patterns in it.

The library writes it as ``cel.expr.ParsedExpr`` (cel-spec ``proto/cel/expr/syntax.proto``) but brings no classes to
read that. What is not described here stays in the tree unread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

if TYPE_CHECKING:
    from collections.abc import Iterator

_Field = descriptor_pb2.FieldDescriptorProto
_STRING, _NUMBER, _EXPR = "string", "int64", "Expr"
_SCALARS = {_STRING: _Field.TYPE_STRING, _NUMBER: _Field.TYPE_INT64}
#: Message → field → number and type; ``*`` marks what is repeated.
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "ParsedExpr": {"expr": (2, _EXPR), "source_info": (3, "SourceInfo")},
    "SourceInfo": {"positions": (4, "*Position")},
    "Position": {"key": (1, _NUMBER), "value": (2, _NUMBER)},
    "Expr": {
        "id": (2, _NUMBER),
        "const_expr": (3, "Constant"),
        "ident_expr": (4, "Ident"),
        "select_expr": (5, "Select"),
        "call_expr": (6, "Call"),
        "list_expr": (7, "CreateList"),
        "struct_expr": (8, "CreateStruct"),
        "comprehension_expr": (9, "Comprehension"),
    },
    "Constant": {"string_value": (6, _STRING)},
    "Ident": {"name": (1, _STRING)},
    "Select": {"operand": (1, _EXPR)},
    "Call": {"target": (1, _EXPR), "function": (2, _STRING), "args": (3, "*Expr")},
    "CreateList": {"elements": (1, "*Expr")},
    "CreateStruct": {"entries": (2, "*Entry")},
    "Entry": {"map_key": (3, _EXPR), "value": (4, _EXPR)},
    "Comprehension": {
        "iter_var": (1, _STRING),
        "iter_range": (2, _EXPR),
        "accu_var": (3, _STRING),
        "accu_init": (4, _EXPR),
        "loop_condition": (5, _EXPR),
        "loop_step": (6, _EXPR),
        "result": (7, _EXPR),
    },
}


def _parsed_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="syntax.proto", package="syntax", syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, of) in fields.items():
            made = message.field.add(name=field, number=number, type=_SCALARS.get(of, _Field.TYPE_MESSAGE))
            made.label = _Field.LABEL_REPEATED if of.startswith("*") else _Field.LABEL_OPTIONAL
            if of not in _SCALARS:
                made.type_name = f".syntax.{of.removeprefix('*')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("syntax.ParsedExpr"))


_Parsed = _parsed_class()
_TYPE = "type.googleapis.com/cel.expr.ParsedExpr"


def tree_of(serialized: bytes) -> Any:
    """Return the tree of an expression that the library has serialized without checking it."""
    return _Parsed.FromString(any_pb2.Any.FromString(serialized).value).expr


def serialized(tree: Any) -> bytes:
    """Return a tree, or a part of one, as the library reads it."""
    parsed = _Parsed()
    parsed.expr.CopyFrom(tree)
    return bytes(any_pb2.Any(type_url=_TYPE, value=parsed.SerializeToString()).SerializeToString())


def outermost_loops(tree: Any) -> Iterator[Any]:
    """Yield the nodes of a tree that are loops and are within no other loop."""
    if tree.DESCRIPTOR.name == _EXPR and tree.HasField("comprehension_expr"):
        yield tree
        return
    for part in _parts(tree):
        yield from outermost_loops(part)


def patterns(written: bytes) -> Iterator[tuple[str, str, int]]:
    """Yield the regular expressions that are written out in an expression: the function, the pattern, and where it is.

    The place is the number of characters before it.
    """
    parsed = _Parsed.FromString(any_pb2.Any.FromString(written).value)
    places = {position.key: position.value for position in parsed.source_info.positions}
    for call in _calls(parsed.expr):
        if call.function in _TAKE_PATTERNS and call.args and call.args[0].const_expr.HasField("string_value"):
            pattern = call.args[0]
            yield call.function, pattern.const_expr.string_value, places.get(pattern.id, 0)


def _calls(tree: Any) -> Iterator[Any]:
    if tree.DESCRIPTOR.name == "Call":
        yield tree
    for part in _parts(tree):
        yield from _calls(part)


def _parts(tree: Any) -> Iterator[Any]:
    for field, value in tree.ListFields():
        if field.message_type is not None:
            yield from value if isinstance(value, _Repeated) else (value,)


_TAKE_PATTERNS = frozenset({"matches", "find", "findAll"})
_Repeated = type(_Parsed().expr.call_expr.args)
