"""A Workflow as the API server returns it → what decisions need to know of it.

Pure and lenient: other tools write Workflows too, and a field of a wrong type must not stop whoever looks at all of
them. Argo compresses the nodes of a large run; they are decoded here.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

from worker.domain.observed import ObservedNode, ObservedRun

if TYPE_CHECKING:
    from collections.abc import Mapping

_FINAL = {"Succeeded", "Failed", "Error"}
#: A node list that would unpack to more is not looked into: 100 tasks need some hundred KiB.
_MAX_NODES_BYTES = 32 * 1024 * 1024


def observed_run(workflow: Mapping[str, Any]) -> ObservedRun:
    """Reduce a Workflow object to an ``ObservedRun``."""
    metadata, spec, status = (_object(workflow.get(key)) for key in ("metadata", "spec", "status"))
    labels, annotations = _object(metadata.get("labels")), _object(metadata.get("annotations"))
    name, phase = _text(metadata.get("name")), _text(status.get("phase"))
    finished_at = _seconds(status.get("finishedAt"))
    return ObservedRun(
        name=name,
        namespace=_text(annotations.get("platform.io/namespace") or labels.get("app.oam.dev/namespace")),
        application=_text(annotations.get("platform.io/application") or labels.get("app.oam.dev/name")),
        delivery=_text(annotations.get("platform.io/delivery")),
        phase=phase,
        message=_text(status.get("message")),
        suspended=spec.get("suspend") is True,
        shutdown=_text(spec.get("shutdown")),
        finished=labels.get("workflows.argoproj.io/completed") == "true" or (phase in _FINAL and finished_at > 0),
        superseded_by=_text(annotations.get("platform.io/superseded-by")),
        nodes=_task_nodes(name, status),
        created_at=_seconds(metadata.get("creationTimestamp")),
        finished_at=finished_at,
    )


def _task_nodes(run: str, status: Mapping[str, Any]) -> dict[str, ObservedNode]:
    """Return the nodes of the entry DAG's own tasks, not those inside the referenced templates."""
    nodes = _object(status.get("nodes")) or _unpacked(status.get("compressedNodes"))
    return {
        _text(node.get("displayName")): ObservedNode(
            phase=_text(node.get("phase")), message=_text(node.get("message")), outputs=_outputs(node)
        )
        for node in map(_object, nodes.values())
        if node.get("boundaryID") == run and node.get("displayName")
    }


def _outputs(node: Mapping[str, Any]) -> dict[str, str]:
    parameters = _object(node.get("outputs")).get("parameters")
    return {
        _text(parameter.get("name")): _text(parameter.get("value"))
        for parameter in map(_object, parameters if isinstance(parameters, list) else ())
        if parameter.get("name") and "value" in parameter
    }


def _unpacked(packed: Any) -> dict[str, Any]:
    if not isinstance(packed, str) or not packed:
        return {}
    try:
        unpacker = zlib.decompressobj(wbits=31)
        text = unpacker.decompress(base64.b64decode(packed, validate=True), _MAX_NODES_BYTES)
        return _object(json.loads(text))
    except (binascii.Error, zlib.error, ValueError):
        return {}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _seconds(value: Any) -> float:
    try:
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else 0.0
    except ValueError:
        return 0.0
