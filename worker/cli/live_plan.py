"""``plan --live``: the same comparison as offline, with what is recorded; reads only."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from contracts.names import EVENTS_STREAM
from worker.cli.connect import with_desk
from worker.cli.plan_view import PlanView, of_rejection, understand, view
from worker.domain.events import Delivery
from worker.domain.record import Record
from worker.errors import Rejected

if TYPE_CHECKING:
    from worker.cli.documents import Outgoing
    from worker.outbound.desk import Desk


def live_plans(documents: list[Outgoing]) -> list[PlanView]:
    """Return the plan of each document against the record as it is now.

    Raises:
        Unavailable: NATS does not answer.
    """

    async def plans(desk: Desk) -> list[PlanView]:
        return [await _plan(desk, one) for one in documents]

    return with_desk(plans)


async def _plan(desk: Desk, outgoing: Outgoing) -> PlanView:
    place = await desk.next_place()
    try:
        event = understand(outgoing, Delivery(EVENTS_STREAM, place.incarnation, place.sequence, time.time()))
    except Rejected as error:
        return of_rejection(outgoing, error)
    records = {record.app.name: record for record in await desk.records(event.app.namespace)}
    record = records.pop(event.app.name, Record(event.app))
    return view(outgoing, event, record, records, desk.instance)
