"""JSON and YAML as the API server reads them, with the words of Go's decoder in what it refuses.

Users see these words in a dead letter's reason, so the embedded API must not show them Python's.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

_SHOWN = 30
_SURROGATE = re.compile(rb"\\[uU]0*[dD][89a-fA-F]")


class MalformedBodyError(ValueError):
    """A body that is no JSON or YAML; its text is the one of the real decoder."""


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: the JSON data model, so no timestamps."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_json(body: bytes) -> Any:
    """Parse JSON.

    Raises:
        MalformedBodyError: it is none, or nested too deeply.
    """
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        raise MalformedBodyError(_words(error)) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise MalformedBodyError(str(error)) from error


def load_yaml(body: bytes) -> Any:
    """Parse YAML (and so JSON).

    Raises:
        MalformedBodyError: it is none, or nested too deeply.
    """
    try:
        value = yaml.load(body, _Loader)  # noqa: S506 - a subclass of SafeLoader
        if _SURROGATE.search(body):
            json.dumps(value, ensure_ascii=False).encode()  # unlike JSON, YAML has no pairs of halves
    except UnicodeEncodeError as error:
        raise MalformedBodyError(
            "error converting YAML to JSON: yaml: found invalid Unicode character escape code"
        ) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise MalformedBodyError(f"error converting YAML to JSON: yaml: line {line}: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise MalformedBodyError(f"error converting YAML to JSON: yaml: {error}") from error
    return value


def _words(error: json.JSONDecodeError) -> str:
    """Translate Python's message to Go's."""
    if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated"):
        return "unexpected end of JSON input"
    where = {
        "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
        "Expecting ':' delimiter": "after object key",
        "Expecting ',' delimiter": "after object key:value pair",
        "Extra data": "after top-level value",
    }.get(error.msg, "looking for beginning of value")
    return f"invalid character '{error.doc[error.pos]}' {where}"


def summary(body: bytes) -> str:
    """Return as much of a body as the real server shows: text if it looks like JSON, else hexadecimal."""
    if not body:
        return "<empty>"
    head = body[:_SHOWN]
    shown = head.decode(errors="replace") if body.startswith(b"{") else head.hex()
    return shown + (" ..." if len(body) > _SHOWN else "")
