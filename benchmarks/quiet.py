"""(a) Events with nothing to do: events per second of the worker against the bare loop, in the same run."""

from __future__ import annotations

from benchmarks.bed import broker, process
from benchmarks.report import Row
from benchmarks.servers import kubernetes_api

APPS, EVENTS = 400, 12_000


async def run() -> list[Row]:
    """Measure both, the bare loop first."""
    rates = {}
    cpu = 0.0
    async with kubernetes_api(real=False) as api:
        for what, module in (("bare", "benchmarks.bare"), ("worker", "worker")):
            async with broker() as bed:
                await bed.observe_elsewhere()
                await bed.fill(APPS, EVENTS)
                arguments = ("run",) if what == "worker" else ()
                environment = {"NATS_URL": bed.url, "KUBECONFIG": str(api)}
                async with process(module, *arguments, wait_ready=False, **environment) as measured:
                    rates[what] = await bed.drain_rate(EVENTS)
                    cpu = measured.cpu()
    return [
        Row("(a) bare nats-py loop", f"{rates['bare']:.0f} events/s"),
        Row(
            "(a) worker, nothing to do",
            f"{rates['worker']:.0f} events/s",
            f"CPU {cpu / EVENTS * 1000:.2f} ms/event with start",
        ),
        Row("(a) ratio", f"{rates['worker'] / rates['bare']:.2f}", "bar 0.5, aim 0.8"),
    ]
