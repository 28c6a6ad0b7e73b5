"""What an expression tag, `{{=…}}`, is replaced by; and how values are written into the JSON text around a tag."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from worker.dev.argo import expression
from worker.dev.argo.expression.functions import go_json

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: Variables that exist later only: an expression with one of them waits for a later pass.
_LATE = re.compile(r"(item|retries|lastRetry\.\w+|workflow\.status|workflow\.failures)$")
_ESCAPES = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    '"': r"\"",
    "\\": r"\\",
}


class SubstitutionError(ValueError):
    """A tag or its result is unusable: Argo ends the node as an Error."""


class MissingVariableError(SubstitutionError):
    """The output that a tag names is not there: Argo looks again and again, without an end."""


def quoted(text: str) -> str:
    """Return a text as Go's `strconv.Quote` escapes it, without the quotes; for most texts that is JSON."""
    return "".join(_ESCAPES.get(letter) or _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    code = ord(letter)
    if letter.isprintable():
        return letter
    if code < ord(" ") or letter == "\x7f":
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if letter <= "\uffff" else f"\\U{code:08x}"


def nested(scope: Mapping[str, str | None]) -> dict[str, Any]:
    """Return dotted names as maps in maps; of `a` and `a.b` only the longer one is kept."""
    root: dict[str, Any] = {}
    for name in sorted(scope, reverse=True):
        *path, last = name.split(".")
        place = root
        for part in path:
            place = place.setdefault(part, {})
        place.setdefault(last, scope[name])
    return root


def demanded(name: str, prefixes: Collection[str]) -> bool:
    """Tell whether a tag's first segment is one of those that must be in scope."""
    return name.partition(".")[0] in prefixes


def replacement(source: str, environment: Mapping[str, Any], strict: Collection[str]) -> str:
    """Return what replaces an expression tag in a JSON text, or the tag itself where Argo leaves it for later.

    Args:
        source: what follows the `=`, as it stands in the JSON text.
        environment: names as maps in maps.
        strict: first segments of names that must be known.

    Raises:
        MissingVariableError: such a name is not known.
        SubstitutionError: the expression is malformed, or cannot be evaluated though all its names are known.
        UnsupportedError: it uses what the simulator does not know.
    """
    for escape, letter in (("\\u003c", "<"), ("\\u003e", ">"), ("\\u0026", "&")):
        source = source.replace(escape, letter)
    tree = _parsed(source)
    missing = [name for name in expression.identifiers(tree) if not _known(name, environment)]
    for name in missing:
        if demanded(name, strict):
            raise MissingVariableError(f"failed to evaluate expression: {name} is missing")
    late = any(map(_LATE.match, missing))
    try:
        result = None if late else expression.evaluate(tree, environment)
        problem = f'"{source}" is nil'
    except expression.UnsupportedError:
        raise
    except expression.ExpressionError as error:
        result, problem = None, str(error)
    # An unknown first name does not compile, so not even `??` hides it: `inputs` is unknown in the first pass.
    if result is not None and all("." in name for name in missing):
        return _written(result)
    if missing or not strict:
        return f"{{{{={source}}}}}"
    raise SubstitutionError(f"failed to evaluate expression: {problem}")


def _parsed(source: str) -> expression.Node:
    try:
        return expression.parse(json.loads(f'"{source}"', strict=False))
    except expression.UnsupportedError:
        raise
    except ValueError as error:
        raise SubstitutionError(f"failed to evaluate expression: {error}") from error


def _written(result: Any) -> str:
    if isinstance(result, str):
        return go_json(result)[1:-1]
    return quoted(go_json(int(result) if isinstance(result, float) and result.is_integer() else result))


def _known(name: str, environment: Mapping[str, Any]) -> bool:
    """Tell whether a path leads somewhere; functions count as known."""
    if re.match(r"sprig(\.|$)", name) or name in expression.BUILTINS:
        return True
    place: Any = environment
    for part in name.split("."):
        if not isinstance(place, dict) or part not in place:
            return False
        place = place[part]
    return True
