"""(d) Start and resident memory, and (e) whether memory grows with the number of events that were handled."""

from __future__ import annotations

import asyncio

from benchmarks.bed import broker, process
from benchmarks.report import Row
from benchmarks.servers import kubernetes_api

APPS, FEW, MANY = 200, 10_000, 100_000
STARTS = 3


async def start() -> list[Row]:
    """Measure the time from starting the process to its first 200 on ``/ready``, and its memory then."""
    times, memory = [], []
    async with kubernetes_api(real=False) as api, broker() as bed:
        for _ in range(STARTS):
            async with process("worker", "run", NATS_URL=bed.url, KUBECONFIG=str(api)) as worker:
                times.append(worker.ready_after)
                memory.append(worker.resident())
    return [
        Row("(d) process start → ready", f"{min(times):.2f} s", f"best of {STARTS}; bar ≤ 2 s"),
        Row("(d) resident when ready", f"{max(memory):.0f} MB", "bar ≤ 120 MB"),
    ]


async def growth(many: int = MANY) -> list[Row]:
    """Compare the memory after few and after many events in one process."""
    async with kubernetes_api(real=False) as api, broker() as bed:
        await bed.fill(APPS, FEW)
        async with process("worker", "run", wait_ready=False, NATS_URL=bed.url, KUBECONFIG=str(api)) as worker:
            await bed.drain_rate(FEW)
            await asyncio.sleep(1)
            before = worker.resident()
            for first in range(FEW, many, FEW):
                await bed.publish(range(first, first + FEW), APPS)
                await bed.drain_rate(FEW)
            await asyncio.sleep(1)
            after = worker.resident()
    return [
        Row(f"(e) resident after {FEW:,} events", f"{before:.0f} MB"),
        Row(
            f"(e) resident after {many:,} events", f"{after:.0f} MB", f"{100 * (after / before - 1):+.1f} %, bar +10 %"
        ),
    ]
