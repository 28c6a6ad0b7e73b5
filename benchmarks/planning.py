"""(c) Planning alone, for 10, 50 and 200 components: time per plan and how it grows."""

from __future__ import annotations

import time

from benchmarks import applications
from benchmarks.report import Row
from worker.domain.events import AppKey
from worker.domain.model import ComponentSpec, Identity, Reference, ReferenceKind
from worker.domain.planner import PlanContext, make_plan
from worker.domain.record import Record

SIZES = (10, 50, 200)


def run() -> list[Row]:
    """Plan the creation of an application of each size; the fastest of several rounds counts."""
    times = {size: _best(size) for size in SIZES}
    growth = times[200] / times[10] / 20
    rows = [Row(f"(c) plan of {size} components", f"{1000 * value:.2f} ms") for size, value in times.items()]
    return [*rows, Row("(c) growth, 200 against 10", f"{growth:.2f} times linear", "bar: 10 in ≤ 1 ms, linear")]


def _best(size: int, rounds: int = 30) -> float:
    app = AppKey(applications.NAMESPACE, "plan")
    specs = _specs(size)
    context = PlanContext(applications.INSTANCE, app, "plan-1-1-0123456789")
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        make_plan(Record(app), specs, {}, context)
        times.append(time.perf_counter() - began)
    return min(times)


def _specs(size: int) -> list[ComponentSpec]:
    """Return normalised components: half databases, half services that refer to them."""
    half = size // 2
    databases = [
        ComponentSpec(Identity(f"db-{i}", "postgresql"), {"size": "small", "version": "16"}) for i in range(half)
    ]
    services = [
        ComponentSpec(
            Identity(f"api-{i}", "webservice"),
            {"language": "python"},
            {"database": Reference(ReferenceKind.SIBLING, f"db-{i % half}")},
        )
        for i in range(size - half)
    ]
    return [*databases, *services]
