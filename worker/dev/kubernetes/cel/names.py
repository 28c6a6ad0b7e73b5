"""Names of fields in expressions: CEL's identifiers are fewer than JSON's keys, so Kubernetes escapes some.

The rules are those of k8s.io/apiserver ``pkg/cel/escaping.go``: ``a-b`` is ``a__dash__b``, ``namespace`` is
``__namespace__``; what cannot be escaped cannot be named in an expression at all.
"""

from __future__ import annotations

import re

_RESERVED = frozenset(
    {
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"),
        *("let", "loop", "package", "namespace", "return", "var", "void", "while"),
    }
)
_PLAIN = re.compile(r"[A-Za-z_./-][A-Za-z0-9_./-]*")
_ESCAPED = re.compile(r"__|[-./]")
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}


def escaped(name: str) -> str | None:
    """Return the identifier of a field, or None when it has none."""
    if name in _RESERVED:
        return f"__{name}__"
    if not _PLAIN.fullmatch(name):
        return None
    return _ESCAPED.sub(lambda found: _ESCAPES[found[0]], name)
