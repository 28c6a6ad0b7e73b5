"""`scripts/check-prerequisites.sh` tells a cluster that has everything from one that lacks something, and says what.

The API server and nats-server are real; what controllers would report there (a Deployment that is available, a package
that is healthy) is written by the test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.platform import goldens
from tests.platform.goldens import Layout
from tests.support.control_plane import ControlPlane
from tests.support.control_plane_api import MERGE_PATCH
from tests.support.nats import NatsServer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.cluster

PREREQUISITES = Layout().root / "prerequisites"
SCRIPT = Layout().root.parents[1] / "scripts" / "check-prerequisites.sh"
DATA = Path(__file__).parent / "data"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
#: With the programs of the development environment, kubectl among them.
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
CHECKS = 13
PATIENCE = 30.0


def definition(group: str, kind: str, plural: str, version: str) -> dict[str, Any]:
    """Return a definition without a schema: Crossplane's own are not in a module that could be fetched."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    served = {"name": version, "served": True, "storage": True, "schema": schema, "subresources": {"status": {}}}
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    spec = {"group": group, "scope": "Cluster", "names": names, "versions": [served]}
    return {"metadata": {"name": f"{plural}.{group}"}, "spec": spec}


def conditions(*types: str) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": name, "status": "True", "reason": "Test"} for name in types]}}


class Cluster:
    """A control plane on which the prerequisites are made, one by one."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane

    def define(self) -> None:
        for path in sorted(DATA.glob("*.yaml")):
            crd = yaml.safe_load(path.read_text(encoding="utf-8"))
            crd["spec"].pop("conversion", None)  # by a webhook of the provider
            self.plane.expect(201, "POST", CRDS, crd)
        for group, kind, plural, version in (
            ("apiextensions.crossplane.io", "Composition", "compositions", "v1"),
            ("pkg.crossplane.io", "Function", "functions", "v1"),
            ("pkg.crossplane.io", "Provider", "providers", "v1"),
        ):
            self.plane.expect(201, "POST", CRDS, definition(group, kind, plural, version))
        for served in ("/apis/pkg.crossplane.io/v1/functions", "/apis/pkg.crossplane.io/v1/providers",
                     "/apis/kubernetes.crossplane.io/v1alpha1/providerconfigs"):  # fmt: skip
            deadline = time.monotonic() + PATIENCE
            while self.plane.request("GET", served).status != 200:
                assert time.monotonic() < deadline, f"{served} is not served"
                time.sleep(0.05)

    def deploy(self, namespace: str, name: str, labels: dict[str, str], image: str) -> None:
        self.plane.expect(201, "POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name, "image": image}]}}
        spec = {"selector": {"matchLabels": labels}, "template": template}
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        self.plane.expect(201, "POST", path, {"metadata": {"name": name, "labels": labels}, "spec": spec})
        self.patch(f"{path}/{name}/status", conditions("Available"))

    def apply_prerequisites(self) -> None:
        """Create the project's own manifests as they are, and report their packages as healthy."""
        documents = [
            document
            for name in ("functions", "provider-kubernetes")
            for document in goldens.load_all(PREREQUISITES / f"{name}.yaml")
            if document["kind"] != "DeploymentRuntimeConfig"  # read by Crossplane only
        ]
        plurals = {
            "Function": "/apis/pkg.crossplane.io/v1/functions",
            "Provider": "/apis/pkg.crossplane.io/v1/providers",
            "ClusterRole": f"{RBAC}/clusterroles",
            "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
            "ProviderConfig": "/apis/kubernetes.crossplane.io/v1alpha1/providerconfigs",
        }
        for document in documents:
            path = plurals[document["kind"]]
            self.plane.expect(201, "POST", f"{path}?fieldValidation=Strict", document)
            if document["kind"] in {"Function", "Provider"}:
                self.patch(f"{path}/{document['metadata']['name']}/status", conditions("Installed", "Healthy"))

    def patch(self, path: str, body: dict[str, Any]) -> None:
        self.plane.expect(200, "PATCH", path, body, content_type=MERGE_PATCH)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    assert shutil.which("kubectl", path=PATH), "kubectl is missing: make check installs it"
    with ControlPlane() as plane:  # of its own: the others shall not get these kinds
        yield Cluster(plane)


