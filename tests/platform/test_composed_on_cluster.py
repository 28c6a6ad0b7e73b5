"""A real API server takes what is composed: strictly, in a namespace that enforces `restricted`, again and again.

Applied as provider-kubernetes does: server-side, with force. A Deployment is not judged by the pod security admission,
its pods are; so each pod template is created as a pod, which is what the ReplicaSet controller would do.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.platform import goldens
from tests.platform.goldens import Layout
from tests.support.control_plane_api import APPLY_PATCH

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.control_plane_api import Answer, ControlPlaneApi

pytestmark = pytest.mark.cluster

LAYOUT = Layout()
STRICT = "fieldValidation=Strict"
PATHS = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Service": "/api/v1/namespaces/{}/services",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "ScaledObject": "/apis/keda.sh/v1alpha1/namespaces/{}/scaledobjects",
}
OBJECTS = "/apis/kubernetes.crossplane.io/v1alpha2/objects"
PROVIDER_CONFIGS = "/apis/kubernetes.crossplane.io/v1alpha1/providerconfigs"


@pytest.fixture
def api(vendored: ControlPlaneApi) -> ControlPlaneApi:
    return vendored


@pytest.fixture
def namespace(restricted: Callable[[], str]) -> str:
    return restricted()


def manifests(name: str, namespace: str) -> dict[str, dict[str, Any]]:
    """Return what a case composes, by kind, moved into a namespace."""
    found = {}
    for made in goldens.objects(goldens.rendered(LAYOUT, name)).values():
        manifest = copy.deepcopy(made["spec"]["forProvider"]["manifest"])
        manifest["metadata"]["namespace"] = namespace
        found[manifest["kind"]] = manifest
    return found


def apply(api: ControlPlaneApi, manifest: dict[str, Any]) -> Answer:
    path = f"{PATHS[manifest['kind']].format(manifest['metadata']['namespace'])}/{manifest['metadata']['name']}"
    options = f"?fieldManager=provider-kubernetes&force=true&{STRICT}"
    return api.request("PATCH", path + options, yaml.safe_dump(manifest).encode(), content_type=APPLY_PATCH)


def create_pod(api: ControlPlaneApi, namespace: str, deployment: dict[str, Any]) -> Answer:
    template = deployment["spec"]["template"]
    metadata = {**template["metadata"], "generateName": "pod-", "namespace": namespace}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    return api.request("POST", f"/api/v1/namespaces/{namespace}/pods?{STRICT}", pod)


@pytest.mark.parametrize("name", LAYOUT.cases())
def test_the_api_server_takes_all_four_and_the_pod(api: ControlPlaneApi, namespace: str, name: str) -> None:
    made = manifests(name, namespace)
    assert made.keys() == PATHS.keys()
    for manifest in made.values():
        answer = apply(api, manifest)
        assert answer.status == 201, answer.message
    answer = create_pod(api, namespace, made["Deployment"])
    assert answer.status == 201, answer.message


@pytest.mark.parametrize("name", LAYOUT.cases())
def test_the_api_server_takes_the_objects_of_the_provider(api: ControlPlaneApi, name: str) -> None:
    for made in goldens.objects(goldens.rendered(LAYOUT, name)).values():
        made["metadata"].pop("ownerReferences")  # the composite that they name does not exist here
        answer = api.request("POST", f"{OBJECTS}?{STRICT}&dryRun=All", made)
        assert answer.status == 201, answer.message


def test_the_api_server_takes_the_configuration_of_the_provider(api: ControlPlaneApi) -> None:
    file = LAYOUT.root / "prerequisites" / "provider-kubernetes.yaml"
    (config,) = (document for document in goldens.load_all(file) if document["kind"] == "ProviderConfig")
    answer = api.request("POST", f"{PROVIDER_CONFIGS}?{STRICT}&dryRun=All", config)
    assert answer.status == 201, answer.message


def test_a_pod_that_is_not_restricted_would_be_refused(api: ControlPlaneApi, namespace: str) -> None:
    deployment = manifests("init-container", namespace)["Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    del pod["initContainers"][0]["securityContext"]["capabilities"]
    answer = create_pod(api, namespace, deployment)
    assert answer.status == 403
    assert 'container "init" must set securityContext.capabilities.drop' in answer.message


def test_applying_again_changes_nothing(api: ControlPlaneApi, namespace: str) -> None:
    for manifest in manifests("full", namespace).values():
        first, second = apply(api, manifest), apply(api, manifest)
        assert (first.status, second.status) == (201, 200)
        assert first.body["metadata"]["resourceVersion"] == second.body["metadata"]["resourceVersion"]


def test_applying_again_leaves_the_number_of_replicas_to_the_autoscaler(api: ControlPlaneApi, namespace: str) -> None:
    deployment = manifests("minimal", namespace)["Deployment"]
    assert apply(api, deployment).status == 201
    path = f"{PATHS['Deployment'].format(namespace)}/{deployment['metadata']['name']}"
    scale = api.expect(200, "GET", f"{path}/scale")
    api.expect(200, "PUT", f"{path}/scale", {**scale, "spec": {"replicas": 7}})
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "ghcr.io/acme/orders:2.0.0"
    answer = apply(api, deployment)
    assert (answer.status, answer.body["spec"]["replicas"]) == (200, 7)


def test_what_a_claim_no_longer_asks_for_goes(api: ControlPlaneApi, namespace: str) -> None:
    before = manifests("init-container", namespace)["Deployment"]
    after = manifests("minimal", namespace)["Deployment"]
    assert before["metadata"]["name"] == after["metadata"]["name"]
    assert "initContainers" in apply(api, before).body["spec"]["template"]["spec"]
    assert "initContainers" not in apply(api, after).body["spec"]["template"]["spec"]


def provider_role() -> dict[str, Any]:
    file = LAYOUT.root / "prerequisites" / "provider-kubernetes.yaml"
    (role,) = (document for document in goldens.load_all(file) if document["kind"] == "ClusterRole")
    return role


def work_of_the_provider(api: ControlPlaneApi, namespace: str, rules: list[dict[str, Any]]) -> list[int]:
    """Make, read and delete all that a claim leads to, as provider-kubernetes does; return the answers' codes."""
    token = api.service_account(namespace, rules, name="provider-kubernetes")
    codes = []
    for manifest in manifests("full", namespace).values():
        path = f"{PATHS[manifest['kind']].format(namespace)}/{manifest['metadata']['name']}"
        options = f"?fieldManager=provider-kubernetes&force=true&{STRICT}"
        body = yaml.safe_dump(manifest).encode()
        codes.append(api.request("PATCH", path + options, body, content_type=APPLY_PATCH, token=token).status)
        codes += [api.request(method, path, token=token).status for method in ("GET", "DELETE")]
    return codes


def test_the_rights_of_the_provider_are_enough_for_what_is_composed_and_for_no_more(api: ControlPlaneApi) -> None:
    namespace = api.namespace("provider")
    assert work_of_the_provider(api, namespace, provider_role()["rules"]) == [201, 200, 200] * 4
    token = api.service_account(namespace, provider_role()["rules"], name="another")
    for path in ("secrets", "pods", "configmaps"):
        assert api.request("GET", f"/api/v1/namespaces/{namespace}/{path}", token=token).status == 403


@pytest.mark.parametrize("verb", ["get", "create", "patch", "delete"])
def test_each_right_of_the_provider_is_needed(api: ControlPlaneApi, verb: str) -> None:
    rules = provider_role()["rules"]
    assert all(verb in rule["verbs"] for rule in rules)
    fewer = [{**rule, "verbs": [other for other in rule["verbs"] if other != verb]} for rule in rules]
    assert work_of_the_provider(api, api.namespace("provider"), fewer).count(403) >= len(PATHS)


def test_the_provider_has_no_right_that_this_test_knows_nothing_of() -> None:
    assert {verb for rule in provider_role()["rules"] for verb in rule["verbs"]} == {"get", "create", "patch", "delete"}
