"""A real kube-apiserver with a real etcd on loopback: API, RBAC, admission, CRDs, as far as this project meets them.

There is no controller manager: namespaces are not finalized, quotas count only what a test writes. The admin's token
belongs to `system:masters` and bypasses RBAC and flow control: tests of refusals take a service account's token.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from tests.support.control_plane_api import ControlPlaneApi
from tests.support.crds import install_crds
from tests.support.pki import CertificateAuthority, write_signing_key
from tests.support.processes import ServerProcess
from tools.build import BuildError, binary
from worker.dev.loopback import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

_START_TIMEOUT = 120.0
_POLL = 0.05


class MissingBinariesError(Exception):
    """The control plane has not been built; the message has the command that does it."""


def binaries(*names: str) -> dict[str, Path]:
    """Return where binaries are, by name; without names, those of the control plane.

    Raises:
        MissingBinariesError: one has not been built on this machine.
    """
    try:
        found = {name: binary(name) for name in names or ("etcd", "kube-apiserver")}
    except BuildError as error:
        raise MissingBinariesError(
            f"the real control plane cannot be used here: {error}; then run: make tools"
        ) from error
    missing = [name for name, path in found.items() if not path.is_file()]
    if missing:
        raise MissingBinariesError(
            f"{' and '.join(missing)} not built (looked in {found[missing[0]].parent}): run: make tools"
        )
    return found


class ControlPlane(ControlPlaneApi):
    """etcd and kube-apiserver in a temporary folder, for the time of a ``with`` block.

    Attributes:
        etcd: The process, for faults.
        apiserver: The process, for faults.
    """

    etcd: ServerProcess
    apiserver: ServerProcess

    def __init__(self, *flags: str) -> None:
        """Prepare a control plane without starting it.

        Args:
            flags: More flags for kube-apiserver, for example ``--max-mutating-requests-inflight=1``.
        """
        self._flags = flags
        self._binaries = binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="platform-control-plane-"))
        self._environment = {key: value for key, value in os.environ.items() if not key.startswith("ETCD")}
        self._processes: list[ServerProcess] = []
        self._port = free_port()
        authority = CertificateAuthority(self._folder)
        self._serving = authority.issue("kube-apiserver", names=("localhost", "kubernetes.default.svc"))
        super().__init__(f"https://{LOOPBACK}:{self._port}", authority.certificate, secrets.token_urlsafe())

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._processes):
            process.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def kubeconfig(self, name: str = "admin", token: str | None = None, namespace: str = "default") -> Path:
        """Write a kubeconfig file, for the admin unless ``token`` says otherwise; it goes with the control plane."""
        path = self._folder / f"{name}.kubeconfig"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": {"server": self.url, "certificate-authority": str(self.ca_file)}}],
            "users": [{"name": name, "user": {"token": token or self.admin_token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
        }
        path.write_text(json.dumps(config))
        return path

    def _start(self) -> None:
        etcd_url, peer_url = (f"http://{LOOPBACK}:{free_port()}" for _ in range(2))
        self.etcd = self._spawn("etcd", _etcd_flags(self._folder / "etcd", etcd_url, peer_url))
        write_signing_key(self._folder / "service-accounts.key")
        (self._folder / "tokens.csv").write_text(f"{self.admin_token},admin,admin,system:masters\n")
        self.apiserver = self._spawn("kube-apiserver", [*self._apiserver_flags(etcd_url), *self._flags])
        self._wait_until_ready()

    def _spawn(self, name: str, flags: Sequence[str]) -> ServerProcess:
        argv: list[str | Path] = [self._binaries[name], *flags]
        process = ServerProcess(name, argv, self._folder / f"{name}.log", self._environment)
        self._processes.append(process)
        return process

    def _apiserver_flags(self, etcd_url: str) -> list[str]:
        signing_key = self._folder / "service-accounts.key"
        return [
            f"--etcd-servers={etcd_url}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={self._port}",
            f"--tls-cert-file={self._serving.certificate}",
            f"--tls-private-key-file={self._serving.key}",
            f"--client-ca-file={self.ca_file}",
            f"--token-auth-file={self._folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={signing_key}",
            f"--service-account-signing-key-file={signing_key}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--endpoint-reconciler-type=none",  # it would refuse to advertise a loopback address
            "--disable-admission-plugins=ServiceAccount",  # nobody creates the default accounts that it asks for
            "--shutdown-delay-duration=0s",
        ]

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            for process in self._processes:
                process.ensure_alive()
            try:
                if self.request("GET", "/readyz").status == 200:
                    return
            except OSError:
                pass  # it does not listen yet
            if time.monotonic() > deadline:
                tail = self.apiserver.log_tail()
                raise TimeoutError(f"kube-apiserver not ready after {_START_TIMEOUT:g} s; its log ends:\n{tail}")
            time.sleep(_POLL)


def _etcd_flags(data: Path, url: str, peer_url: str) -> list[str]:
    return [
        f"--data-dir={data}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
        "--log-level=warn",
        "--unsafe-no-fsync",  # its folder does not outlive the test run anyway
    ]


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A running control plane that serves the platform's CRDs; one for each test process."""
    try:
        server = ControlPlane()
    except MissingBinariesError as error:
        pytest.fail(str(error), pytrace=False)
    with server:
        install_crds(server)
        yield server


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the control plane as `cluster`, so that forgetting it cannot break a machine without Go."""
    for item in items:
        if "control_plane" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.cluster)
