"""Argo's `{{…}}` tags: one pass over the JSON text of a template, a task or a pod.

A pass works on text, so what a value brings along is text too, and the next pass over the same JSON expands it. Written
after `util/template` of Argo 4.1.2, errors included, because the dangers of user values are in exactly these details.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from worker.dev.argo.expression_tag import (
    MissingVariableError,
    SubstitutionError,
    demanded,
    nested,
    quoted,
    replacement,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

#: Of a DAG's tasks and of steps the outputs are known when their tag is reached: a missing one is waited for.
OUTPUTS = frozenset({"tasks", "steps"})
_OPEN, _CLOSE = "{{", "}}"

__all__ = ["OUTPUTS", "MissingVariableError", "SubstitutionError", "substitute", "substituted", "tags"]


def substitute(text: str, scope: Mapping[str, str | None], *, strict: Collection[str] = ()) -> str:
    """Replace the tags of a JSON text once; what is not in scope stays as it is.

    Args:
        text: JSON.
        scope: value by tag, such as `inputs.parameters.size`.
        strict: first segments of tags that must be in scope.

    Raises:
        MissingVariableError: a strict tag is not in scope.
        SubstitutionError: a tag has no end, stands for a skipped output, or the result is no JSON.
        UnsupportedError: an expression uses what the simulator does not know.
    """
    if _OPEN not in text:
        return text
    parts: list[str] = []
    environment: dict[str, Any] | None = None
    for before, tag in _split(text):
        parts.append(before)
        if tag is None:
            continue
        if tag.startswith("="):
            environment = nested(scope) if environment is None else environment
            parts.append(replacement(tag[1:], environment, strict))
        else:
            parts.append(_simple(tag, scope, strict))
    replaced = "".join(parts)
    try:
        json.loads(replaced)
    except ValueError as error:
        message = "cannot finish template replacement because the result was invalid JSON"
        raise SubstitutionError(message) from error
    return replaced


def substituted(value: Any, scope: Mapping[str, str | None], *, strict: Collection[str] = ()) -> Any:
    """Return a value with the tags of its JSON text replaced once; raises as `substitute` does."""
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(substitute(text, scope, strict=strict)) if _OPEN in text else value


def tags(text: str) -> list[str]:
    """Return the simple tags of a text, trimmed.

    Raises:
        SubstitutionError: a tag has no end.
    """
    return [tag.strip() for _, tag in _split(text) if tag is not None and not tag.startswith("=")]


def _split(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield what stands before each tag, with the tag; at the end what follows the last one, with None."""
    while True:
        before, found, rest = text.partition(_OPEN)
        if not found:
            yield before, None
            return
        tag, closed, text = rest.partition(_CLOSE)
        if not closed:
            raise SubstitutionError(f'Cannot find end tag="}}}}" in the template starting from "{rest[:60]}"')
        yield before, tag


def _simple(tag: str, scope: Mapping[str, str | None], strict: Collection[str]) -> str:
    name = tag.strip()
    if name in scope:
        value = scope[name]
        if value is None:
            raise SubstitutionError(
                f"unable to substitute {{{{{tag}}}}}: output is an absent optional "
                "(skipped/omitted node with no default)"
            )
        return quoted(value)
    inner = tag.rfind(_OPEN)
    if inner > 0 and (value := scope.get(tag[inner + 2 :])) is not None:
        return _OPEN + tag[:inner] + quoted(value)
    if demanded(name, strict):
        raise MissingVariableError(f"failed to resolve {{{{{tag}}}}}")
    return f"{_OPEN}{tag}{_CLOSE}"
