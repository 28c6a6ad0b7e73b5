"""A real API server takes what ApplicationClaims compose, as far as it knows the kinds, and strictly.

A pod of a workload is created in a namespace that enforces `restricted`, as a controller would; an InfrastructureClaim
meets the schema of its own API; what wraps them meets the provider's.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from tests.platform import goldens
from tests.platform.goldens import Layout
from tests.support.control_plane_api import APPLY_PATCH
from tools.platform_api.apis import api

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.control_plane import ControlPlane
    from tools.platform_api.apis import Api

pytestmark = pytest.mark.cluster

LAYOUTS = (Layout(api("applicationclaims")), Layout(api("appcontainerclaims")))
OBJECTS = "/apis/kubernetes.crossplane.io/v1alpha2/objects"
STRICT = "fieldValidation=Strict&dryRun=All"
CORE = {"apps/v1 Deployment": "/apis/apps/v1/namespaces/{}/deployments", "v1 Service": "/api/v1/namespaces/{}/services"}
INFRASTRUCTURE = "platform.io/v1alpha1 InfrastructureClaim"


def composed() -> list[Any]:
    """Return every Object in the goldens, with where it is from."""
    return [
        pytest.param(made, id=f"{layout.api.singular}-{name}-{key}")
        for layout in LAYOUTS
        for name in layout.goldens()
        for key, made in goldens.objects(goldens.rendered(layout, name)).items()
    ]


def kind_of(manifest: dict[str, Any]) -> str:
    return f"{manifest['apiVersion']} {manifest['kind']}"


@pytest.fixture(scope="module")
def namespace(restricted: Callable[[], str]) -> str:
    return restricted()


@pytest.mark.parametrize("made", composed())
def test_the_provider_s_kind_takes_it(vendored: ControlPlane, made: dict[str, Any]) -> None:
    found = copy.deepcopy(made)
    found["metadata"].pop("ownerReferences")  # the composite that they name does not exist here
    answer = vendored.request("POST", f"{OBJECTS}?{STRICT}", found)
    assert answer.status == 201, answer.message


@pytest.mark.parametrize(
    "made", [made for made in composed() if kind_of(made.values[0]["spec"]["forProvider"]["manifest"]) in CORE]
)
def test_the_api_server_takes_the_manifest(control_plane: ControlPlane, namespace: str, made: dict[str, Any]) -> None:
    manifest = copy.deepcopy(made["spec"]["forProvider"]["manifest"])
    manifest["metadata"]["namespace"] = namespace
    answer = control_plane.request("POST", f"{CORE[kind_of(manifest)].format(namespace)}?{STRICT}", manifest)
    assert answer.status == 201, answer.message


@pytest.mark.parametrize(
    "made",
    [made for made in composed() if kind_of(made.values[0]["spec"]["forProvider"]["manifest"]) == INFRASTRUCTURE],
)
def test_the_infrastructure_claim_fits_its_api(
    platform_api: Callable[[Api], ControlPlane], made: dict[str, Any]
) -> None:
    manifest = copy.deepcopy(made["spec"]["forProvider"]["manifest"])
    manifest["metadata"]["namespace"] = "default"
    served = platform_api(api("infrastructureclaims"))
    answer = served.request(
        "POST", f"/apis/platform.io/v1alpha1/namespaces/default/infrastructureclaims?{STRICT}", manifest
    )
    assert answer.status == 201, answer.message


@pytest.mark.parametrize(
    "made",
    [made for made in composed() if "template" in made.values[0]["spec"]["forProvider"]["manifest"].get("spec", {})],
)
def test_a_pod_of_the_workload_is_restricted(control_plane: ControlPlane, namespace: str, made: dict[str, Any]) -> None:
    template = copy.deepcopy(made["spec"]["forProvider"]["manifest"]["spec"]["template"])
    template["spec"].pop("timeoutSeconds", None)  # of Knative's revision, not of the pod
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] |= {"generateName": "pod-", "namespace": namespace}
    answer = control_plane.request("POST", f"/api/v1/namespaces/{namespace}/pods?{STRICT}", pod)
    assert answer.status == 201, answer.message


def by_resource() -> list[Any]:
    """Return all that one resource of a Composition becomes in the goldens, for each resource."""
    found: dict[tuple[Layout, str], list[dict[str, Any]]] = {}
    for layout in LAYOUTS:
        for name in layout.goldens():
            for key, made in goldens.objects(goldens.rendered(layout, name)).items():
                found.setdefault((layout, key), []).append(made)
    return [pytest.param(key, made, id=f"{layout.api.singular}-{key}") for (layout, key), made in found.items()]


@pytest.mark.parametrize(("key", "versions"), by_resource())
def test_what_is_stored_after_any_change_is_what_was_applied(
    vendored: ControlPlane, key: str, versions: list[dict[str, Any]]
) -> None:
    """Readiness compares the two: a map that is emptied, for one, is stored as null and would never be equal again."""
    name = f"changes-{key}"
    for made in (*versions, *reversed(versions)):
        wish = {
            "apiVersion": made["apiVersion"],
            "kind": made["kind"],
            "metadata": {"name": name},
            "spec": made["spec"],
        }
        path = f"{OBJECTS}/{name}?fieldManager=crossplane&force=true"
        answer = vendored.request("PATCH", path, wish, content_type=APPLY_PATCH)
        assert answer.status in {200, 201}, answer.message
        assert answer.body["spec"]["forProvider"] == made["spec"]["forProvider"]
    vendored.expect(200, "DELETE", f"{OBJECTS}/{name}")
