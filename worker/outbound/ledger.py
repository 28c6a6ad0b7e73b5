"""The status stream: what became of each event, told under ids that a repetition shares.

A status is stored before its message is acknowledged, so it may be told twice; readers take each id once, and the
broker's duplicate window already does so for quick repetitions.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from contracts import strict_json
from contracts.names import (
    CLOUDEVENTS_JSON,
    STATUS_SOURCE,
    STATUS_STREAM,
    Header,
    OutboundType,
    message_id,
    status_subject,
)
from worker.outbound.breaker import Breaker, guarded
from worker.outbound.jetstream import SYSTEM, JetStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.domain.events import AppKey, Order
    from worker.domain.status import RunStatus, Status


class StatusLedger:
    """Publishes and reads status events; implements ``ports.Ledger``."""

    def __init__(
        self,
        jetstream: JetStream,
        *,
        breaker: Breaker | None = None,
        stream: str = STATUS_STREAM,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Write to ``stream`` through ``jetstream``; ``wall_clock`` stamps the events in seconds since the epoch."""
        self.breaker = breaker or Breaker(SYSTEM)
        self._js = jetstream
        self._stream = stream
        self._now = wall_clock

    @guarded
    async def publish(self, status: Status) -> None:
        """Store the status and wait for the stream's acknowledgement.

        Raises:
            Misconfigured, Unavailable: See ``JetStream``.
        """
        subject = status_subject(status.app.namespace, status.app.name, status.cause.key)
        headers = {str(Header.CONTENT_TYPE): CLOUDEVENTS_JSON}
        if status.traceparent:
            headers["traceparent"] = status.traceparent
            if status.tracestate:
                headers["tracestate"] = status.tracestate
        body = strict_json.dumps(cloud_event(status, self._now()))
        await self._js.publish(
            subject, body, stream=self._stream, message_id=message_id(subject, status.id), headers=headers
        )

    @guarded
    async def disposition_of(self, app: AppKey, key: str, delivery: str) -> str | None:
        """Return the disposition that this delivery was given already, if the newest status of its event says so.

        Args:
            app: The application.
            key: The event's key.
            delivery: Key of the delivery; two deliveries of one event id may have ended differently.

        Raises:
            Misconfigured, Unavailable: See ``JetStream``.
        """
        found = await self._js.last(self._stream, status_subject(app.namespace, app.name, key))
        if found is None:
            return None
        try:
            event = json.loads(found.body)
            known: str = event["data"]["disposition"] if event["delivery"] == delivery else ""
        except (ValueError, LookupError, TypeError):
            return None  # not one of ours
        return known or None


def cloud_event(status: Status, now: float) -> dict[str, Any]:
    """Return the structured CloudEvent of a status.

    Args:
        status: What is told.
        now: Seconds since the epoch.
    """
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": status.id,
        "source": STATUS_SOURCE,
        "type": OutboundType[status.kind.name].value,
        "subject": str(status.app),
        "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "delivery": status.cause.delivery,
        "data": _data(status),
    }
    if status.traceparent:
        event["traceparent"] = status.traceparent
    if status.tracestate:
        event["tracestate"] = status.tracestate
    return event


def _data(status: Status) -> dict[str, Any]:
    data: dict[str, Any] = {
        "application": _told(namespace=status.app.namespace, name=status.app.name)
        | (_told(uid=status.order.uid) if status.order else {}),
        "disposition": status.disposition,
    }
    if status.order is not None:
        data["order"] = _order(status.order)
    if status.run is not None:
        data["run"] = _run(status.run)
    data["components"] = [
        {"name": one.name, "type": one.type, "pattern": one.pattern, "action": one.action, "state": one.state}
        | _told(message=one.message, outputs=dict(one.outputs))
        for one in status.components
    ]
    data["unchanged"] = list(status.unchanged)
    data["skipped"] = [{"component": one.component, "type": one.type, "reason": one.reason} for one in status.skipped]
    data["errors"] = [
        _told(component=one.component, path=one.path, fix=one.fix) | {"code": one.code, "message": one.message}
        for one in status.problems
    ]
    data["warnings"] = list(status.warnings)
    data["cause"] = _told(id=status.cause.id, source=status.cause.source)
    return data


def _run(run: RunStatus) -> dict[str, Any]:
    # What is told again of a run that has been replaced meanwhile: the record has forgotten the rest of it.
    return {"name": run.name, "attempt": run.attempt or 1, "phase": run.phase or "superseded"}


def _order(order: Order) -> dict[str, Any]:
    return {"incarnation": order.incarnation, "sequence": order.sequence} | _told(
        uid=order.uid,
        created=order.created,
        generation=order.generation,
        resourceVersion=order.resource_version,
        deleted=order.deleted,
    )


def _told(**values: Any) -> dict[str, Any]:
    """Return what is not empty: the contract leaves out what is unknown."""
    return {name: value for name, value in values.items() if value}
