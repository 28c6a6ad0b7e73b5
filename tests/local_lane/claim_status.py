"""The status of a claim, as the Composition writes it from the Objects of provider-kubernetes.

A second rendering of the rules that stand in the Composition's template; a unit test holds it against the golden
renders of the cases that are about the status.
"""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]
#: Names of the composed resources, in the order in which reasons are listed.
COMPOSED = ("serviceaccount", "deployment", "service", "scaledobject")
_FAILING = ("Available", "Progressing", "Ready")


def claim_status(name: str, objects: dict[str, Manifest]) -> Manifest:
    """Return `ready`, `replicas`, `readyReplicas` and `reasons` of a claim.

    Args:
        name: Of the claim.
        objects: Name of the composed resource → Object with its conditions and the live manifest; without those that
            do not exist yet.
    """
    reasons = [reason for kind in COMPOSED for reason in _reasons(_title(kind, name), objects.get(kind, {}))]
    pods = _live(objects.get("deployment", {})).get("status", {})
    return {
        "ready": not reasons,
        "replicas": pods.get("replicas", 0),
        "readyReplicas": pods.get("readyReplicas", 0),
        "reasons": reasons,
    }


def observed(live: Manifest | None, error: str = "") -> Manifest:
    """Return the Object that provider-kubernetes would have for a composed resource.

    Args:
        live: The resource, ``None`` if it does not exist.
        error: Why it could not be applied.
    """
    synced = (
        _condition("Synced", "False", "ReconcileError", error)
        if error
        else _condition("Synced", "True", "ReconcileSuccess")
    )
    if live is None:
        ready = _condition("Ready", "False", "Creating")
    elif is_ready(live):
        ready = _condition("Ready", "True", "Available")
    else:
        ready = _condition("Ready", "False", "Unavailable")
    provider = {} if live is None else {"atProvider": {"manifest": live}}
    return {"status": {"conditions": [synced, ready], **provider}}


def is_ready(live: Manifest) -> bool:
    """Return whether a composed resource works, as the readiness policy of its Object says."""
    status = live.get("status", {})
    conditions = {entry["type"]: entry["status"] for entry in status.get("conditions", [])}
    if live["kind"] == "Deployment":
        return bool(
            status.get("observedGeneration") == live["metadata"]["generation"]
            and conditions.get("Available") == "True"
            and conditions.get("Progressing") != "False"
        )
    return live["kind"] != "ScaledObject" or conditions.get("Ready") == "True"


def _reasons(resource: str, found: Manifest) -> list[Manifest]:
    synced, ready = _find(found, "Synced"), _find(found, "Ready")
    if synced.get("status") == ready.get("status") == "True":
        return []
    reasons = []
    if synced.get("status") == "False":
        reasons.append(_reason(resource, synced))
    for condition in _live(found).get("status", {}).get("conditions", []):
        fails = condition["status"] == "False" and condition["type"] in _FAILING
        if fails or (condition["status"] == "True" and condition["type"] == "ReplicaFailure"):
            reasons.append(_reason(resource, condition))
    if reasons:
        return reasons
    why, message = ready.get("reason") or "Creating", ready.get("message") or "not ready yet"
    return [{"resource": resource, "reason": why, "message": message if found else "not created yet"}]


def _reason(resource: str, condition: Manifest) -> Manifest:
    why = condition.get("reason") or condition["type"]
    return {"resource": resource, "reason": why, "message": condition.get("message", "")}


def _title(kind: str, name: str) -> str:
    titles = {
        "serviceaccount": f"ServiceAccount/{name}",
        "deployment": f"Deployment/{name}",
        "service": f"Service/{name}",
        "scaledobject": f"ScaledObject/{name}-scaler",
    }
    return titles[kind]


def _live(found: Manifest) -> Manifest:
    live: Manifest = found.get("status", {}).get("atProvider", {}).get("manifest", {})
    return live


def _find(found: Manifest, kind: str) -> Manifest:
    conditions = found.get("status", {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == kind), {})


def _condition(kind: str, status: str, reason: str, message: str = "") -> Manifest:
    return {"type": kind, "status": status, "reason": reason, **({"message": message} if message else {})}
