"""Words shared by every module of the embedded API: what a JSON object is, and how it becomes bytes.

An object at rest is its JSON bytes (see ``store``), so encoding happens once per write and never per reader.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]


def encode(value: object) -> bytes:
    """Return compact JSON bytes of a value made of JSON types."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def decode(body: bytes) -> Any:
    """Parse JSON bytes that this package wrote itself."""
    return json.loads(body)


def now() -> str:
    """Return the present moment as Kubernetes writes it: RFC 3339, UTC, whole seconds."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def metadata_of(value: JsonObject) -> JsonObject:
    """Return the ``metadata`` of an object, created when it is missing or null."""
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        metadata = value["metadata"] = {}
    return metadata
