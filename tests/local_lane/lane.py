"""Starts the parts of the lane in order, and ends them in reverse, whatever happens in between.

Everything listens on loopback and keeps its files in temporary folders.
"""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.local_lane import control
from tests.local_lane.api import Api
from tests.local_lane.composer import Composer
from tests.local_lane.node.agent import Agent, node
from tests.local_lane.renders import Renders
from tests.local_lane.rules import Rules
from tests.support.control_plane import ControlPlane
from tests.support.crds import install_crds, load_crds
from tests.support.pki import CertificateAuthority
from tools.platform_api.crds import claim_crd, composite_crd, load_definition
from worker.dev.nats_server import EmbeddedNats

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.processes import ServerProcess

_DATA = Path(__file__).resolve().parents[1] / "platform" / "data"
_LOG_LINES = 15


class Part(StrEnum):
    """What runs beside the API server and the composer."""

    NATS = "nats"
    CONTROLLERS = "controllers"
    KEDA = "keda"


@dataclass
class Lane:
    """A running lane.

    Attributes:
        env: Environment for a command that uses it.
        api: Its API server.
        server: The same, for synchronous code.
        agent: The node agent, ``None`` without controllers.
        folder: Logs, and a folder for each pod.
        working: Tasks that run as long as the lane; one that ends has failed.
    """

    env: dict[str, str]
    api: Api
    server: ControlPlane
    agent: Agent | None
    folder: Path
    working: list[asyncio.Task[None]]

    def logs(self) -> str:
        """Return the ends of all logs, for people who look for what went wrong."""
        parts = []
        for path in sorted(self.folder.rglob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-_LOG_LINES:]
            parts.append("\n".join([f"--- {path.relative_to(self.folder)}", *lines]))
        return "\n".join(parts)


@asynccontextmanager
async def lane(parts: set[Part], rules: Rules) -> AsyncIterator[Lane]:
    """Start the API server, the composer and some parts.

    Args:
        parts: What runs beside them; KEDA needs the controllers.
        rules: What may differ from a golden render.

    Raises:
        MissingBinariesError: a program has not been built.
    """
    folder = Path(tempfile.mkdtemp(prefix="platform-lane-"))
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        authority = CertificateAuthority(folder, "lane-ca")
        server = stack.enter_context(ControlPlane(*_flags(authority)))
        kubeconfig = server.kubeconfig()
        env = _environment(kubeconfig)
        running: dict[str, str] = {}
        if Part.NATS in parts:
            broker = await stack.enter_async_context(EmbeddedNats(folder=folder / "nats"))
            running = {"nats": broker.url, "nats-monitoring": broker.monitor_url.removeprefix("http://")}
            env["NATS_URL"] = broker.url
        _install_definitions(server, keda=Part.KEDA in parts)

        def spawned(process: ServerProcess) -> None:
            stack.callback(process.stop)

        if Part.KEDA in parts:
            keda = control.Keda(kubeconfig, folder, authority)
            keda.register(server)
            for process in keda.start(env):
                spawned(process)
        if Part.CONTROLLERS in parts:
            spawned(control.controller_manager(kubeconfig, folder, env))
        api = await stack.enter_async_context(Api(server))
        renders = Renders()
        await renders.learn(api)
        patched = functools.partial(rules.patched, running=running, scaling=Part.KEDA in parts)
        working = [asyncio.create_task(Composer(api, renders, patched).run(), name="composer")]
        stack.push_async_callback(_ended, working)
        agent = None
        if Part.CONTROLLERS in parts:
            serving = authority.issue("kubelet")
            located = rules.located(running)
            agent = await stack.enter_async_context(node(api, rules, located, folder / "pods", serving))
            working.append(asyncio.create_task(agent.run(), name="node agent"))
            stack.push_async_callback(_ended, working)
        if Part.KEDA in parts:
            await control.metrics_available(api)
        yield Lane(env, api, server, agent, folder, working)


def _flags(authority: CertificateAuthority) -> list[str]:
    """Return the flags by which the API server trusts its own requests to KEDA's, and finds the logs of pods."""
    proxy = authority.issue("front-proxy")
    return [
        f"--requestheader-client-ca-file={authority.certificate}",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={proxy.certificate}",
        f"--proxy-client-key-file={proxy.key}",
        f"--kubelet-certificate-authority={authority.certificate}",
        "--kubelet-preferred-address-types=InternalIP",
    ]


def _environment(kubeconfig: Path) -> dict[str, str]:
    """Return the environment of this process, turned away from all clusters but the lane's."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("NATS_")}
    programs = str(Path(sys.executable).parent)  # kubectl and platform-worker
    return {
        **inherited,
        "KUBECONFIG": str(kubeconfig),
        "PATH": os.pathsep.join([programs, inherited.get("PATH", "")]),
        "LOCAL_LANE": "1",
    }


def _install_definitions(server: ControlPlane, *, keda: bool) -> None:
    definition = load_definition()
    definitions = [composite_crd(definition), claim_crd(definition), *load_crds()]
    if keda:
        definitions += control.keda_definitions()
    else:
        path = _DATA / "keda.sh_scaledobjects.yaml"
        definitions.append(yaml.safe_load(path.read_text(encoding="utf-8")))
    install_crds(server, definitions)  # all at once: each time it waits until they may be used


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
