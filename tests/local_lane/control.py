"""The parts that the controllers of Kubernetes and KEDA need, started as processes on loopback.

Flags are as short-tempered as they can be, so that seconds are enough for what takes minutes in a cluster; no manifest
knows of them.
"""

from __future__ import annotations

import asyncio
import base64
import time
from typing import TYPE_CHECKING, Any

import yaml

from tests.support.control_plane import binaries
from tests.support.processes import ServerProcess
from tools.build import module_source
from worker.dev.loopback import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.local_lane.api import Api
    from tests.support.control_plane_api import ControlPlaneApi
    from tests.support.pki import CertificateAuthority

CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "horizontal-pod-autoscaler-controller",
    "garbage-collector-controller",
    "namespace-controller",
)
_METRICS = "v1beta1.external.metrics.k8s.io"
_PATIENCE = 60.0


def controller_manager(kubeconfig: Path, folder: Path, env: Mapping[str, str]) -> ServerProcess:
    """Start the controllers that turn a Deployment into pods, scale it and clear away what is deleted."""
    argv: list[str | Path] = [
        binaries("kube-controller-manager")["kube-controller-manager"],
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--leader-elect=false",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={free_port()}",
        f"--controllers={','.join(CONTROLLERS)}",
        "--horizontal-pod-autoscaler-sync-period=500ms",
        "--horizontal-pod-autoscaler-initial-readiness-delay=1s",
        "--horizontal-pod-autoscaler-cpu-initialization-period=1s",
    ]
    return ServerProcess("kube-controller-manager", argv, folder / "kube-controller-manager.log", env)


def keda_definitions() -> list[dict[str, Any]]:
    """Return the CRDs that KEDA ships.

    Raises:
        BuildError: the source of KEDA is not there.
    """
    folder = module_source("keda-operator", "github.com/kedacore/keda/v2") / "config" / "crd" / "bases"
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.yaml"))]


class Keda:
    """KEDA's operator and its metrics server, behind the API server's aggregation layer.

    Its kinds have to be served before it starts: else it looks again only after ten seconds.
    """

    def __init__(self, kubeconfig: Path, folder: Path, authority: CertificateAuthority) -> None:
        self._kubeconfig = kubeconfig
        self._folder = folder
        self._port = free_port()
        self._authority = authority

    def register(self, server: ControlPlaneApi) -> None:
        """Tell the API server the way to the metrics server."""
        server.expect(201, "POST", "/api/v1/namespaces", {"metadata": {"name": "keda"}})
        # The API server reaches it by the name of a Service, which here is another name of loopback.
        service = {
            "metadata": {"name": "keda-metrics-apiserver"},
            "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": self._port}]},
        }
        server.expect(201, "POST", "/api/v1/namespaces/keda/services", service)
        group, version = "external.metrics.k8s.io", "v1beta1"
        spec = {
            "service": {"name": "keda-metrics-apiserver", "namespace": "keda", "port": self._port},
            "group": group,
            "version": version,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "caBundle": base64.b64encode(self._authority.certificate.read_bytes()).decode(),
        }
        path = "/apis/apiregistration.k8s.io/v1/apiservices"
        server.expect(201, "POST", path, {"metadata": {"name": _METRICS}, "spec": spec})

    def start(self, env: Mapping[str, str]) -> list[ServerProcess]:
        """Start both processes."""
        certificates = self._certificates()
        operator_port = free_port()
        own = {
            **env,
            "KUBECONFIG": str(self._kubeconfig),
            "WATCH_NAMESPACE": "",
            "POD_NAMESPACE": "keda",
            "KEDA_CLUSTER_OBJECT_NAMESPACE": "keda",
        }
        programs = binaries("keda-operator", "keda-adapter")
        operator: list[str | Path] = [
            programs["keda-operator"],
            f"--metrics-bind-address={LOOPBACK}:{free_port()}",
            f"--health-probe-bind-address={LOOPBACK}:{free_port()}",
            f"--metrics-service-bind-address={LOOPBACK}:{operator_port}",
            f"--cert-dir={certificates}",
            "--zap-log-level=info",
        ]
        adapter: list[str | Path] = [
            programs["keda-adapter"],
            f"--bind-address={LOOPBACK}",
            f"--secure-port={self._port}",
            f"--port={free_port()}",
            f"--metrics-service-address=localhost:{operator_port}",
            f"--cert-dir={certificates}",
            f"--tls-cert-file={certificates / 'tls.crt'}",
            f"--tls-private-key-file={certificates / 'tls.key'}",
            f"--authentication-kubeconfig={self._kubeconfig}",
            f"--authorization-kubeconfig={self._kubeconfig}",
            f"--lister-kubeconfig={self._kubeconfig}",
        ]
        return [
            ServerProcess(name, argv, self._folder / f"{name}.log", own)
            for name, argv in (("keda-operator", operator), ("keda-adapter", adapter))
        ]

    def _certificates(self) -> Path:
        folder = self._folder / "keda-certificates"
        folder.mkdir()
        names = ("localhost", "keda-metrics-apiserver.keda.svc", "keda-operator.keda.svc")
        issued = self._authority.issue("keda", names=names)
        for name, source in (
            ("ca.crt", self._authority.certificate),
            ("tls.crt", issued.certificate),
            ("tls.key", issued.key),
        ):
            (folder / name).write_bytes(source.read_bytes())
        return folder


async def metrics_available(api: Api) -> None:
    """Return when the API server reaches KEDA's metrics server.

    Raises:
        TimeoutError: it does not within a minute; the message has its reason.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        found = await api.expect("GET", f"/apis/apiregistration.k8s.io/v1/apiservices/{_METRICS}")
        conditions = {entry["type"]: entry for entry in found.get("status", {}).get("conditions", [])}
        if conditions.get("Available", {}).get("status") == "True":
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"KEDA's metrics server is not available: {conditions}")
        await asyncio.sleep(0.05)
