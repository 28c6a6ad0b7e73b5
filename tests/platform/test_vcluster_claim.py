"""VClusterEnvironmentClaim: what a claim must lead to, said from the claim."""

from __future__ import annotations

from typing import Any

import pytest

from tests.platform.platform_claims import VCLUSTER, connection, manifests, parts, status, values

#: Cores and GiB that workloads may request, GiB of volumes, pods.
SIZES = {"small": (1, 2, 10, 20), "medium": (2, 4, 20, 40), "large": (4, 8, 50, 80), "xlarge": (8, 16, 100, 160)}
NAME = "shop-development-1a2b3c4d"


def helm(case: str) -> dict[str, Any]:
    return values(VCLUSTER, case, "vcluster")


def home(case: str) -> str:
    return str(manifests(VCLUSTER, case)["namespace"]["metadata"]["name"])


def test_it_is_a_release_of_the_pinned_chart_in_a_namespace_of_its_own() -> None:
    made = parts(VCLUSTER, "minimal")["vcluster"]["spec"]["forProvider"]
    assert made["chart"] == {"name": "vcluster", "repository": "https://charts.loft.sh", "version": "0.36.1"}
    assert made["namespace"] == home("minimal") != "shop"
    namespace = manifests(VCLUSTER, "minimal")["namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "baseline"


def test_claims_of_one_name_in_two_namespaces_do_not_share_one() -> None:
    assert home("status-ready") == home("internal")
    assert home("minimal") != home("status-ready")


@pytest.mark.parametrize(
    ("case", "size"), [("status-ready", "small"), ("minimal", "medium"), ("full", "large"), ("internal", "xlarge")]
)
def test_the_size_is_what_workloads_may_request(case: str, size: str) -> None:
    cores, memory, storage, pods = SIZES[size]
    quota = helm(case)["policies"]["resourceQuota"]
    assert quota["enabled"] is True
    assert (
        quota["quota"].items()
        >= {
            "requests.cpu": str(cores + 1),  # one core and 1Gi are for the API
            "requests.memory": f"{memory + 1}Gi",
            "requests.storage": f"{storage}Gi",
            "limits.cpu": str(2 * cores + 2),
            "limits.memory": f"{2 * memory + 5}Gi",
            "count/pods": str(pods),
            "count/services": str(pods),
            "requests.ephemeral-storage": f"{3 * pods}Gi",  # what the chart gives each pod
            "limits.ephemeral-storage": f"{8 * pods + 10}Gi",
        }.items()
    )


@pytest.mark.parametrize(
    ("case", "service", "ingress", "outside"),
    [
        ("internal", "ClusterIP", None, ""),
        ("domain", "ClusterIP", "development.env.acme.example", "https://development.env.acme.example"),
        ("vpc", "LoadBalancer", None, ""),
        ("status-ready", "LoadBalancer", None, "https://192.0.2.10"),
    ],
)
def test_how_its_api_is_reached(case: str, service: str, ingress: str | None, outside: str) -> None:
    plane, found = helm(case)["controlPlane"], status(VCLUSTER, case)
    direct = f"https://{NAME}.{home(case)}.svc"
    assert plane["service"]["spec"] == {"type": service}
    assert plane.get("ingress") == ({"enabled": True, "host": ingress} if ingress else None)
    assert found["clusterEndpoint"] == {"direct": direct, "ingress": outside}
    assert found["endpoint"] == helm(case)["exportKubeConfig"]["server"] == (outside or direct)
    names = [direct, f"{direct}.cluster.local", outside]
    assert plane["proxy"]["extraSANs"] == [name.removeprefix("https://") for name in names if name]
    assert ("service" in parts(VCLUSTER, case)) is (service == "LoadBalancer")
    quota = helm(case)["policies"]["resourceQuota"]["quota"]
    assert quota.get("services.nodeports") == ("1" if service == "LoadBalancer" else None)


def test_a_vpc_decides_on_nodes_and_on_the_load_balancer() -> None:
    nodes = {"topology.kubernetes.io/region": "eu-central-1", "platform.example.org/vpc-id": "vpc-0a1b2c3d"}
    found = helm("vpc")
    assert found["controlPlane"]["statefulSet"]["scheduling"]["nodeSelector"] == nodes
    assert found["sync"]["fromHost"]["nodes"] == {"enabled": True, "selector": {"labels": nodes}}
    scheme = "service.beta.kubernetes.io/aws-load-balancer-scheme"
    assert found["controlPlane"]["service"]["annotations"] == {scheme: "internal"}
    assert "annotations" not in helm("minimal")["controlPlane"]["service"]
    assert "sync" not in helm("minimal")


def test_its_volume_has_the_claims_size_and_stays_where_the_claim_says_so() -> None:
    volumes = [helm(case)["controlPlane"]["statefulSet"]["persistence"]["volumeClaim"] for case in ("minimal", "full")]
    assert volumes == [
        {"enabled": True, "size": "10Gi", "retentionPolicy": "Delete"},
        {"enabled": True, "size": "20Gi", "retentionPolicy": "Retain"},
    ]


def test_further_values_are_taken_and_the_claims_fields_count() -> None:
    found = helm("values")
    assert found["controlPlane"]["statefulSet"]["resources"] == {"limits": {"memory": "8Gi"}}
    assert found["policies"]["resourceQuota"]["quota"]["count/secrets"] == 500
    assert found["policies"]["resourceQuota"]["quota"]["requests.cpu"] == "3"


def test_values_that_reach_out_of_it_are_refused() -> None:
    found = helm("values-refused")
    assert found["logging"] == {"encoding": "json"}
    assert "experimental" not in found
    assert "sync" not in found
    assert status(VCLUSTER, "values-refused")["message"].startswith("values: only objects at these paths are taken: ")
    assert status(VCLUSTER, "values-no-object")["message"].startswith("values: is no JSON object; ")
    assert "vcluster" in parts(VCLUSTER, "values-no-object"), "a bad value must not tear a virtual cluster down"


def test_the_kubeconfig_is_published_from_where_vcluster_writes_it() -> None:
    made = parts(VCLUSTER, "status-ready")["vcluster"]
    assert connection(made) == {"kubeconfig": ("Secret", f"vc-{NAME}", "data.config")}
    assert made["spec"]["writeConnectionSecretToRef"] == {"name": f"{NAME}-connection", "namespace": "shop"}
    assert status(VCLUSTER, "status-ready")["adminCredentials"] == {"kubeconfig": f"{NAME}-connection"}


@pytest.mark.parametrize("group", ["helm", "kubernetes"])
def test_other_claims_of_the_namespace_reach_it_by_its_name(group: str) -> None:
    made = parts(VCLUSTER, "status-ready")[f"{group}-config"]
    assert made["apiVersion"].startswith(f"{group}.crossplane.io/")
    assert (made["kind"], made["metadata"]["name"]) == ("ProviderConfig", "shop.development")
    reference = {"name": f"{NAME}-connection", "namespace": "shop", "key": "kubeconfig"}
    assert made["spec"] == {"credentials": {"source": "Secret", "secretRef": reference}}


def test_the_stateful_set_that_counts_is_that_of_the_present_values() -> None:
    (mark,) = helm("status-ready")["controlPlane"]["statefulSet"]["annotations"].items()
    (other,) = helm("internal")["controlPlane"]["statefulSet"]["annotations"].items()
    assert mark[0] == other[0] == "platform.example.org/values"
    assert mark[1] != other[1]
    message = status(VCLUSTER, "status-starting")["message"]
    assert 'secrets "vc-shop-development-1a2b3c4d" not found' in message
    assert f"not changed yet: StatefulSet/{NAME}" in message
    assert f"not created yet: Service/{NAME}" in message
