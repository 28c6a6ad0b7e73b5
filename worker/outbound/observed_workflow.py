"""A Workflow as the API server returns it → what decisions need to know of it.

Pure and lenient: other tools write Workflows too, and a field of a wrong type must not stop whoever looks at all of
them. Argo compresses the nodes of a large run; they are decoded here.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

from worker.domain.observed import ObservedNode, ObservedRun

if TYPE_CHECKING:
    from collections.abc import Mapping

_FINAL = {"Succeeded", "Failed", "Error"}
_FAULTY = {"Failed", "Error"}
#: Nodes that are looked at for one cause; ours have two levels of a few steps.
_MAX_VISITS = 100
_ONLY_A_CHILD = re.compile(r"child '[^']*' (failed|errored)|No more retries left")
#: Output of the step that looks at a claim after waiting for it has failed.
_REASON = "reason"
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
    """Return the nodes of the entry DAG's own tasks; of what is inside the referenced templates only causes matter."""
    nodes = _object(status.get("nodes")) or _unpacked(status.get("compressedNodes"))
    inside: dict[str, list[dict[str, Any]]] = {}
    attempts: set[str] = set()
    for node in map(_object, nodes.values()):
        inside.setdefault(_text(node.get("boundaryID")), []).append(node)
        if node.get("type") == "Retry":
            attempts.update(map(_text, _list(node.get("children"))))
    return {
        _text(node.get("displayName")): ObservedNode(
            phase=_text(node.get("phase")),
            message=_cause(node, nodes, inside, set()),
            outputs=_outputs(node),
        )
        for node in inside.get(run, ())
        if node.get("displayName") and _text(node.get("id")) not in attempts
    }


def _cause(
    node: Mapping[str, Any], nodes: Mapping[str, Any], inside: Mapping[str, list[dict[str, Any]]], visited: set[str]
) -> str:
    """Return why a node is as it is: of a failed one, what the first failed node inside of it says.

    A task's own message is only "child 'shop-3-1-…-123' failed" when its template has steps. What the template found
    out about the failure comes first: that a deadline passed says nothing of what was waited for.
    """
    message = _text(node.get("message"))
    name = _text(node.get("id"))
    if _text(node.get("phase")) not in _FAULTY or name in visited or len(visited) > _MAX_VISITS:
        return message
    visited.add(name)
    parts = list(inside.get(name, ()))
    if node.get("type") == "Retry":
        # Only the last attempt counts: the ones before it were repeated.
        parts += [_object(nodes.get(_text(child))) for child in _list(node.get("children"))[-1:]]
    failed = [part for part in parts if _text(part.get("phase")) in _FAULTY]
    for part in sorted(failed, key=lambda one: _text(one.get("startedAt"))):
        found = _cause(part, nodes, inside, visited)
        if found and not _ONLY_A_CHILD.fullmatch(found):
            message = found
            break
    reasons = [reason for part in parts if (reason := _outputs(part).get(_REASON, ""))]
    return " ".join(filter(None, (reasons[0], message and f"({message})"))) if reasons else message


def _outputs(node: Mapping[str, Any]) -> dict[str, str]:
    return {
        _text(parameter.get("name")): _text(parameter.get("value"))
        for parameter in map(_object, _list(_object(node.get("outputs")).get("parameters")))
        if parameter.get("name") and "value" in parameter
    }


def _unpacked(packed: Any) -> dict[str, Any]:
    if not isinstance(packed, str) or not packed:
        return {}
    try:
        unpacker = zlib.decompressobj(wbits=31)
        text = unpacker.decompress(base64.b64decode(packed, validate=True), _MAX_NODES_BYTES)
        return _object(json.loads(text))
    except (binascii.Error, zlib.error, ValueError, RecursionError):
        return {}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _seconds(value: Any) -> float:
    try:
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else 0.0
    except ValueError:
        return 0.0
