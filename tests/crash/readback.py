"""Reads what streams, records and API objects say as the facts that a history is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nats.aio.msg import Msg

from contracts.names import Annotation
from tests.crash.history import DeadLetter, Made, Recorded, Told
from worker.dev.argo.operation import COMPLETED_LABEL
from worker.domain.record import ComponentRecord, Record


def completed(workflow: Mapping[str, Any]) -> bool:
    """Tell whether a Workflow is over."""
    return bool(workflow["metadata"]["labels"].get(COMPLETED_LABEL) == "true")


def recorded(record: Record, component: ComponentRecord) -> Recorded:
    """Return one component of a record."""
    value = str(component.spec.inputs.get("size", ""))
    return Recorded(str(record.app), component.identity.name, component.state.value, component.wanted, value)


def described(workflow: Mapping[str, Any]) -> str:
    """Return one Workflow on one line."""
    status, notes = workflow.get("status", {}), workflow["metadata"]["annotations"]
    words = (workflow["metadata"]["name"], status.get("phase"), status.get("message", ""))
    return f"{words} of {notes[Annotation.DELIVERY]}, replaced by {notes.get(Annotation.SUPERSEDED_BY, 'none')}"


def told(body: bytes) -> Told:
    """Return one status event."""
    event = json.loads(body)
    data = event["data"]
    kind = event["type"].split(".")[-2]
    run = data.get("run") or {}
    return Told(data["cause"].get("id", ""), event["delivery"], kind, data["disposition"], run.get("name", ""))


def dead(message: Msg) -> DeadLetter:
    """Return one dead letter."""
    headers = message.headers or {}
    return DeadLetter(
        int(headers["Dlq-Sequence"]), message.data, headers.get("Dlq-Reason", ""), headers.get("Dlq-Path", "")
    )


def made(workflow: Mapping[str, Any]) -> Made:
    """Return one Workflow."""
    meta = workflow["metadata"]
    notes = meta["annotations"]
    return Made(
        meta["uid"],
        meta["name"],
        f"{notes['platform.io/namespace']}/{notes['platform.io/application']}",
        notes["platform.io/order"],
        notes["platform.io/attempt"],
        notes["platform.io/delivery"],
        notes.get(Annotation.UID, ""),
    )
