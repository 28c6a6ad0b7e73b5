"""The embedded API as a process of its own: it outlives the workers that crash tests kill.

    python -m worker.dev.kubernetes --kubeconfig FILE

prints one JSON line ``{"url", "admin", "token", "kubeconfig"}`` when it is ready and ends on SIGTERM or SIGINT.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import click

from worker.dev.kubernetes.admin import Admin
from worker.dev.kubernetes.kubeconfig import write
from worker.dev.kubernetes.server import SHIPPED_DEFINITIONS, KubernetesApi


async def _serve(port: int, admin_port: int, kubeconfig: Path | None, definitions: Path, history: int) -> None:
    api = KubernetesApi(history=history, definitions=definitions)
    admin = Admin(api.cluster)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        url = await api.start(port=port)
        ready: dict[str, object] = {
            "url": url,
            "admin": await admin.start(port=admin_port),
            "token": api.token,
            "pid": os.getpid(),
        }
        if kubeconfig is not None:
            write(kubeconfig, api.kubeconfig())
            ready["kubeconfig"] = str(kubeconfig)
        click.echo(json.dumps(ready))
        await stopped.wait()
    finally:
        await admin.stop()
        await api.stop()


@click.command()
@click.option("--port", default=0, show_default="a free one", help="Port of the API on loopback.")
@click.option("--admin-port", default=0, show_default="a free one", help="Port for faults, request log and tokens.")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Write a kubeconfig of the administrator here.")
@click.option(
    "--definitions",
    type=click.Path(path_type=Path, file_okay=False),
    default=SHIPPED_DEFINITIONS,
    help="Folder of CustomResourceDefinitions that are served from the start.",
)
@click.option("--history", default=4096, show_default=True, help="Changes per resource from which watches can resume.")
def main(port: int, admin_port: int, kubeconfig: Path | None, definitions: Path, history: int) -> None:
    """Serve a subset of the Kubernetes API from memory."""
    asyncio.run(_serve(port, admin_port, kubeconfig, definitions, history))


if __name__ == "__main__":
    main()
