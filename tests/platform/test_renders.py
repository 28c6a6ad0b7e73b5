"""Each golden render holds what its claim must lead to, no more and no less; asserted from the claim."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
import yaml

from tests.platform import expected, goldens
from tests.platform.goldens import Layout

LAYOUT = Layout()
CASES = LAYOUT.cases()
IMAGES = [name for name in CASES if name.startswith("image-")]
#: By hand, so that neither the Composition nor the model of it is believed.
ALWAYS = {
    "image-none",
    "image-registry-port",
    "image-ipv6-registry",
    "image-named-latest",
    "image-latest",
    "image-latest-on-port",
    "image-latest-and-digest",
}


@functools.cache
def claim_of(name: str) -> dict[str, Any]:
    return goldens.claim_of(LAYOUT, name)


@functools.cache
def output_of(name: str) -> str:
    return goldens.rendered(LAYOUT, name)


@functools.cache
def objects_of(name: str) -> dict[str, dict[str, Any]]:
    return goldens.objects(output_of(name))


def manifests_of(name: str) -> dict[str, dict[str, Any]]:
    return {step: made["spec"]["forProvider"]["manifest"] for step, made in objects_of(name).items()}


def status_of(name: str) -> dict[str, Any]:
    status: dict[str, Any] = goldens.composite(output_of(name))["status"]
    return status


@pytest.mark.parametrize("name", CASES)
def test_the_manifests_are_what_the_claim_must_lead_to(name: str) -> None:
    assert manifests_of(name) == expected.manifests(claim_of(name))


@pytest.mark.parametrize("name", CASES)
def test_each_manifest_is_wrapped_for_the_provider_and_ready_when_it_works(name: str) -> None:
    objects = objects_of(name)
    for made in objects.values():
        assert made["apiVersion"] == "kubernetes.crossplane.io/v1alpha2"
        assert made["spec"]["providerConfigRef"] == {"name": "kubernetes-provider"}
    policies = {step: made["spec"].get("readiness", {}).get("policy") for step, made in objects.items()}
    assert policies == {
        "serviceaccount": None,
        "deployment": "DeriveFromCelQuery",
        "service": None,
        "scaledobject": "DeriveFromObject",
    }


@pytest.mark.parametrize("name", CASES)
def test_nothing_was_left_out_with_a_warning(name: str) -> None:
    kinds = [document["kind"] for document in yaml.safe_load_all(output_of(name))]
    assert kinds == ["XEventDrivenService", "Object", "Object", "Object", "Object"]


@pytest.mark.parametrize("name", CASES)
def test_no_fault_of_the_public_reference(name: str) -> None:
    text = json.dumps(manifests_of(name))
    assert "optional" not in text
    assert "placeholder" not in text
    assert "$SYS" not in text
    assert '"replicas"' not in text


def test_every_image_of_the_table_is_pulled_as_it_must_be() -> None:
    assert len(IMAGES) >= 12
    for name in IMAGES:
        pod = manifests_of(name)["deployment"]["spec"]["template"]["spec"]
        policies = {container["imagePullPolicy"] for container in (*pod["containers"], *pod["initContainers"])}
        assert policies == {"Always" if name in ALWAYS else "IfNotPresent"}, name


def test_sizes_are_those_of_the_requirements() -> None:
    found = {
        size: manifests_of(f"size-{size}")["deployment"]["spec"]["template"]["spec"]["containers"][0]["resources"]
        for size in ("small", "medium", "large")
    }
    assert found == {
        "small": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"cpu": "1000m", "memory": "2Gi"}},
        "medium": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2000m", "memory": "4Gi"}},
        "large": {"requests": {"cpu": "1000m", "memory": "2Gi"}, "limits": {"cpu": "4000m", "memory": "8Gi"}},
    }
    minimal = manifests_of("minimal")["deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert minimal["resources"] == found["medium"]


@pytest.mark.parametrize("name", CASES)
def test_every_variable_is_set_once(name: str) -> None:
    pod = manifests_of(name)["deployment"]["spec"]["template"]["spec"]
    for container in (*pod["containers"], *pod.get("initContainers", [])):
        names = [variable["name"] for variable in container["env"]]
        assert len(set(names)) == len(names)


def test_every_field_of_the_definition_is_set_in_one_case_and_left_out_in_another() -> None:
    (definition,) = goldens.load_all(LAYOUT.definition)
    (version,) = definition["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    specs = [claim_of(name)["spec"] for name in CASES]

    assert _unset(schema, specs, "spec") == []
    left_out = [name for name in schema["properties"] if all(name in spec for spec in specs)]
    assert left_out == schema["required"]


def _unset(schema: dict[str, Any], values: list[Any], path: str) -> list[str]:
    """Return the fields of the schema that no value has."""
    if not values:
        return [path]
    if schema.get("type") == "array":
        return _unset(schema["items"], [item for value in values for item in value], f"{path}[]")
    return [
        missing
        for name, child in schema.get("properties", {}).items()
        for missing in _unset(child, [value[name] for value in values if name in value], f"{path}.{name}")
    ]


def test_status_of_a_claim_whose_objects_work() -> None:
    status = status_of("status-ready")
    assert (status["ready"], status["replicas"], status["readyReplicas"]) == (True, 3, 2)
    assert status.get("reasons", []) == []
    assert condition(status)["status"] == "True"


def test_status_of_a_claim_before_anything_exists() -> None:
    status = status_of("minimal")
    assert (status["ready"], status["replicas"], status["readyReplicas"]) == (False, 0, 0)
    assert reasons(status) == [
        ("ServiceAccount/orders", "Creating"),
        ("Deployment/orders", "Creating"),
        ("Service/orders", "Creating"),
        ("ScaledObject/orders-scaler", "Creating"),
    ]
    assert condition(status)["status"] == "False"


def test_status_of_a_claim_whose_objects_were_just_made_has_reasons_in_words() -> None:
    status = status_of("status-starting")
    assert (status["ready"], status["replicas"], status["readyReplicas"]) == (False, 0, 0)
    assert reasons(status) == [
        ("ServiceAccount/orders", "Creating"),
        ("Deployment/orders", "Unavailable"),
        ("ScaledObject/orders-scaler", "Unavailable"),
    ]
    assert {found["message"] for found in status["reasons"]} == {"not ready yet"}


def test_status_names_a_rollout_that_does_not_get_on() -> None:
    status = status_of("status-rollout-stuck")
    assert (status["ready"], status["replicas"], status["readyReplicas"]) == (False, 2, 1)
    assert reasons(status) == [
        ("Deployment/orders", "ProgressDeadlineExceeded"),
        ("Deployment/orders", "FailedCreate"),
    ]
    assert "exceeded quota" in status["reasons"][1]["message"]
    assert condition(status)["message"] == "Unready resources: deployment"


def test_status_names_what_keda_cannot_find() -> None:
    status = status_of("status-scaler-failed")
    assert (status["ready"], status["replicas"], status["readyReplicas"]) == (False, 1, 0)
    assert reasons(status) == [
        ("Deployment/orders", "MinimumReplicasUnavailable"),
        ("ScaledObject/orders-scaler", "TriggerError"),
    ]
    assert status["reasons"][1]["message"] == 'consumer "orders-workers" not found in stream "ORDERS"'


def test_a_deployment_that_works_but_is_not_what_the_claim_says_is_not_ready() -> None:
    status = status_of("status-refused")
    assert status["ready"] is False
    assert reasons(status) == [("Deployment/orders", "ReconcileError"), ("ScaledObject/orders-scaler", "Creating")]
    assert status["reasons"][0]["message"] == "cannot apply object: deployments.apps is forbidden"
    assert condition(status)["message"] == "Unready resources: deployment, scaledobject"


def reasons(status: dict[str, Any]) -> list[tuple[str, str]]:
    return [(found["resource"], found["reason"]) for found in status["reasons"]]


def condition(status: dict[str, Any]) -> dict[str, Any]:
    (found,) = (condition for condition in status["conditions"] if condition["type"] == "Ready")
    return dict(found)
