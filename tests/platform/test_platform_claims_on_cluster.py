"""A real API server takes what the claims for platforms compose, strictly, as far as it knows the kinds.

Pods of workloads are created in a namespace that enforces `restricted`, as a controller would; InfrastructureClaims
meet the schema of their own API.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from tests.platform.platform_claims import CASES, containers, manifests, parts, text
from tools.platform_api.apis import api

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.control_plane import ControlPlane
    from tools.platform_api.apis import Api

pytestmark = pytest.mark.cluster

STRICT = "fieldValidation=Strict&dryRun=All"
PROVIDER = {
    "Object": "/apis/kubernetes.crossplane.io/v1alpha2/objects",
    "ProviderConfig": "/apis/kubernetes.crossplane.io/v1alpha1/providerconfigs",
}
CORE = {
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "CronJob": "/apis/batch/v1/namespaces/{}/cronjobs",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "Namespace": "/api/v1/namespaces",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Service": "/api/v1/namespaces/{}/services",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
}
INFRASTRUCTURE = "/apis/platform.io/v1alpha1/namespaces/default/infrastructureclaims"


def unique(found: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    """Return each object once, as a parameter."""
    seen = {text(made): (name, made) for name, made in found}
    return [pytest.param(made, id=name) for name, made in seen.values()]


def composed(*kinds: str) -> list[Any]:
    return unique(
        [
            (f"{layout.api.singular}-{name}-{key}", manifest)
            for layout, name in CASES
            for key, manifest in manifests(layout, name).items()
            if manifest["kind"] in kinds
        ]
    )


def wrapped() -> list[Any]:
    return unique(
        [
            (f"{layout.api.singular}-{name}-{key}", made)
            for layout, name in CASES
            for key, made in parts(layout, name).items()
            if made["apiVersion"].startswith("kubernetes.crossplane.io/") and made["kind"] in PROVIDER
        ]
    )


@pytest.fixture(scope="module")
def namespace(restricted: Callable[[], str]) -> str:
    return restricted()


@pytest.mark.parametrize("made", wrapped())
def test_the_provider_s_kinds_take_it(vendored: ControlPlane, made: dict[str, Any]) -> None:
    found = copy.deepcopy(made)
    found["metadata"].pop("ownerReferences")  # the composite that they name does not exist here
    answer = vendored.request("POST", f"{PROVIDER[made['kind']]}?{STRICT}", found)
    assert answer.status == 201, answer.message


@pytest.mark.parametrize("manifest", composed(*CORE))
def test_the_api_server_takes_the_manifest(
    control_plane: ControlPlane, namespace: str, manifest: dict[str, Any]
) -> None:
    found = copy.deepcopy(manifest)
    if found["kind"] != "Namespace":
        found["metadata"]["namespace"] = namespace
    answer = control_plane.request("POST", f"{CORE[found['kind']].format(namespace)}?{STRICT}", found)
    assert answer.status == 201, answer.message


@pytest.mark.parametrize("manifest", composed("InfrastructureClaim"))
def test_infrastructure_claims_fit_their_api(
    platform_api: Callable[[Api], ControlPlane], manifest: dict[str, Any]
) -> None:
    found = copy.deepcopy(manifest)
    found["metadata"]["namespace"] = "default"
    answer = platform_api(api("infrastructureclaims")).request("POST", f"{INFRASTRUCTURE}?{STRICT}", found)
    assert answer.status == 201, answer.message


@pytest.mark.parametrize("manifest", composed("CronJob", "Deployment", "Job", "StatefulSet"))
def test_pods_of_workloads_are_restricted(
    control_plane: ControlPlane, namespace: str, manifest: dict[str, Any]
) -> None:
    spec = manifest["spec"].get("jobTemplate", manifest)["spec"]
    pod = {"apiVersion": "v1", "kind": "Pod", **copy.deepcopy(spec["template"])}
    pod["metadata"] |= {"generateName": "pod-", "namespace": namespace}
    claimed = [claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])]
    pod["spec"].setdefault("volumes", []).extend({"name": name, "emptyDir": {}} for name in claimed)
    assert containers(manifest)
    answer = control_plane.request("POST", f"/api/v1/namespaces/{namespace}/pods?{STRICT}", pod)
    assert answer.status == 201, answer.message
