"""Records and runs made by hand, for tests of what stores and builds them."""

from __future__ import annotations

from worker.domain.events import AppKey, Order, OwnerKind
from worker.domain.model import (
    Action,
    ComponentSpec,
    Identity,
    OutputOf,
    Pattern,
    Problem,
    Reference,
    ReferenceKind,
    Task,
)
from worker.domain.record import (
    Cause,
    ComponentRecord,
    Disposition,
    Owner,
    PastDisposition,
    Phase,
    Record,
    Run,
    StaleRun,
    State,
    Tombstone,
)

INCARNATION = "2026-11-21T06:00:00+00:00"
ORDER = Order(INCARNATION, 17, "uid-1", "2026-11-21T05:00:00Z", 3, 4711)
CAUSE = Cause("evt-1", "urn:test", "abcdef0123456789", f"{INCARNATION}:17")


def a_record(components: int = 2, *, app: AppKey | None = None) -> Record:
    """Return a record with every field set."""
    app = app or AppKey("default", "shop")
    names = [f"part-{number}" for number in range(components)]
    run_name = f"{app.name}-3-1-0123456789"
    return Record(
        app,
        Owner(OwnerKind.APPLICATION, "uid-1", "oam-driven"),
        ORDER,
        Run(
            run_name,
            1,
            ORDER,
            CAUSE,
            Phase.CONFIRMED,
            tasks=tuple(_task(app, name, number) for number, name in enumerate(names)),
            accepted_at=1_790_000_000.5,
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        (StaleRun("shop-2-1-9876543210", f"{INCARNATION}:16"),),
        tuple(_component(name, run_name) for name in names),
        dispositions=(
            PastDisposition(f"{INCARNATION}:15", Disposition.UNCHANGED),
            PastDisposition(
                f"{INCARNATION}:14",
                Disposition.REJECTED,
                problems=(Problem("unknown-type", "no such type", "$.spec.components[0].type", "part-0", "fix it"),),
            ),
        ),
        tombstones=(Tombstone("uid-0", 1_780_000_000.0),),
    )


def _task(app: AppKey, name: str, number: int) -> Task:
    return Task(
        f"c-{name}",
        Identity(name, "postgresql"),
        Pattern.INFRASTRUCTURAL,
        Action.CREATE,
        "pattern3-infrastructure-workflow",
        "main",
        ("c-part-0",) if number else (),
        {"application": app.name, "component": name, "infrastructure_type": "postgresql", "size": "small"},
        {"database_secret": OutputOf("c-part-0", "connection_secret")} if number else {},
        "d" * 32,
        "new",
    )


def _component(name: str, run: str) -> ComponentRecord:
    return ComponentRecord(
        ComponentSpec(
            Identity(name, "postgresql", "vc-1"),
            {"size": "small", "replicas": 3, "nested": {"list": [1, 2.5, None, True, "x"]}},
            {"database": Reference(ReferenceKind.FOREIGN, "db", "other")},
            ("part-0",),
        ),
        wanted=False,
        state=State.APPLIED,
        digest="d" * 32,
        outputs={"connection_secret": f"shop-{name}-connection"},
        resolved={"database_secret": "other-db-connection"},
        run=run,
        referrers=("billing/api",),
    )