def check(cluster: Cluster, nats_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    own = {"PATH": PATH, "KUBECONFIG": str(cluster.plane.kubeconfig()), "NATS_MONITORING_URL": nats_url}
    environment = {**os.environ, **own}
    return subprocess.run([SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False)


def failed(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the titles of the checks that failed."""
    lines = [line for line in result.stdout.splitlines() if line.startswith("FAIL")]
    return [line.removeprefix("FAIL  ").partition(": ")[0] for line in lines]


def test_from_an_empty_cluster_to_one_that_has_everything(cluster: Cluster) -> None:
    nothing = check(cluster, "")
    assert nothing.returncode == 1, nothing.stderr
    assert nothing.stdout.splitlines()[-1] == f"{CHECKS} of {CHECKS} prerequisites are missing"

    cluster.define()
    cluster.deploy("keda", "keda-operator", {"app.kubernetes.io/name": "keda-operator"}, "ghcr.io/kedacore/keda:2.20.2")
    image = "xpkg.crossplane.io/crossplane/crossplane:v2.2.4@sha256:" + "0" * 64
    cluster.deploy("crossplane-system", "crossplane", {"app": "crossplane"}, image)
    cluster.apply_prerequisites()
    service = {"groupPriorityMinimum": 100, "versionPriority": 100, "group": "external.metrics.k8s.io"}
    metrics = {"metadata": {"name": "v1beta1.external.metrics.k8s.io"}, "spec": {**service, "version": "v1beta1"}}
    cluster.plane.expect(201, "POST", "/apis/apiregistration.k8s.io/v1/apiservices", metrics)

    with NatsServer() as nats:
        everything = check(cluster, nats.monitor_url)
    assert (failed(everything), everything.returncode) == ([], 0), everything.stdout + everything.stderr
    assert everything.stdout.splitlines()[-1] == f"all {CHECKS} prerequisites hold"

    cluster.patch(
        "/apis/apps/v1/namespaces/keda/deployments/keda-operator",
        {"spec": {"template": {"spec": {"containers": [{"name": "keda", "image": "ghcr.io/kedacore/keda:2.19.0"}]}}}},
    )
    cluster.patch(
        "/apis/apps/v1/namespaces/crossplane-system/deployments/crossplane/status",
        {"status": {"conditions": [{"type": "Available", "status": "False"}]}},
    )
    older = {"spec": {"package": "xpkg.crossplane.io/crossplane-contrib/function-go-templating:v0.12.1"}}
    cluster.patch("/apis/pkg.crossplane.io/v1/functions/function-go-templating", older)
    unhealthy = {"status": {"conditions": [{"type": "Installed", "status": "True"}]}}
    cluster.patch("/apis/pkg.crossplane.io/v1/providers/provider-kubernetes/status", unhealthy)
    rules = {"rules": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["create", "patch"]}]}
    cluster.patch(f"{RBAC}/clusterroles/provider-kubernetes-event-driven-services", rules)
    config = "/apis/kubernetes.crossplane.io/v1alpha1/providerconfigs/kubernetes-provider"
    cluster.plane.expect(200, "DELETE", config)
    with NatsServer(config={"jetstream": "disabled"}) as nats:
        broken = check(cluster, nats.monitor_url)
    assert broken.returncode == 1
    assert failed(broken) == [
        "JetStream is enabled",
        "KEDA is at least 2.20",
        "Crossplane works",
        "function-go-templating is at least 0.12.2",
        "provider-kubernetes works",
        "ProviderConfig kubernetes-provider exists",
        "provider-kubernetes has its rights",
    ]
    assert "it may not get serviceaccounts" in broken.stdout


def test_without_a_cluster_it_says_so(cluster: Cluster, tmp_path: Path) -> None:
    config = yaml.safe_load(cluster.plane.kubeconfig().read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    environment = {**os.environ, "PATH": PATH, "KUBECONFIG": str(tmp_path / "kubeconfig")}
    result = subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("check-prerequisites: no cluster to ask: ")


def test_usage(cluster: Cluster) -> None:
    assert check(cluster, "", "--help").returncode == 0
    wrong = check(cluster, "", "--wrong")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("usage: check-prerequisites.sh")
