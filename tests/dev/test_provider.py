"""The simulated provider: claims become ready, fail on request, and go with their Secrets; on both API servers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from contracts.templates import TEMPLATES
from tests.dev.conftest import BOTH
from worker.dev import installation
from worker.dev.argo.client import ApiAnswerError, ApiClient
from worker.dev.kubernetes import KubernetesApi
from worker.dev.provider import SimulatedProvider
from worker.dev.provider.kinds import KINDS
from worker.dev.provider.provider import SIMULATE_FAILURE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Json = dict[str, Any]
PLATFORM, EXAMPLE = "platform.io", "platform.example.org"
POSTGRESQL = {"host", "port", "database", "username", "password", "connection_string", "jdbc_url"}


class Claims:
    """Claims of one namespace."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self.client, self.namespace = client, namespace

    def path(self, group: str, kind: str) -> str:
        return f"/apis/{group}/v1alpha1/namespaces/{self.namespace}/{kind.lower()}s"

    async def apply(self, group: str, kind: str, spec: Json, name: str = "it", **metadata: Any) -> Json:
        claim = {
            "apiVersion": f"{group}/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace, **metadata},
            "spec": spec,
        }
        path = f"{self.path(group, kind)}/{name}"
        query = {"fieldManager": "test", "fieldValidation": "Strict"}
        return await self.client.call("PATCH", path, claim, content_type="application/apply-patch+yaml", query=query)

    async def until(self, group: str, kind: str, check: Callable[[Json], bool], name: str = "it") -> Json:
        """Return a claim's status once it satisfies a check."""
        deadline = time.monotonic() + 20
        while True:
            found = await self.client.call("GET", f"{self.path(group, kind)}/{name}")
            status: Json = found.get("status") or {}
            if check(status):
                return status
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.02)

    async def secret(self, name: str) -> Json | None:
        listed = (await self.client.call("GET", f"/api/v1/namespaces/{self.namespace}/secrets"))["items"]
        return next((one for one in listed if one["metadata"]["name"] == name), None)

    async def gone(self, name: str, patience: float) -> bool:
        deadline = time.monotonic() + patience
        while await self.secret(name) is not None:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True


@pytest.fixture(params=BOTH)
async def claims(request: pytest.FixtureRequest) -> AsyncIterator[Claims]:
    """An API with the claims' definitions."""
    if request.param == "embedded":
        async with KubernetesApi() as api, ApiClient(api.url, api.token) as client:
            await installation.install(client, installation.shipped(), namespace="argo")
            await client.call("POST", "/api/v1/namespaces", {"metadata": {"name": "claims"}})
            yield Claims(client, "claims")
        return
    server = request.getfixturevalue("control_plane")
    async with ApiClient(server.url, server.admin_token, server.ca_file) as client:
        await installation.install(client, installation.shipped(), namespace="argo")
        yield Claims(client, server.namespace())


@pytest.fixture
async def provider(claims: Claims) -> AsyncIterator[SimulatedProvider]:
    async with SimulatedProvider(claims.client.as_user(claims.client._token, "provider"), seconds=0.05) as running:
        yield running


def ready(status: Json) -> bool:
    return status.get("ready") is True


def infrastructure(kind: str = "postgresql", **more: Any) -> Json:
    return {"infrastructureType": kind, "connectionSecretRef": {"name": "it-connection"}, **more}


def test_every_claim_of_the_templates_can_be_provided() -> None:
    assert KINDS.keys() == {claim for template in TEMPLATES.values() for claim in template.claims}


@pytest.mark.parametrize(
    ("group", "kind", "spec", "secret", "keys"),
    [
        (PLATFORM, "InfrastructureClaim", infrastructure(), "it-connection", POSTGRESQL),
        (PLATFORM, "InfrastructureClaim", infrastructure("mongodb"), "it-connection", POSTGRESQL - {"jdbc_url"}),
        (
            PLATFORM,
            "InfrastructureClaim",
            infrastructure("redis"),
            "it-connection",
            {"host", "port", "password", "connection_string"},
        ),
        (PLATFORM, "InfrastructureClaim", infrastructure("kafka"), "it-connection", {"bootstrap_servers", "endpoint"}),
        (
            PLATFORM,
            "InfrastructureClaim",
            infrastructure("clickhouse"),
            "it-connection",
            {"host", "port", "username", "password"},
        ),
        (
            PLATFORM,
            "ProviderSecretClaim",
            {"providerType": "neon-postgres", "secretName": "it-connection", "credentialsSecretRef": {"name": "neon"}},
            "it-connection",
            POSTGRESQL,
        ),
        (
            PLATFORM,
            "ProviderSecretClaim",
            {"providerType": "auth0-idp", "secretName": "it-connection", "credentialsSecretRef": {"name": "auth0"}},
            "it-connection",
            {"domain", "client_id", "client_secret", "audience"},
        ),
        (
            EXAMPLE,
            "RealtimePlatformClaim",
            {"name": "it", "enableMqtt": True},
            "it-connection",
            {"bootstrap_servers", "endpoint"},
        ),
        (EXAMPLE, "VClusterEnvironmentClaim", {"name": "it"}, "it-connection", {"kubeconfig"}),
        (
            EXAMPLE,
            "OrchestrationPlatformClaim",
            {"orchestratorName": "it"},
            "it-connection",
            {"camunda-endpoint", "camunda-client-id", "camunda-client-secret"},
        ),
        (
            EXAMPLE,
            "GraphQLPlatformClaim",
            {"name": "it"},
            "it-connection",
            {"graphql-endpoint", "hasura-admin-secret"},
        ),
        (EXAMPLE, "AppContainerClaim", {"name": "it"}, "", set()),
        (EXAMPLE, "ApplicationClaim", {"name": "it", "appContainer": "it"}, "", set()),
    ],
)
async def test_a_claim_becomes_ready(
    claims: Claims, provider: SimulatedProvider, group: str, kind: str, spec: Json, secret: str, keys: set[str]
) -> None:
    await claims.apply(group, kind, {**spec, "generation": "t1"})
    status = await claims.until(group, kind, ready)
    assert status["appliedGeneration"] == "t1"
    assert "message" not in status
    assert (status.get("connectionSecret") or {}).get("name", "") == secret
    if secret:
        found = await claims.secret(secret)
        assert found is not None
        assert set(found["data"]) == keys
        assert all(found["data"].values())


