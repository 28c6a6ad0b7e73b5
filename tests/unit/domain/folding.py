"""Records, tasks and Workflows for the tests of folding, as small as they can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.domain.classify import TYPES
from worker.domain.events import AppKey, Order
from worker.domain.model import Action, ComponentSpec, Identity, OutputOf, Reference, ReferenceKind, Task
from worker.domain.observed import ObservedNode, ObservedRun
from worker.domain.record import Cause, ComponentRecord, Phase, Record, Run, StaleRun, State

if TYPE_CHECKING:
    from collections.abc import Mapping

APP = AppKey("shop", "orders")
ORDER = Order("2026-01-01T00:00:00Z", 7, uid="u1", generation=3)
CAUSE = Cause("evt-1", "urn:test", "k1", "2026-01-01T00:00:00Z:7")
OLD_CAUSE = Cause("evt-0", "urn:test", "k0", "2026-01-01T00:00:00Z:6")
RUN = "orders-3-1-aaaaaaaaaa"
OLD = "orders-2-1-bbbbbbbbbb"
NOW = 1_800_000_000.0

DB = Identity("db", "postgresql")
API = Identity("api", "webservice")
OK = "Succeeded"


def task(identity: Identity, action: Action = Action.CREATE, **more: Any) -> Task:
    row = TYPES[identity.type]
    removal = action is Action.REMOVE
    defaults: dict[str, Any] = {
        "name": f"c-{identity.name}",
        "template": row.template,
        "entry": "teardown" if removal else "main",
        "digest": "" if removal else f"digest-of-{identity.name}",
    }
    return Task(identity=identity, pattern=row.pattern, action=action, **{**defaults, **more})


def api_task(**more: Any) -> Task:
    """The service, which is given the database's secret by this very run."""
    given = {"database_secret": OutputOf("c-db", "connection_secret")}
    return task(API, depends_on=("c-db",), **{"outputs_of": given, **more})


def spec(identity: Identity, **references: str) -> ComponentSpec:
    return ComponentSpec(
        identity, references={key: Reference(ReferenceKind.SIBLING, name) for key, name in references.items()}
    )


def component(identity: Identity, state: State = State.DIRTY, **more: Any) -> ComponentRecord:
    defaults: dict[str, Any] = {
        "spec": spec(identity, **({"database": "db"} if identity == API else {})),
        "run": RUN,
    }
    return ComponentRecord(state=state, **{**defaults, **more})


def run(*tasks: Task, phase: Phase = Phase.RUNNING, **more: Any) -> Run:
    defaults: dict[str, Any] = {"name": RUN, "attempt": 1, "order": ORDER, "cause": CAUSE, "accepted_at": NOW - 100}
    return Run(phase=phase, tasks=tasks, **{**defaults, **more})


def record(current: Run | None, *components: ComponentRecord, **more: Any) -> Record:
    defaults: dict[str, Any] = {"order": ORDER}
    return Record(APP, run=current, components=components, **{**defaults, **more})


def workflow(phase: str = "Running", nodes: Mapping[str, ObservedNode] | None = None, **more: Any) -> ObservedRun:
    over = phase in {"Succeeded", "Failed", "Error"}
    defaults: dict[str, Any] = {
        "name": RUN,
        "namespace": APP.namespace,
        "application": APP.name,
        "delivery": CAUSE.delivery,
        "created_at": NOW - 90,
        "finished": over,
        "finished_at": NOW if over else 0.0,
    }
    return ObservedRun(phase=phase, nodes=nodes or {}, **{**defaults, **more})


def node(phase: str = OK, message: str = "", **outputs: str) -> ObservedNode:
    return ObservedNode(phase, message, outputs)


def stale(**more: Any) -> StaleRun:
    defaults: dict[str, Any] = {"name": OLD, "delivery": OLD_CAUSE.delivery, "cause": OLD_CAUSE, "order": ORDER}
    return StaleRun(**{**defaults, **more})
