"""Argo's `{{…}}` tags in argument values, as far as the project's Workflows use them.

Argo parses values again after substitution, so a value that brings a tag along is expanded too: the simulator does the
same, and a value that was not escaped is disclosed here as on a cluster.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_TAG = re.compile(r"\{\{([^{}=][^{}]*)\}\}")
_PASSES = 3


class UnresolvedTagError(ValueError):
    """A tag that stands for nothing; Argo fails the node."""


def substitute(text: str, scope: Mapping[str, str]) -> str:
    """Replace every tag in a text.

    Args:
        text: a parameter's value.
        scope: value by tag, such as `tasks.c-db.outputs.parameters.connection_secret`.

    Raises:
        UnresolvedTagError: a tag that looks like one of Argo's is not in scope. Other text in braces stays as it is.
    """
    for _ in range(_PASSES):
        if "{{" not in text:
            return text
        replaced = _TAG.sub(lambda found: _value(found[1].strip(), found[0], scope), text)
        if replaced == text:
            return text
        text = replaced
    return text


def _value(name: str, tag: str, scope: Mapping[str, str]) -> str:
    if name in scope:
        return scope[name]
    if name.partition(".")[0] in {"tasks", "inputs", "workflow", "steps"}:
        raise UnresolvedTagError(f"failed to resolve {{{{{name}}}}}")
    return tag