async def test_a_new_token_is_not_ready_before_it_is_carried_out(claims: Claims, provider: SimulatedProvider) -> None:
    kind = "InfrastructureClaim"
    await claims.apply(PLATFORM, kind, infrastructure(generation="t1"))
    await claims.until(PLATFORM, kind, ready)
    before = await claims.secret("it-connection")
    provider.seconds = 0.5
    await claims.apply(PLATFORM, kind, infrastructure(generation="t2", size="large"))
    status = await claims.until(PLATFORM, kind, lambda found: found.get("appliedGeneration") == "t2")
    assert status["ready"] is False
    assert status["message"] == "postgresql is starting: 0 of 1 replicas are ready"
    status = await claims.until(PLATFORM, kind, ready)
    assert status["appliedGeneration"] == "t2"
    after = await claims.secret("it-connection")
    assert before is not None
    assert after is not None
    assert after["data"] == before["data"]


async def test_a_claim_fails_on_request_and_is_repaired(claims: Claims, provider: SimulatedProvider) -> None:
    kind = "InfrastructureClaim"
    provider.failures["db"] = "no room"
    await claims.apply(PLATFORM, kind, infrastructure(generation="t1"), annotations={"platform.io/component": "db"})
    status = await claims.until(PLATFORM, kind, lambda found: "ready" in found)
    assert (status["ready"], status["message"]) == (False, "no room")
    provider.failures.clear()
    await claims.apply(PLATFORM, kind, infrastructure(generation="t2"), annotations={"platform.io/component": "db"})
    assert (await claims.until(PLATFORM, kind, ready))["appliedGeneration"] == "t2"


async def test_a_claim_fails_by_annotation(claims: Claims, provider: SimulatedProvider) -> None:
    spec = infrastructure()
    await claims.apply(PLATFORM, "InfrastructureClaim", spec, annotations={SIMULATE_FAILURE: "on request"})
    status = await claims.until(PLATFORM, "InfrastructureClaim", lambda found: "ready" in found)
    assert (status["ready"], status["message"]) == (False, "on request")
    assert await claims.secret("it-connection") is None


@pytest.mark.parametrize(("policy", "kept"), [("Delete", False), ("Orphan", True)])
async def test_a_deleted_claim_takes_its_secret_along_unless_it_is_orphaned(
    claims: Claims, provider: SimulatedProvider, policy: str, kept: bool
) -> None:
    await claims.apply(PLATFORM, "InfrastructureClaim", infrastructure(deletionPolicy=policy))
    await claims.until(PLATFORM, "InfrastructureClaim", ready)
    await claims.client.call("DELETE", f"{claims.path(PLATFORM, 'InfrastructureClaim')}/it")
    assert await claims.gone("it-connection", patience=0.5 if kept else 20) is not kept


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({**infrastructure(), "size": "gigantic"}, "spec.size"),
        ({"infrastructureType": "oracle", "connectionSecretRef": {"name": "it-connection"}}, "spec.infrastructureType"),
        ({"infrastructureType": "redis"}, "spec.connectionSecretRef"),
        ({**infrastructure(), "replicas": 99}, "spec.replicas"),
        ({**infrastructure(), "colour": "red"}, "colour"),
    ],
)
async def test_what_a_schema_refuses_is_refused(claims: Claims, spec: Json, part: str) -> None:
    with pytest.raises(ApiAnswerError) as refused:
        await claims.apply(PLATFORM, "InfrastructureClaim", spec)
    assert part in refused.value.said


async def test_a_refused_manifest_is_named(claims: Claims) -> None:
    broken = {
        "apiVersion": "platform.io/v1alpha1",
        "kind": "InfrastructureClaim",
        "metadata": {"name": "x"},
        "spec": {},
    }
    with pytest.raises(installation.ManifestsError, match="InfrastructureClaim x cannot be installed: "):
        await installation.install(claims.client, [broken], namespace="default")
