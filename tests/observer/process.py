"""An observer in a process of its own, to be killed: ``python -m tests.observer.process NATS_URL KUBECONFIG``."""

from __future__ import annotations

import asyncio
import os
import sys

import nats

from contracts.names import STATE_BUCKET
from tests.observer.platform import Tally
from worker.observer.observe import Observer
from worker.observer.settle import Settler
from worker.outbound.jetstream import JetStream
from worker.outbound.kubernetes_api import KubernetesWorkflows
from worker.outbound.kubernetes_client import KubernetesAccess, KubernetesClient
from worker.outbound.lease import Lease
from worker.outbound.ledger import StatusLedger
from worker.outbound.state_kv import KvState
from worker.outbound.workflow_watch import WorkflowWatch


class Announcing(Tally):
    """Says on standard output when it observes."""

    def observing(self, active: bool) -> None:
        super().observing(active)
        sys.stdout.write(f"observing {active}\n")
        sys.stdout.flush()


async def main(url: str, kubeconfig: str) -> None:
    client = await nats.connect(url)
    jetstream = JetStream(client)
    store, meter = KvState(jetstream), Announcing()
    async with KubernetesClient(KubernetesAccess(kubeconfig)) as kubernetes:
        workflows = KubernetesWorkflows(kubernetes, "argo")
        lease = Lease(client.jetstream(), STATE_BUCKET, "default", f"process-{os.getpid()}")
        settler = Settler(store, workflows, StatusLedger(jetstream), meter)
        await Observer(lease, WorkflowWatch(kubernetes, "argo", "default"), store, settler, meter).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
