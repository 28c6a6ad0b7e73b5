"""A kind whose schema has CEL rules of every sort: Ruled. Each field of its spec is about one of them."""

from __future__ import annotations

from typing import Any

from tests.api.kinds import GROUP, definition

Json = dict[str, Any]
_INTEGER, _STRING = {"type": "integer"}, {"type": "string"}


def _object(properties: Json, *rules: Json, **more: Any) -> Json:
    return _ruled({"type": "object", "properties": properties, **more}, *rules)


def _ruled(schema: Json, *rules: Json) -> Json:
    return {**schema, "x-kubernetes-validations": list(rules)} if rules else schema


def _rule(rule: str, message: str = "", **more: Any) -> Json:
    return {"rule": rule, **({"message": message} if message else {}), **more}


_BOUNDS = {"low": _INTEGER, "high": _INTEGER}
_ITEM = _object(
    {"name": {**_STRING, "maxLength": 20}, "number": _INTEGER},
    _rule("self.number < 10", "an item's number is below 10", fieldPath=".number"),
    _rule("self.number >= oldSelf.number", "an item's number never falls"),
    required=["name", "number"],
)
_SPEC: Json = {
    # What a broken rule is told.
    "bounds": _object(_BOUNDS, _rule("self.low <= self.high", "low must not exceed high", fieldPath=".low")),
    "silent": _ruled(_STRING, _rule("self.startsWith('s')")),
    "told": _object(
        {"limit": _INTEGER, "value": _INTEGER, "unit": {**_STRING, "maxLength": 5}},
        _rule(
            "self.value <= self.limit",
            "told without a unit",
            messageExpression="self.value == 9 ? 'nine' : ' too many ' + self.unit + ' '",
        ),
    ),
    "untold": _object(
        {"words": {"type": "array", "items": _STRING, "maxItems": 5}},
        _rule("self.words.size() > 2", "told instead", messageExpression="self.words[3]"),
    ),
    "empty": _ruled(_STRING, _rule("self == 'x'", "told instead", messageExpression="'   '")),
    "forbidden": _ruled(_STRING, _rule("self == ''", "nobody may set it", reason="FieldValueForbidden")),
    "required": _object(
        {"one": _STRING}, _rule("has(self.one)", "one is needed", reason="FieldValueRequired", fieldPath=".one")
    ),
    "duplicate": _ruled(_INTEGER, _rule("self != 3", "3 is taken", reason="FieldValueDuplicate")),
    "taken": _object(
        {"one": _STRING}, _rule("!has(self.one)", "one is taken", reason="FieldValueDuplicate", fieldPath=".one")
    ),
    # Where a rule is asked.
    "items": {
        "type": "array",
        "maxItems": 10,
        "items": _ITEM,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    },
    "tags": {
        "type": "object",
        "maxProperties": 10,
        "additionalProperties": _ruled({**_STRING, "maxLength": 20}, _rule("self != 'bad'", "no tag is bad")),
        "x-kubernetes-validations": [_rule("self.all(key, key.size() < 6)", "keys are short")],
    },
    "nested": {
        "type": "array",
        "maxItems": 5,
        "items": {"type": "array", "maxItems": 5, "items": _ruled(_INTEGER, _rule("self > 0", "above 0"))},
    },
    "keyed": _object(
        {"map": {"type": "object", "additionalProperties": _STRING, "maxProperties": 5}},
        _rule("!has(self.map) || !('no' in self.map)", "no 'no'", fieldPath=".map['no']"),
    ),
    # Transitions.
    "fixed": _ruled(_STRING, _rule("self == oldSelf", "cannot be changed")),
    "phase": _ruled(
        _STRING,
        _rule("oldSelf.hasValue() || self == 'new'", "begins as new", optionalOldSelf=True),
        _rule("oldSelf.optMap(old, old != 'done' || self == 'done').orValue(true)", "stays done", optionalOldSelf=True),
    ),
    "orderless": _object(
        {
            "set": {
                "type": "array",
                "items": {**_STRING, "maxLength": 5},
                "maxItems": 5,
                "x-kubernetes-list-type": "set",
            },
            "map": {
                "type": "array",
                "maxItems": 5,
                "items": _object(
                    {
                        "key": {**_STRING, "maxLength": 5},
                        "values": {
                            "type": "array",
                            "items": _INTEGER,
                            "maxItems": 5,
                            "x-kubernetes-list-type": "set",
                        },
                    },
                    required=["key"],
                ),
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["key"],
            },
            "list": {"type": "array", "items": _INTEGER, "maxItems": 5},
        },
        _rule("self == oldSelf", "only the order may change"),
    ),
    # Values.
    "defaulted": _object(
        {"count": {**_INTEGER, "default": 3}, "most": {**_INTEGER, "default": 5}},
        _rule("self.count <= self.most", "count must not exceed most"),
        default={"count": 3, "most": 5},
    ),
    "escaped": _object(
        {name: {**_STRING, "maxLength": 5} for name in ("namespace", "a-b", "c.d")},
        _rule("!has(self.__namespace__) || self.__namespace__ != 'x'", "namespace is not x"),
        _rule("self.?a__dash__b.orValue('') != 'x' || self.?c__dot__d.orValue('') != 'y'", "not x and y"),
    ),
    "either": _ruled(
        {"x-kubernetes-int-or-string": True, "maxLength": 20},
        _rule("type(self) == int ? self < 10 : self.endsWith('%')", "below 10 or a percentage"),
    ),
    "guarded": _ruled({"x-kubernetes-int-or-string": True, "maxLength": 20}, _rule("self < 10", "below 10")),
    "size": _ruled(
        {**_STRING, "maxLength": 20}, _rule("quantity(self).compareTo(quantity('1Gi')) >= 0", "1Gi at least")
    ),
    "sizes": _object(
        {"request": {**_STRING, "maxLength": 20}, "limit": {**_STRING, "maxLength": 20}},
        _rule(
            "isQuantity(self.request) && quantity(self.request).add(1).isGreaterThan(quantity('0')) && "
            "!quantity(self.request).isGreaterThan(quantity(self.limit)) && quantity(self.limit).isInteger()",
            "request must not exceed limit",
        ),
    ),
    "ratio": _ruled({"type": "number"}, _rule("self < 1.5 && self * 2.0 > 1", "between 0.5 and 1.5")),
    "moment": _ruled(
        {**_STRING, "format": "date-time"}, _rule("self > timestamp('2024-01-01T00:00:00Z')", "2024 or later")
    ),
    "period": _ruled({**_STRING, "format": "duration"}, _rule("self <= duration('1h')", "an hour at most")),
    "raw": _ruled({**_STRING, "format": "byte"}, _rule("self.size() == 2", "two bytes")),
    "maybe": _ruled({**_STRING, "nullable": True}, _rule("self == 'x'", "x or nothing")),
    "numbers": _ruled(
        {"type": "array", "items": _INTEGER, "maxItems": 5}, _rule("self.sum() < 10 && self.isSorted()", "rising to 10")
    ),
    "words": _ruled(
        {**_STRING, "maxLength": 40},
        _rule("self.split(',').all(word, word.matches('^[a-zäöü]+$')) && self.find('b+') != 'bb'", "words"),
    ),
    "pairs": _ruled(
        {"type": "array", "items": {**_STRING, "maxLength": 3}, "maxItems": 120},
        _rule("self.all(one, self.exists_one(other, one == other))", "no word twice"),
    ),
    "unique": _ruled(
        {"type": "array", "items": {**_STRING, "maxLength": 5}, "maxItems": 5},
        _rule("self.all(one, self.exists_one(other, one == other))", "no word twice"),
        _rule(
            "self.filter(one, one != 'x').map(one, one.size()).exists(size, size > 0) || self.size() == 0", "not only x"
        ),
    ),
}
_ROOT_RULES = [
    _rule("self.metadata.name.size() <= 10", "names are short", fieldPath=".metadata.name"),
    _rule(
        "!has(self.status) || self.status.phase != 'Bad' || self.spec.?silent.hasValue()",
        "not bad",
        fieldPath=".status.phase",
    ),
]
SCHEMA: Json = {
    "type": "object",
    "properties": {
        "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 30}}},
        "spec": {"type": "object", "properties": _SPEC},
        "status": {
            "type": "object",
            "properties": {"phase": {"type": "string", "maxLength": 10}},
            "required": ["phase"],
        },
    },
    "x-kubernetes-validations": _ROOT_RULES,
}
DEFINITION = definition("ruleds", "Ruled", status=True, schema=SCHEMA)


def ruled(name: str = "one", **spec: Any) -> Json:
    return {"apiVersion": f"{GROUP}/v1", "kind": "Ruled", "metadata": {"name": name}, "spec": spec}


def with_schema(name: str, schema: Json) -> Json:
    """Return a definition of a kind of its own whose spec has a schema."""
    root = {"type": "object", "properties": {"spec": schema}}
    return definition(f"{name}s", name.capitalize(), status=False, schema=root)
