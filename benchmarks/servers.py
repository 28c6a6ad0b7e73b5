"""The API server of a benchmark: the real one where it has been built, else the embedded one; the table says which."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.control_plane import ControlPlane, MissingBinariesError
from tests.support.crds import install_crds
from worker.dev.argo.client import ApiClient

NAMESPACE = "argo"


@asynccontextmanager
async def kubernetes_api(*, real: bool) -> AsyncIterator[Path]:
    """Start an API server with the Workflow CRD and the namespace ``argo``; yields a kubeconfig.

    Raises:
        MissingBinariesError: ``real`` was asked for and has not been built.
    """
    with tempfile.TemporaryDirectory() as folder:
        if real:
            with ControlPlane() as plane:
                install_crds(plane)
                await _namespace(plane.kubeconfig())
                yield plane.kubeconfig()
            return
        kubeconfig = Path(folder) / "kubeconfig"
        server = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "worker.dev.kubernetes",
            "--kubeconfig",
            str(kubeconfig),
            stdout=asyncio.subprocess.PIPE,
        )
        assert server.stdout is not None
        json.loads(await server.stdout.readline())
        try:
            await _namespace(kubeconfig)
            yield kubeconfig
        finally:
            server.terminate()
            await server.wait()


async def _namespace(kubeconfig: Path) -> None:
    async with ApiClient.from_kubeconfig(kubeconfig) as client:
        await client.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})


def real_is_built() -> bool:
    """Tell whether the real API server can be started here."""
    try:
        ControlPlane().__exit__(None, None, None)
    except MissingBinariesError:
        return False
    return True
