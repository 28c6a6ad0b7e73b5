"""Each golden render of an AppContainerClaim holds what its claim must lead to, no more and no less."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from tests.platform import applications, goldens
from tests.platform.goldens import Layout
from tools.platform_api.apis import api

Manifest = dict[str, Any]

LAYOUT = Layout(api("appcontainerclaims"))
CASES = LAYOUT.cases()
#: Cases in which both repositories are there, whatever else is.
WIRED = {"works", "changed", "not-confirmed", "registry-without-credentials", "switched-off"}
each_case = pytest.mark.parametrize("name", CASES)


@functools.cache
def claim_of(name: str) -> Manifest:
    return goldens.claim_of(LAYOUT, name)


@functools.cache
def composed(name: str) -> dict[str, Manifest]:
    return goldens.composed(goldens.rendered(LAYOUT, name))


def status_of(name: str) -> Manifest:
    found: Manifest = goldens.composite(goldens.rendered(LAYOUT, name), LAYOUT.api)["status"]
    return found


def expected_keys(name: str) -> set[str]:
    spec = claim_of(name)["spec"]
    found = {"monitor"} if spec.get("enableObservability", True) else set()
    repositories = {"source-repository", "gitops-repository"}
    if name in {"minimal", "own-organisation"}:
        return found | {f"{key}-seen" for key in repositories}
    if name == "repository-of-others":
        return found | {"source-repository-seen", "gitops-repository", "project", "application"}
    if name not in WIRED:
        return found | repositories
    foreign = not spec.get("dockerRegistry", "ghcr.io").startswith("ghcr.io")
    registry = {"registry-username", "registry-password"} if foreign else set()
    return found | repositories | registry | {"pipeline", "project", "application"}


@each_case
def test_the_claim_composes_exactly_these(name: str) -> None:
    assert set(composed(name)) == expected_keys(name)


@each_case
def test_the_repositories_are_private_described_and_marked_as_the_claims(name: str) -> None:
    claim, made = claim_of(name), composed(name)
    spec = claim["spec"]
    config = f"github-{spec['gitHubOrg'].lower()}" if spec.get("gitHubOrg") else "github"
    for key, repository in (("source-repository", spec["name"]), ("gitops-repository", f"{spec['name']}-gitops")):
        if key in made:
            body = made[key]["spec"]
            assert body["deletionPolicy"] == spec.get("deletionPolicy", "Orphan")
            assert body["forProvider"] == {
                "name": repository,
                "description": spec.get("description", ""),
                "visibility": "private",
                "autoInit": True,
                "deleteBranchOnMerge": True,
                "vulnerabilityAlerts": spec.get("enableSecurity", True),
                "topics": [applications.topic(claim)],
            }
        else:
            body = made[f"{key}-seen"]["spec"]
            assert body["managementPolicies"] == ["Observe"]
            assert body["forProvider"] == {"name": repository}
        assert body["providerConfigRef"] == {"name": config}


def test_repositories_that_the_claim_left_are_taken_over_and_others_are_not() -> None:
    for key, made in composed("repositories-left-by-it").items():
        if made["kind"] == "Repository":
            known = made["metadata"]["annotations"]["crossplane.io/external-name"]
            assert known == made["spec"]["forProvider"]["name"], key
    for made in composed("no-repository-yet").values():
        assert "crossplane.io/external-name" not in made["metadata"]["annotations"]
    assert "source-repository" not in composed("repository-of-others")
    assert "Repository/shop: exists and is not this claim's" in status_of("repository-of-others")["message"]


@pytest.mark.parametrize("name", sorted(WIRED))
def test_the_pipeline_builds_scans_and_pushes_to_the_registry(name: str) -> None:
    claim, made = claim_of(name), composed(name)["pipeline"]
    wish = made["spec"]["forProvider"]
    assert (wish["repository"], wish["file"]) == ("shop", ".github/workflows/services.yaml")
    pipeline = applications.content(made)
    steps = pipeline["jobs"]["build"]["steps"]
    registry = claim["spec"].get("dockerRegistry", "ghcr.io/${{ github.repository_owner }}")
    login = next(step["with"] for step in steps if step.get("uses", "").startswith("docker/login-action"))
    assert login["registry"] == registry.partition("/")[0]
    own = registry.startswith("ghcr.io/")
    assert login["password"] == ("${{ secrets.GITHUB_TOKEN }}" if own else "${{ secrets.REGISTRY_PASSWORD }}")
    images = {step["env"]["IMAGE"] for step in steps if "env" in step}
    assert images == {f"{registry}/${{{{ matrix.service }}}}"}
    order = [step.get("name", "") for step in steps]
    scan = ["Refuse serious known vulnerabilities"] if claim["spec"].get("enableSecurity", True) else []
    assert order[2:] == ["Build", *scan, "Push"]
    assert pipeline["permissions"] == {"contents": "read", "packages": "write"}
    # What is pasted into a shell could be run by it: names of folders and images come as variables.
    assert all("${{" not in step.get("run", "") for job in pipeline["jobs"].values() for step in job["steps"])


def test_without_security_nothing_is_scanned() -> None:
    (build,) = (
        job for job in applications.content(composed("switched-off")["pipeline"])["jobs"].values() if "needs" in job
    )
    assert [step.get("name", "") for step in build["steps"]][2:] == ["Build", "Push"]


def test_the_registrys_credentials_come_from_the_claims_namespace() -> None:
    made = composed("registry-without-credentials")
    for key in ("username", "password"):
        assert made[f"registry-{key}"]["spec"]["forProvider"] == {
            "repository": "shop",
            "secretName": f"REGISTRY_{key.upper()}",
            "plaintextValueSecretRef": {"name": "registry-credentials", "namespace": "shop", "key": key},
        }
    status = status_of("registry-without-credentials")
    assert 'secrets "registry-credentials" not found' in status["message"]
    assert status["infrastructure"] == {
        "cicdConfigured": True,
        "argoCDConfigured": False,
        "secretsConfigured": False,
    }


@pytest.mark.parametrize("name", sorted(WIRED))
def test_argo_cd_deploys_from_the_gitops_repository_into_the_claims_namespace_only(name: str) -> None:
    claim, made = claim_of(name), composed(name)
    project = made["project"]["spec"]["forProvider"]["manifest"]
    deployer = made["application"]["spec"]["forProvider"]["manifest"]
    destination = {"server": "https://kubernetes.default.svc", "namespace": claim["metadata"]["namespace"]}
    assert project["spec"]["sourceRepos"] == ["https://github.com/acme/shop-gitops.git"]
    assert project["spec"]["destinations"] == [destination]
    assert project["spec"]["clusterResourceWhitelist"] == []
    assert deployer["spec"]["project"] == project["metadata"]["name"]
    assert deployer["spec"]["destination"] == destination
    assert deployer["spec"]["source"]["repoURL"] == "https://github.com/acme/shop-gitops.git"
    assert deployer["metadata"]["namespace"] == project["metadata"]["namespace"] == "argocd"
    # Claims of the same name in two namespaces must not share one.
    assert deployer["metadata"]["name"] == f"shop-{applications.identity(claim)}"
    assert "'Synced'" in made["application"]["spec"]["readiness"]["celQuery"]


@each_case
def test_pods_of_the_application_are_scraped_if_it_is_asked_for(name: str) -> None:
    claim, made = claim_of(name), composed(name)
    if not claim["spec"].get("enableObservability", True):
        assert "monitor" not in made
        return
    manifest = made["monitor"]["spec"]["forProvider"]["manifest"]
    assert manifest["kind"] == "PodMonitor"
    assert manifest["metadata"]["namespace"] == claim["metadata"]["namespace"]
    assert manifest["spec"] == {
        "selector": {"matchLabels": {"app.kubernetes.io/part-of": claim["spec"]["name"]}},
        "podMetricsEndpoints": [{"path": "/metrics"}],
    }


@each_case
def test_status_echoes_the_generation_and_is_honest(name: str) -> None:
    status = status_of(name)
    assert status["appliedGeneration"] == claim_of(name)["spec"].get("generation", "0")
    assert status["ready"] is (name in {"works", "switched-off"})
    (condition,) = status["conditions"]
    assert (condition["status"] == "True") is (name in {"works", "switched-off"})
    assert status["message"]


def test_status_of_an_app_container_that_works() -> None:
    status = status_of("works")
    assert status["message"] == "all parts work"
    assert status["endpoint"] == "https://github.com/acme/shop"
    assert status["gitopsRepository"] == {
        "url": "https://github.com/acme/shop-gitops",
        "branch": "main",
        "cloneUrl": "https://github.com/acme/shop-gitops.git",
    }


def test_a_change_counts_when_its_provider_has_confirmed_it() -> None:
    assert "Repository/shop: the change is not applied yet" in status_of("changed")["message"]
    assert status_of("not-confirmed")["message"] == "Repository/shop: not ready yet"
