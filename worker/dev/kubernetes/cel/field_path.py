"""``fieldPath`` of rules: a path in JSONPath's notation, which must exist in the schema that the rule belongs to.

The reading is that of ``ValidFieldPath`` in k8s.io/apiextensions-apiserver; refusals have the path in the notation of
all others: ``.spec['a.b']`` becomes ``spec[a.b]`` for a map and ``spec.a.b`` for a field.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.dev.kubernetes.schema import Schema

_STEP = re.compile(r"\.(?P<plain>[^.\[\]]+)|\['(?P<quoted>(?:\\.|[^'\\])*)'\]")
_ESCAPE = re.compile(r"\\(.)")


def normalized(path: str, schema: Schema) -> str | None:
    """Return a path as refusals write it, or None when it leads nowhere in the schema."""
    steps = list(_STEP.finditer(path))
    if not steps or "".join(step[0] for step in steps) != path:
        return None
    found = ""
    at: Schema | None = schema
    for step in steps:
        quoted = step["quoted"]
        name = step["plain"] if quoted is None else _ESCAPE.sub(r"\1", quoted)
        if at is not None and at.properties:
            found, at = f"{found}.{name}", at.properties.get(name)
        elif at is not None:
            found, at = f"{found}[{name}]", at.additional
        if at is None:
            return None
    return found.removeprefix(".")
