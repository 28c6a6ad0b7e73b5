"""The rights of the steps are the least: without any one of them something that a template does comes to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from contracts.templates import TEARDOWN
from tests.dev.argo import phases
from tests.dev.installed import TASK, installed, outcome, run_of
from tests.workflows.library import parameters, template_of
from tests.workflows.rehearsal import ROOT

if TYPE_CHECKING:
    from tests.dev.argo import ArgoCluster

ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles/platform-workflows"
RBAC = list(yaml.safe_load_all((ROOT / "platform" / "05-workflows" / "rbac.yaml").read_text(encoding="utf-8")))
(ROLE,) = (one for one in RBAC if (one["kind"], one["metadata"]["name"]) == ("ClusterRole", "platform-workflows"))
#: A type that needs the resource, and what makes it need it.
NEEDED_BY: dict[str, tuple[str, dict[str, Any]]] = {
    "appcontainerclaims": ("webservice", {"language": "python"}),
    "applicationclaims": ("webservice", {"language": "python"}),
    "graphqlplatformclaims": ("graphql-platform", {}),
    "infrastructureclaims": ("postgresql", {}),
    "orchestrationplatformclaims": ("camunda-orchestrator", {}),
    "providersecretclaims": ("neon-postgres", {}),
    "realtimeplatformclaims": ("realtime-platform", {}),
    "servicebindings": ("neon-postgres", {}),
    "servicemonitors": ("postgresql", {}),
    "vclusterenvironmentclaims": ("vcluster", {}),
}
RIGHTS = {resource: tuple(rule["verbs"]) for rule in ROLE["rules"] for resource in rule["resources"]}
GROUPS = {resource: rule["apiGroups"][0] for rule in ROLE["rules"] for resource in rule["resources"]}


def test_every_right_is_tried() -> None:
    assert RIGHTS.keys() == NEEDED_BY.keys()
    tried = {"get", "list", "watch", "create", "patch", "delete"}
    assert all(set(verbs) <= tried for verbs in RIGHTS.values())


async def grant(cluster: ArgoCluster, but: tuple[str, str] = ("", "")) -> None:
    """Let the account have its rights, but one verb of one resource."""
    rules = [
        {**rule, "resources": [resource], "verbs": [verb for verb in rule["verbs"] if (resource, verb) != but]}
        for rule in ROLE["rules"]
        for resource in rule["resources"]
    ]
    there = await cluster.client.call("GET", ROLES)
    await cluster.client.call("PUT", ROLES, {**there, "rules": rules})


@pytest.mark.parametrize("resource", NEEDED_BY)
async def test_without_any_one_right_a_step_fails(cluster: ArgoCluster, resource: str) -> None:
    kind, inputs = NEEDED_BY[resource]
    sent = parameters(kind, inputs)
    verbs = RIGHTS[resource]

    async def run(without: str, entry: str = "main") -> tuple[str, str]:
        await grant(argo, (resource, without))
        return await outcome(argo, run_of(f"{entry}-{without or 'all'}", template_of(kind), sent, entry))

    async with installed(cluster) as argo:
        await argo.client.call("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
        for verb in ("get", "patch", "create"):
            if verb in verbs:
                refused(await run(verb), verb, resource)
        assert await run("") == ("Succeeded", "")
        for verb in {"list", "delete"} & set(verbs):
            refused(await run(verb, TEARDOWN), verb, resource)
        if "delete" not in verbs:
            return
        await hold(argo, resource, sent["claim_name"], "example.org/slow")
        # Kubectl does not wait for the end of what it may not watch: the teardown of what it builds on would begin.
        assert await run("watch", TEARDOWN) == ("Succeeded", "")
        await grant(argo)
        await argo.submit(run_of("held", template_of(kind), sent, TEARDOWN))
        await argo.node_phase("held", TASK, "Running")
        other = parameters("vcluster", {}) | {"claim_name": "none"}
        assert await outcome(argo, run_of("other", "vcluster-workflow", other, TEARDOWN)) == ("Succeeded", "")
        assert phases(await argo.until("held", bool))[TASK] == "Running"
        await hold(argo, resource, sent["claim_name"])
        assert (await argo.ended("held"))["phase"] == "Succeeded"


def refused(found: tuple[str, str], verb: str, resource: str) -> None:
    phase, message = found
    assert phase == "Failed", (verb, resource)
    assert f'cannot {verb} resource "{resource}"' in message


async def hold(argo: ArgoCluster, resource: str, name: str, *finalizers: str) -> None:
    """Keep a claim from going, or let it go."""
    path = f"/apis/{GROUPS[resource]}/v1alpha1/namespaces/shop/{resource}/{name}"
    body = {"metadata": {"finalizers": list(finalizers)}}
    await argo.client.call("PATCH", path, body, content_type="application/merge-patch+json")
