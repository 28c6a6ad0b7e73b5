r"""User text on its way into a Workflow: nothing that a user wrote may open an Argo tag or end a line of a manifest.

Argo substitutes ``{{…}}`` in the values themselves, several times over, and its templates paste values into YAML.
Inside JSON a brace can be written as ``\u007b`` without changing the value; in any other text there is no such way,
so it is refused.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import TYPE_CHECKING

from worker.domain.model import Action
from worker.errors import Rejected

if TYPE_CHECKING:
    from worker.domain.model import Task

#: Control characters, what YAML takes for a line break or for invisible, and halves of surrogate pairs.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f]")
#: Argo writes those of them that its Go does not know to be printable (parts of flags, new emoji) as JSON cannot.
_SUPPLEMENTARY = re.compile("[\U00010000-\U0010ffff]")
_LABEL = re.compile(r"(?=.{1,63}\Z)[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?")
_NOT_LABEL = re.compile(r"[^A-Za-z0-9_.-]+")
_TAG = re.compile(r"\{(?=\{)")
_MAX_ANNOTATION = 512
#: The longest text that a field of a claim takes (`settings`, `values`), in characters.
_MAX_PARAMETER = 65_536


def literal(value: str, parameter: str, task: Task) -> str:
    """Return a parameter's value in the form in which Argo hands it on unchanged.

    Args:
        value: The value: plain text, or a JSON object or array.
        parameter: Name of the parameter, for the error.
        task: The task that gets it, for the error.

    Raises:
        Rejected: ``unsafe-value``: a plain text that opens an Argo tag or holds a control character; ``too-long``.
    """
    tagged, unsafe = "{{" in value, _unsafe(value)
    if not tagged and not unsafe:
        return _short_enough(value, parameter, task)
    if value[:1] in "{[" and _is_json(value):
        return _short_enough(escape_json(value), parameter, task)
    what = "opens an Argo tag with '{{'" if tagged else f"holds the character {unsafe!a}"
    raise Rejected(
        "unsafe-value",
        f"component {task.component!a}: the value of {parameter} {what}, which a plain text must not",
        path=_properties_of(task),
        fix="remove it from the property's value",
        component=task.component,
    )


def _short_enough(text: str, parameter: str, task: Task) -> str:
    if len(text) <= _MAX_PARAMETER or task.action is Action.REMOVE:
        return text
    raise Rejected(
        "too-long",
        f"component {task.component!a}: {parameter} has {len(text)} characters, a claim takes {_MAX_PARAMETER}",
        path=_properties_of(task),
        fix="shorten the component's properties, or keep them in a ConfigMap or repository",
        component=task.component,
    )


def _properties_of(task: Task) -> str:
    return f"$..components[?(@.name=={task.component!a})].properties"


def escape_json(text: str) -> str:
    """Escape a JSON text on one line, losslessly: braces that would open a tag, and characters that do not survive.

    Outside of strings JSON has none of them, so every place that changes is inside one.
    """
    escaped = text.replace("{{", "{\\u007b")
    escaped = _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", escaped)
    return _SUPPLEMENTARY.sub(lambda match: json.dumps(match[0])[1:-1], escaped)


def _unsafe(text: str) -> str:
    """Return the first character that a plain text must not hold, `""` if there is none."""
    if found := _UNSAFE.search(text):
        return found[0]
    return next((letter for letter in _SUPPLEMENTARY.findall(text) if not letter.isprintable()), "")


def annotation(text: str) -> str:
    """Return a foreign text for an annotation: short, on one line, without tags."""
    clean = _TAG.sub("{ ", _UNSAFE.sub("?", text))
    return clean if len(clean) <= _MAX_ANNOTATION else f"{clean[: _MAX_ANNOTATION - 1]}…"


def label_value(text: str) -> str:
    """Return ``text`` if it is a label value, else its readable beginning with a hash of all of it (63 characters)."""
    if not text or _LABEL.fullmatch(text):
        return text
    readable = _NOT_LABEL.sub("-", text)[:52].strip("-_.")
    return "-".join(part for part in (readable, digest(text, length=10)) if part)


def digest(*parts: str, length: int) -> str:
    """Return ``length`` hex digits over ``parts``; no two different sequences of parts are written alike."""
    joined = "\0".join(f"{len(part)}:{part}" for part in parts)
    return sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    # Raw control characters can only stand between the values, where no escape can take their place.
    return _CONTROL.search(text) is None
