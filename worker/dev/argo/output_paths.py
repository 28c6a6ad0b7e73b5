"""Output parameters of resource templates: kubectl's `jsonPath` and a part of `jqFilter`.

A path that leads nowhere is empty text for kubectl and null for jq, as on a cluster. Filters beyond paths, alternatives
and strings are refused by name.
"""

from __future__ import annotations

import json
import re
from typing import Any

_BRACES = re.compile(r"\{([^{}]*)\}")
_STEP = re.compile(
    r"""\.?(?:
    (?P<name>(?:[^\s.,\[\]$@{}\\?]|\\.)+)
  | \[(?P<place>\d+)\]
  | \['(?P<quoted>[^']*)'\]
  | \[\?\(@\.(?P<key>[\w.]+)\s*==\s*["'](?P<value>[^"']*)["']\)\]
    )""",
    re.VERBOSE,
)
_JQ_STEP = re.compile(
    r"""(?:
    \.(?P<name>[A-Za-z_]\w*)
  | \."(?P<quoted>[^"]*)"
  | \.?\["(?P<key>[^"]*)"\]
  | \.?\[(?P<place>\d+)\]
    )\??""",
    re.VERBOSE,
)


class OutputError(ValueError):
    """A path or filter that is malformed, or that the simulator does not know."""


def json_path(value: Any, template: str) -> str:
    """Return the text that `kubectl get -o jsonpath=TEMPLATE` prints.

    Raises:
        OutputError: the template uses more than names, places and filters by equality.
    """
    return _BRACES.sub(lambda found: _printed(_follow(value, found[1].strip())), template)


def _follow(value: Any, path: str) -> list[Any]:
    literal = re.fullmatch(r"\"([^\"]*)\"|'([^']*)'", path)
    if literal:
        return [literal[1] or literal[2] or ""]
    found, at = [value], 1 if path.startswith("$") else 0
    while at < len(path) and path[at:] != ".":
        step = _STEP.match(path, at)
        if step is None or step.end() == at:
            raise OutputError(f"the simulator does not know {path[at:]!r} in the jsonPath {path!r}")
        found = [one for place in found for one in _step(place, step)]
        at = step.end()
    return found


def _step(value: Any, step: re.Match[str]) -> list[Any]:
    name = re.sub(r"\\(.)", r"\1", step["name"]) if step["name"] else step["quoted"]
    if name is not None:
        return [value[name]] if isinstance(value, dict) and name in value else []
    if not isinstance(value, list):
        return []
    if step["place"] is not None:
        return value[int(step["place"]) :][:1]
    path = step["key"].split(".")
    return [item for item in value if _text(_descend(item, path)) == step["value"]]


def _descend(value: Any, path: list[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _printed(values: list[Any]) -> str:
    return " ".join(map(_text, values))


def jq_filter(value: Any, program: str) -> str:
    """Return what gojq prints: paths, `//`, string and number literals, `tostring`, `tojson`, and pipes of these.

    Raises:
        OutputError: the filter uses anything else, or does not fit the object.
    """
    for stage in _outside_strings(program, "|"):
        value = _alternatives(value, stage.strip(), program)
    return value.strip() if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _alternatives(value: Any, stage: str, program: str) -> Any:
    found: Any = None
    for choice in _outside_strings(stage, "//"):
        found = _term(value, choice.strip(), program)
        if found is not None and found is not False:
            break
    return found


def _term(value: Any, term: str, program: str) -> Any:
    if term == ".":
        return value
    if term == "tostring":
        return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if term == "tojson":
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if not term.startswith("."):
        try:
            return json.loads(term)
        except ValueError as error:
            raise OutputError(f"the simulator does not know {term!r} in the jqFilter {program!r}") from error
    at = 0
    while at < len(term):
        step = _JQ_STEP.match(term, at)
        if step is None:
            raise OutputError(f"the simulator does not know {term[at:]!r} in the jqFilter {program!r}")
        value = _jq_step(value, step, program)
        at = step.end()
    return value


def _jq_step(value: Any, step: re.Match[str], program: str) -> Any:
    if value is None:
        return None
    if step["place"] is not None and isinstance(value, list):
        return next(iter(value[int(step["place"]) :]), None)
    name = step["name"] or step["quoted"] or step["key"]
    if name is not None and isinstance(value, dict):
        return value.get(name)
    raise OutputError(f"the jqFilter {program!r} does not fit: cannot index a {type(value).__name__}")


def _outside_strings(text: str, separator: str) -> list[str]:
    pieces = re.split(rf"({re.escape(separator)})(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", text)
    return pieces[::2]
