"""A claim that another owner has stays as it is, whatever name a Workflow is submitted with; on both API servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contracts.templates import TEARDOWN
from tests.dev.installed import installed, outcome, run_of

if TYPE_CHECKING:
    from tests.dev.argo import ArgoCluster

#: A type for each way to a claim: template, kind, group and what its template demands.
KINDS = {
    "infrastructure": (
        "pattern3-infrastructure-workflow",
        "platform.io",
        "InfrastructureClaim",
        {"infrastructure_type": "redis"},
    ),
    "provider": (
        "pattern3-provider-workflow",
        "platform.io",
        "ProviderSecretClaim",
        {"provider_type": "neon-postgres", "secret_name": "taken-connection"},
    ),
    "graphql": (
        "pattern2-compositional-workflow",
        "platform.example.org",
        "GraphQLPlatformClaim",
        {"component_type": "graphql-platform", "service_name": "catalogue"},
    ),
    "service": (
        "pattern1-foundational-workflow",
        "platform.example.org",
        "ApplicationClaim",
        {"service_name": "orders", "language": "python", "app_container": "monorepo"},
    ),
}


def given(namespace: str, owner: str, generation: str, **more: str) -> dict[str, str]:
    common = {"namespace": namespace, "application": owner, "claim_name": "taken", "generation": generation}
    return {**common, "owner": f"default/{namespace}/{owner}", **more}


@pytest.mark.parametrize("case", KINDS)
async def test_only_its_owner_writes_and_deletes_a_claim(any_cluster: ArgoCluster, case: str) -> None:
    template, group, kind, own = KINDS[case]
    place = any_cluster.namespace
    path = f"/apis/{group}/v1alpha1/namespaces/{place}/{kind.lower()}s/taken"

    async def claim() -> dict[str, Any]:
        return await any_cluster.client.call("GET", path)

    def run(owner: str, number: int, entry: str = "main", **more: str) -> dict[str, Any]:
        name = f"{place}-{case}-{number}"
        return run_of(name, template, given(place, owner, f"t{number}", **{**own, **more}), entry)

    async with installed(any_cluster) as argo:
        assert await outcome(argo, run("mine", 1)) == ("Succeeded", "")
        before = await claim()

        phase, message = await outcome(argo, run("yours", 2, app_container="another"))
        assert phase == "Failed"
        assert message.startswith(f'the name is taken: {kind} taken belongs to "default/{place}/mine" (')
        assert await outcome(argo, run("yours", 3, TEARDOWN)) == ("Succeeded", "")
        assert await claim() == before

        assert await outcome(argo, run("mine", 4)) == ("Succeeded", "")
        assert (await claim())["spec"]["generation"] == "t4"
        assert await outcome(argo, run("mine", 5, TEARDOWN)) == ("Succeeded", "")
        assert await outcome(argo, run("yours", 6, app_container="another")) == ("Succeeded", "")


async def test_a_claim_without_an_owner_is_left_alone(any_cluster: ArgoCluster) -> None:
    place = any_cluster.namespace
    path = f"/apis/platform.example.org/v1alpha1/namespaces/{place}/vclusterenvironmentclaims"
    body = {
        "apiVersion": "platform.example.org/v1alpha1",
        "kind": "VClusterEnvironmentClaim",
        "metadata": {"name": "taken"},
        "spec": {"name": "by-kubectl"},
    }
    async with installed(any_cluster) as argo:
        await argo.client.call("POST", path, body)
        sent = given(place, "mine", "t1", vcluster_name="mine")
        phase, message = await outcome(argo, run_of(f"{place}-none", "vcluster-workflow", sent))
        assert phase == "Failed"
        assert 'VClusterEnvironmentClaim taken belongs to ""' in message
        assert (await argo.client.call("GET", f"{path}/taken"))["spec"]["name"] == "by-kubectl"


async def test_an_appcontainer_is_shared_by_one_owner_only(any_cluster: ArgoCluster) -> None:
    template, group, kind, own = KINDS["service"]
    place = any_cluster.namespace
    async with installed(any_cluster) as argo:
        first = given(place, "mine", "t1", **own)
        assert await outcome(argo, run_of(f"{place}-1", template, first)) == ("Succeeded", "")
        again = {**first, "claim_name": "second", "service_name": "bills", "generation": "t2"}
        assert await outcome(argo, run_of(f"{place}-2", template, again)) == ("Succeeded", "")
        theirs = {**given(place, "yours", "t3", **own), "claim_name": "third"}
        phase, message = await outcome(argo, run_of(f"{place}-3", template, theirs))
        assert phase == "Failed"
        assert f'the name is taken: AppContainerClaim monorepo belongs to "default/{place}/mine"' in message
        listed = await argo.client.call("GET", f"/apis/{group}/v1alpha1/namespaces/{place}/{kind.lower()}s")
        assert sorted(one["metadata"]["name"] for one in listed["items"]) == ["second", "taken"]
