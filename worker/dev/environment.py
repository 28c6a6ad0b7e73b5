"""The servers of ``dev`` and ``demo``: a NATS server, a Kubernetes API, a simulated Argo; up together, down together.

Everything listens on loopback, keeps its files in one temporary folder and is gone when the block ends. With the
kubeconfig of a real cluster the Kubernetes side is left to that cluster, whose Argo then runs the Workflows.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from worker.dev.argo import ArgoController, ContractRunner
from worker.dev.argo.client import ApiClient
from worker.dev.kubernetes.kubeconfig import write
from worker.dev.kubernetes.server import KubernetesApi
from worker.dev.nats_server import EmbeddedNats
from worker.settings import Settings


@dataclass(frozen=True, slots=True)
class Environment:
    """What runs, and how it is reached.

    Attributes:
        folder: Holds kubeconfig, logs and the broker's store; deleted at the end.
        api: The embedded API, ``None`` with a real cluster.
        runner: What the simulated Argo's tasks do, ``None`` with a real cluster.
    """

    folder: Path
    nats_url: str
    kubeconfig: Path
    api: KubernetesApi | None
    runner: ContractRunner | None

    def worker_variables(self, http_port: int) -> dict[str, str]:
        """Return the environment variables of a worker that uses these servers.

        Those that say how another NATS server is reached are emptied, which counts as not set.
        """
        return {
            **{name.upper(): "" for name in Settings.model_fields if name.startswith("nats_")},
            "NATS_URL": self.nats_url,
            "KUBECONFIG": str(self.kubeconfig),
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(http_port),
        }


@asynccontextmanager
async def environment(
    *, kubeconfig: Path | None = None, nats_port: int | None = None, task_seconds: float = 0.3
) -> AsyncIterator[Environment]:
    """Start the servers, and stop them at the end.

    Args:
        kubeconfig: Of a real cluster to use instead of the embedded API and Argo.
        nats_port: Port of the NATS server; ``None`` takes a free one.
        task_seconds: How long each task of the simulated Argo takes.

    Raises:
        NatsServerError: The NATS server did not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="platform-worker-"))
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        nats = await stack.enter_async_context(EmbeddedNats(folder=folder / "nats", port=nats_port))
        if kubeconfig is not None:
            yield Environment(folder, nats.url, kubeconfig, None, None)
            return
        api = await stack.enter_async_context(KubernetesApi())
        api.cluster.load({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argo"}})
        path = folder / "kubeconfig"
        write(path, api.kubeconfig())
        runner = ContractRunner(delay=task_seconds)
        await stack.enter_async_context(ArgoController(ApiClient(api.url, api.token), runner=runner))
        yield Environment(folder, nats.url, path, api, runner)
