"""The nodes of `status`: their ids, their shape, and the compressed form that Argo gives large ones.

Shapes and ids follow the controller's `NodeStatus`, since observers, the CLI and people with `kubectl` read them.
"""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Json: TypeAlias = dict[str, Any]

ENDED = frozenset({"Succeeded", "Failed", "Error", "Skipped", "Omitted"})
BROKEN = frozenset({"Failed", "Error"})
_FNV_OFFSET, _FNV_PRIME, _FNV_MASK = 0x811C9DC5, 0x01000193, 0xFFFFFFFF


def now() -> str:
    """Return the present moment as Argo writes it: RFC 3339, UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(timestamp: str) -> float:
    """Return an RFC 3339 timestamp as seconds since the epoch."""
    return datetime.fromisoformat(timestamp).timestamp()


def node_id(workflow: str, node_name: str) -> str:
    """Return a node's id: the Workflow's name and the FNV-1a hash of the node's name."""
    if node_name == workflow:
        return workflow
    digest = _FNV_OFFSET
    for byte in node_name.encode():
        digest = ((digest ^ byte) * _FNV_PRIME) & _FNV_MASK
    return f"{workflow}-{digest}"


def parameters(values: Mapping[str, str]) -> Json:
    """Return inputs or outputs with parameters."""
    return {"parameters": [{"name": name, "value": value} for name, value in values.items()]}


def root(workflow: str, template: str) -> Json:
    """Return the node of the entry DAG."""
    return {
        "id": workflow,
        "name": workflow,
        "displayName": workflow,
        "type": "DAG",
        "templateName": template,
        "templateScope": f"local/{workflow}",
        "phase": "Running",
        "startedAt": now(),
        "finishedAt": None,
        "children": [],
    }


def task(workflow: str, entry: str, name: str, reference: Mapping[str, Any], values: Mapping[str, str]) -> Json:
    """Return the node of a task that begins to run."""
    node_name = f"{workflow}.{name}"
    node: Json = {
        "id": node_id(workflow, node_name),
        "name": node_name,
        "displayName": name,
        "type": "Pod",
        "templateScope": f"local/{workflow}",
        "boundaryID": workflow,
        "phase": "Running",
        "startedAt": now(),
        "finishedAt": None,
        "progress": "0/1",
    }
    if "name" in reference:
        node["templateRef"] = {"name": reference["name"], "template": reference.get("template", "")}
    else:
        node["templateName"] = entry
    if values:
        node["inputs"] = parameters(values)
    return node


def inside(workflow: str, boundary: Json, name: str, display_name: str) -> Json:
    """Return the node of a task, step or attempt within a template that begins to run.

    Args:
        workflow: name of the Workflow.
        boundary: node of the DAG or steps that it belongs to.
        name: its whole name.
        display_name: its name for people.
    """
    return {
        "id": node_id(workflow, name),
        "name": name,
        "displayName": display_name,
        "type": "Pod",
        "templateScope": boundary["templateScope"],
        "boundaryID": boundary["id"],
        "phase": "Running",
        "startedAt": now(),
        "finishedAt": None,
    }


def omit(node: Json, message: str = "omitted: depends condition not met") -> Json:
    """Turn a fresh task node into one that never runs."""
    for name in ("inputs", "progress"):
        node.pop(name, None)
    return finish({**node, "type": "Skipped"}, "Omitted", message)


def finish(node: Json, phase: str, message: str = "", outputs: Mapping[str, str] | None = None) -> Json:
    """End a node in place and return it."""
    node["phase"], node["finishedAt"] = phase, now()
    if message:
        node["message"] = message
    if outputs:
        node["outputs"] = {**parameters(outputs), **({"exitCode": "0"} if node["type"] == "Pod" else {})}
    if node["type"] == "Pod":
        node["progress"] = "1/1" if phase == "Succeeded" else "0/1"
    return node


def progress(nodes: Mapping[str, Json]) -> str:
    """Return how many pods are done of those that exist, such as `3/7`."""
    pods = [node for node in nodes.values() if node["type"] == "Pod"]
    return f"{sum(node['phase'] == 'Succeeded' for node in pods)}/{len(pods)}"


def pack(status: Json, limit: int) -> Json:
    """Return the status as it is stored: with `compressedNodes` in place of `nodes` larger than a number of bytes."""
    kept = {name: value for name, value in status.items() if name != "compressedNodes"}
    body = json.dumps(status.get("nodes", {}), separators=(",", ":")).encode()
    if len(body) > limit:
        kept["compressedNodes"] = base64.b64encode(gzip.compress(body, mtime=0)).decode()
        kept.pop("nodes", None)
    return kept


def unpack(status: Mapping[str, Any]) -> Json:
    """Return a copy of a stored status with its nodes readable, and changeable without touching the original."""
    opened = dict(status)
    packed = opened.pop("compressedNodes", "")
    nodes = json.loads(gzip.decompress(base64.b64decode(packed))) if packed else opened.get("nodes") or {}
    opened["nodes"] = {name: dict(node) for name, node in nodes.items()}
    return opened
