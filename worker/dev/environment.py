"""The servers of ``dev`` and ``demo``: a NATS server, a Kubernetes API, a simulated Argo, a simulated provider.

They come up together and go together: everything listens on loopback, keeps its files in one temporary folder and is
gone when the block ends. With the kubeconfig of a real cluster the Kubernetes side is left to that cluster, whose Argo
and Crossplane then do the work; or only its API server is used, and the controllers are simulated on it.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import yaml

from worker.dev import installation
from worker.dev.argo import ArgoController, TemplateRunner
from worker.dev.argo.client import ApiAnswerError, ApiClient
from worker.dev.argo.informer import NotListedError
from worker.dev.kubernetes.kubeconfig import write
from worker.dev.kubernetes.server import KubernetesApi
from worker.dev.nats_server import EmbeddedNats
from worker.dev.provider import SimulatedProvider
from worker.settings import Settings

_ARGO = "argo"
#: Modules that come with the extra dev-mode, and that the embedded API needs.
_EXTRA = ("cel_expr_python",)
#: What an API server, or the file that says where it is, can be wrong with.
_UNUSABLE = (ApiAnswerError, NotListedError, aiohttp.ClientError, OSError, ValueError, yaml.YAMLError)


class KubernetesUnusable(RuntimeError):
    """The Kubernetes API cannot be used; the text says of which kubeconfig, and why."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What runs, and how it is reached.

    Attributes:
        folder: Holds kubeconfig, logs and the broker's store; deleted at the end.
        api: The embedded API, ``None`` with a real one.
        provider: Makes claims ready or lets them fail, ``None`` with a real cluster.
    """

    folder: Path
    nats_url: str
    kubeconfig: Path
    api: KubernetesApi | None
    provider: SimulatedProvider | None

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
    *,
    kubeconfig: Path | None = None,
    simulate: bool | None = None,
    nats_port: int | None = None,
    claim_seconds: float = 0.3,
    deadline: float | None = None,
    templates: Path | None = None,
) -> AsyncIterator[Environment]:
    """Start the servers, and stop them at the end.

    Args:
        kubeconfig: Of a real API server to use instead of the embedded one.
        simulate: Simulate Argo and the provider; by default when the API is the embedded one.
        nats_port: Port of the NATS server; ``None`` takes a free one.
        claim_seconds: How long the simulated provider takes for a claim.
        deadline: Longest time that a step may take, in seconds, in place of longer ones in the templates.
        templates: Folder of WorkflowTemplates to use in place of the shipped ones.

    Raises:
        NatsServerError: The NATS server did not start.
        ManifestsError: Templates or claims were not found, or were refused; or dev mode is not installed.
        KubernetesUnusable: The kubeconfig leads to no API that does what is needed.
    """
    if kubeconfig is None:
        _demand_extra()
    folder = Path(tempfile.mkdtemp(prefix="platform-worker-"))
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        nats = await stack.enter_async_context(EmbeddedNats(folder=folder / "nats", port=nats_port))
        api = None
        if kubeconfig is None:
            api = await stack.enter_async_context(KubernetesApi(provide_namespaces=True))
            kubeconfig = folder / "kubeconfig"
            write(kubeconfig, api.kubeconfig())
        provider = None
        if simulate if simulate is not None else api is not None:
            with _explained(kubeconfig):
                await _install(kubeconfig, templates, bare=api is None)
                provider = await _simulate(stack, kubeconfig, claim_seconds, deadline)
        yield Environment(folder, nats.url, kubeconfig, api, provider)


def _demand_extra() -> None:
    """Say so if the package was installed without what only dev mode needs."""
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise installation.ManifestsError(
            f"dev mode is not installed, the module {missing[0]} is missing: "
            'install the wheel again with its extra, pip install "PATH/TO/platform_worker.whl[dev-mode]"'
        )


@contextmanager
def _explained(kubeconfig: Path) -> Iterator[None]:
    """Say of what an API answers, or does not, which kubeconfig it is about."""
    try:
        yield
    except _UNUSABLE as error:
        said = error.said if isinstance(error, ApiAnswerError) else str(error)
        why = " ".join(said.split()) or type(error).__name__
        raise KubernetesUnusable(
            f"the Kubernetes API of {kubeconfig} cannot be used: {why}; check the file, and that its cluster runs"
        ) from error


async def _install(kubeconfig: Path, templates: Path | None, *, bare: bool) -> None:
    manifests = installation.shipped()
    if templates is not None:
        manifests = installation.with_templates(manifests, templates)
    if bare:
        manifests = [*installation.definitions_of_argo(), *manifests]
    async with ApiClient.from_kubeconfig(kubeconfig) as client:
        await installation.install(client, manifests, namespace=_ARGO)


async def _simulate(
    stack: AsyncExitStack, kubeconfig: Path, claim_seconds: float, deadline: float | None
) -> SimulatedProvider:
    provider = SimulatedProvider(ApiClient.from_kubeconfig(kubeconfig), seconds=claim_seconds)
    await stack.enter_async_context(provider)
    runner = TemplateRunner(ApiClient.from_kubeconfig(kubeconfig), deadline=deadline)
    await stack.enter_async_context(runner)
    await stack.enter_async_context(ArgoController(ApiClient.from_kubeconfig(kubeconfig), runner=runner))
    return provider
