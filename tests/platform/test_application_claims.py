"""Each golden render of an ApplicationClaim holds what its claim must lead to, no more and no less."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest

from tests.platform import applications, goldens
from tests.platform.applications import GitHub
from tests.platform.goldens import Layout
from tools.platform_api.apis import api
from worker.domain.handlers import TEMPLATE_REPOSITORIES

Manifest = dict[str, Any]

LAYOUT = Layout(api("applicationclaims"))
CASES = LAYOUT.cases()
ABSENT = "external resource does not exist"
#: Cases whose Application is written back, and its name.
WRITTEN = {"written-back": "orders", "chatbot-written-back": "support"}
READY = {"works", "kubernetes", "not-written-back", *WRITTEN}
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


@functools.cache
def github(name: str) -> GitHub:
    """Return what the case observes of GitHub."""
    there, free, left = {}, set(), set()
    for seen in goldens.observed_of(LAYOUT, name):
        if seen["kind"] != "Repository":
            continue
        repository, at = seen["spec"]["forProvider"]["name"], seen.get("status", {}).get("atProvider", {})
        if seen["metadata"]["annotations"]["crossplane.io/composition-resource-name"] == "repository":
            there[repository] = at["fullName"]
        elif any(ABSENT in condition.get("message", "") for condition in seen["status"]["conditions"]):
            free.add(repository)
        elif applications.topic(claim_of(name)) in at.get("topics", []):
            left.add(repository)
    return GitHub(there, frozenset(free), frozenset(left))


def repository_of(name: str) -> str:
    spec = claim_of(name)["spec"]
    return spec.get("repository", {}).get("name") or str(spec["name"])


def image_of(name: str) -> str:
    spec, owned = claim_of(name)["spec"], github(name).there.get(repository_of(name), "")
    return spec.get("image") or (f"ghcr.io/{owned.lower()}:latest" if owned else "")


def expected_keys(name: str) -> set[str]:
    """Return the names of the resources that the claim composes at this point."""
    claim = claim_of(name)
    spec, hub = claim["spec"], github(name)
    found = set(applications.infrastructure(claim))
    if spec.get("language"):
        found.add("repository" if hub.may_be_made(repository_of(name)) else "repository-seen")
    if hub.there:
        found.add("service-file")
        found |= {"monorepo-entry"} if spec.get("appContainer") else set()
        found |= {"gitops-file"} if name in WRITTEN else set()
    if not applications.runs_here(spec):
        return found | set(applications.bindings(claim))
    bot = spec.get("chatbot", {})
    knative = spec.get("platform", "knative") == "knative"
    for key, image in (
        ("workload", bot.get("rasaImage") or image_of(name)),
        ("actions", bot.get("actionsImage") or image_of(name) if bot and bot.get("enableActions", True) else ""),
    ):
        found |= {key} if image else set()
    if not knative:
        found |= {"workload-service"} | ({"route"} if spec.get("exposeApi") else set())
    return found


@each_case
def test_the_claim_composes_exactly_these(name: str) -> None:
    assert set(composed(name)) == expected_keys(name)


@each_case
def test_the_repository_is_made_from_the_template_or_looked_for(name: str) -> None:
    claim, made = claim_of(name), composed(name)
    spec = claim["spec"]
    config = f"github-{spec['gitHubOrg'].lower()}" if spec.get("gitHubOrg") else "github"
    assert {made[key]["spec"]["providerConfigRef"]["name"] for key in made if made[key]["kind"] != "Object"} <= {config}
    if "repository-seen" in made:
        seen = made["repository-seen"]
        assert seen["spec"]["managementPolicies"] == ["Observe"]
        assert seen["spec"]["forProvider"] == {"name": repository_of(name)}
        assert seen["metadata"]["annotations"]["crossplane.io/external-name"] == repository_of(name)
    if "repository" in made:
        wish = made["repository"]["spec"]
        assert wish["deletionPolicy"] == spec.get("deletionPolicy", "Orphan")
        assert wish["forProvider"] == {
            "name": repository_of(name),
            "description": f"{spec['name']}: {spec['language']} {spec.get('framework', '')}".strip(),
            "visibility": "private",
            "deleteBranchOnMerge": True,
            "template": [applications.template(spec)],
            "topics": [applications.topic(claim)],
        }


@each_case
def test_the_files_say_what_the_claim_says(name: str) -> None:
    claim, made = claim_of(name), composed(name)
    spec, full_name = claim["spec"], github(name).there.get(repository_of(name), "")
    for key in {"service-file", "monorepo-entry", "gitops-file"} & made.keys():
        assert made[key]["kind"] == "RepositoryFile"
        assert made[key]["spec"]["deletionPolicy"] == "Delete"
        # What others may have written is not written over; in the claim's own repository there is nobody else.
        assert made[key]["spec"]["forProvider"]["overwriteOnCreate"] is (key == "service-file")
    if "service-file" in made:
        wish = made["service-file"]["spec"]["forProvider"]
        assert (wish["repository"], wish["file"]) == (repository_of(name), ".platform/service.json")
        assert json.loads(wish["content"]) == applications.service_file(spec, full_name)
    if "monorepo-entry" in made:
        wish = made["monorepo-entry"]["spec"]["forProvider"]
        assert (wish["repository"], wish["file"]) == (
            spec["appContainer"],
            f"microservices/{spec['name']}/service.json",
        )
        assert json.loads(wish["content"]) == {
            "name": spec["name"],
            "repository": full_name,
            "claim": f"{claim['metadata']['namespace']}/{claim['metadata']['name']}",
            "build": applications.service_file(spec, full_name)["build"],
        }


@pytest.mark.parametrize(("name", "application"), WRITTEN.items())
def test_a_request_is_written_back_whole(name: str, application: str) -> None:
    claim, made = claim_of(name), composed(name)["gitops-file"]
    wish = made["spec"]["forProvider"]
    file = f"applications/{application}.yaml"
    assert (wish["repository"], wish["file"]) == (f"{application}-gitops", file)
    assert applications.content(made) == applications.application(claim, image_of(name))
    assert status_of(name)["cicd"]["gitOpsFile"] == file


def test_half_an_application_is_never_written_back() -> None:
    status = status_of("not-written-back")
    assert status["ready"] is True
    assert "applications/orders.yaml is not written" in status["message"]
    assert status["cicd"]["gitOpsFile"] == ""


@each_case
def test_databases_and_caches_are_infrastructure_claims(name: str) -> None:
    claim, made = claim_of(name), composed(name)
    for key, manifest in applications.infrastructure(claim).items():
        body = made[key]["spec"]
        assert body["forProvider"]["manifest"] == manifest
        assert body["deletionPolicy"] == claim["spec"].get("deletionPolicy", "Orphan")
        assert body["providerConfigRef"] == {"name": "kubernetes-provider"}
        for word in ("object.status.ready", "object.status.appliedGeneration == object.spec.generation"):
            assert word in body["readiness"]["celQuery"]


@each_case
def test_secrets_are_bound_to_the_workload_that_others_run(name: str) -> None:
    claim, made = claim_of(name), composed(name)
    if applications.runs_here(claim["spec"]):
        assert not any(key.endswith("-binding") for key in made)
        return
    assert "workload" not in made
    for key, manifest in applications.bindings(claim).items():
        assert made[key]["spec"]["forProvider"]["manifest"] == manifest
        assert "'Ready'" in made[key]["spec"]["readiness"]["celQuery"]


@each_case
def test_workloads_are_what_the_claim_must_lead_to(name: str) -> None:
    claim, made = claim_of(name), composed(name)
    spec = claim["spec"]
    bot = spec.get("chatbot")
    base, namespace = applications.based(claim), claim["metadata"]["namespace"]
    if "workload" in made:
        extra = []
        if bot is not None:
            extra = [{"name": "RASA_CHANNELS", "value": ",".join(bot.get("channels", ["rest"]))}]
            if bot.get("enableActions", True):
                url = f"http://{base}-actions.{namespace}.svc.cluster.local/webhook"
                extra.append({"name": "ACTION_ENDPOINT_URL", "value": url})
        image = (bot or {}).get("rasaImage") or image_of(name)
        pod = applications.pod(claim, image, 8080 if bot is None else 5005, extra)
        scale = ("0", "10") if bot is None else (str(bot.get("minScale", 1)), str(bot.get("maxScale", 10)))
        assert_workload(made, claim, "workload", claim["metadata"]["name"], pod, scale, exposed=spec.get("exposeApi"))
    if "actions" in made:
        assert bot is not None
        scale = (str(bot.get("actionsMinScale", 0)), str(bot.get("actionsMaxScale", 5)))
        pod = applications.pod(claim, bot["actionsImage"], 5055, [])
        assert_workload(made, claim, "actions", f"{base}-actions", pod, scale, exposed=False)


def assert_workload(
    made: dict[str, Manifest],
    claim: Manifest,
    key: str,
    name: str,
    pod: Manifest,
    scale: tuple[str, str],
    *,
    exposed: bool | None,
) -> None:
    spec, namespace = claim["spec"], claim["metadata"]["namespace"]
    cluster = f"{namespace}.{spec['targetVCluster']}" if spec.get("targetVCluster") else "kubernetes-provider"
    labels = applications.labels(claim) | {"app.kubernetes.io/name": name}
    body = made[key]["spec"]
    assert body["providerConfigRef"] == {"name": cluster}
    assert body["deletionPolicy"] == "Delete"
    assert "object.status.observedGeneration == object.metadata.generation" in body["readiness"]["celQuery"]
    manifest = body["forProvider"]["manifest"]
    if spec.get("platform", "knative") == "knative":
        visibility = {} if exposed else {"networking.knative.dev/visibility": "cluster-local"}
        limits = {"autoscaling.knative.dev/min-scale": scale[0], "autoscaling.knative.dev/max-scale": scale[1]}
        pod = {**pod, "timeoutSeconds": 600 if spec.get("websocket") else 300}
        assert manifest == {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace, "labels": labels | visibility},
            "spec": {"template": {"metadata": {"labels": labels, "annotations": limits}, "spec": pod}},
        }
        return
    selector = {"app.kubernetes.io/name": name}
    assert manifest == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": max(1, int(scale[0])),
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    assert made[f"{key}-service"]["spec"]["forProvider"]["manifest"]["spec"] == {
        "selector": selector,
        "ports": [{"name": "http", "port": 80, "targetPort": "http1"}],
    }


def test_a_deployment_is_exposed_by_a_route_of_the_gateway() -> None:
    spec = composed("kubernetes")["route"]["spec"]["forProvider"]["manifest"]["spec"]
    assert spec["parentRefs"] == [{"name": "platform", "namespace": "gateway-system"}]
    (rule,) = spec["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/shop/orders"}}]
    assert rule["backendRefs"] == [{"name": "orders", "port": 80}]
    assert rule["timeouts"] == {"request": "600s"}
    assert status_of("kubernetes")["application"]["apiGatewayEndpoint"] == "/shop/orders"


@each_case
def test_no_name_is_too_long(name: str) -> None:
    for made in composed(name).values():
        if made["kind"] == "Object":
            metadata = made["spec"]["forProvider"]["manifest"]["metadata"]
            assert len(metadata["name"]) <= 63
            assert all(len(value) <= 63 for value in metadata["labels"].values())


@each_case
def test_status_echoes_the_generation_and_is_honest(name: str) -> None:
    status = status_of(name)
    assert status["appliedGeneration"] == claim_of(name)["spec"].get("generation", "0")
    assert status["ready"] is (name in READY)
    (condition,) = status["conditions"]
    assert (condition["status"] == "True") is status["ready"]
    assert status["message"]


def test_status_of_a_service_that_works() -> None:
    status = status_of("works")
    assert status["endpoint"] == "http://orders.shop.svc.cluster.local"
    assert status["message"] == "all parts work"
    assert status["repository"] == {
        "url": "https://github.com/Acme/orders",
        "branch": "main",
        "cloneUrl": "https://github.com/Acme/orders.git",
    }
    assert status["application"] == {
        "knativeService": "orders",
        "endpoint": "http://orders.shop.svc.cluster.local",
        "apiGatewayEndpoint": "https://orders.shop.apps.acme.example",
    }
    assert status["infrastructure"]["database"] == {
        "credentials": "orders-database-connection",
        "endpoint": "orders-database.shop.svc.cluster.local:5432",
    }


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("changed", "Service/orders: the change is not applied yet"),
        ("database-fails", "InfrastructureClaim/orders-database: Cluster/orders-database: exceeded quota"),
        ("database-fails", 'secret "orders-database-connection" not found'),
        ("repository-of-others", "Repository/orders: exists and is not this claim's"),
        ("microservice", "Repository/orders: looking whether it exists"),
        ("github-refuses", "Repository/orders: looking whether it exists: observe failed: "),
        ("github-refuses", "401 Bad credentials"),
        ("microservice", "Service/orders: waits for the repository"),
        ("refused", "namespace: the claim is in shop and can make nothing in billing"),
        ("refused", "settings: is no JSON object"),
    ],
)
def test_the_message_says_what_is_in_the_way(name: str, told: str) -> None:
    assert told in status_of(name)["message"]


def test_somebody_elses_repository_is_not_touched() -> None:
    assert composed("repository-of-others").keys() == {"repository-seen"}


def test_the_templates_are_those_of_the_worker() -> None:
    for (language, framework), repository in TEMPLATE_REPOSITORIES.items():
        assert applications.template({"language": language, "framework": framework})["repository"] == repository
    text = LAYOUT.composition.read_text(encoding="utf-8")
    assert all(f'"{repository}"' in text for repository in TEMPLATE_REPOSITORIES.values())


def test_without_a_language_there_is_no_repository_and_no_workload() -> None:
    assert {made["kind"] for made in composed("bindings-only").values()} == {"Object"}
    assert composed("bindings-only").keys() == {"database-binding", "realtime-binding"}
