"""The API servers that the simulated Argo controller is tested on."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.dev.argo import ArgoCluster
from worker.dev.argo.client import ApiClient
from worker.dev.kubernetes import KubernetesApi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BOTH = ["embedded", pytest.param("real", marks=pytest.mark.cluster)]


@pytest.fixture
async def kubernetes() -> AsyncIterator[KubernetesApi]:
    """An embedded API in this event loop."""
    async with KubernetesApi() as api:
        yield api


async def _cluster(url: str, token: str, ca_file: object, client: ApiClient) -> ArgoCluster:
    namespace = f"argo-{secrets.token_hex(4)}"
    await client.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    return ArgoCluster(url, token, ca_file, namespace, client)  # type: ignore[arg-type]


@pytest.fixture
async def cluster(kubernetes: KubernetesApi) -> AsyncIterator[ArgoCluster]:
    """The embedded API with a namespace for the test."""
    async with ApiClient(kubernetes.url, kubernetes.token) as client:
        yield await _cluster(kubernetes.url, kubernetes.token, None, client)


@pytest.fixture(params=BOTH)
async def any_cluster(request: pytest.FixtureRequest) -> AsyncIterator[ArgoCluster]:
    """The embedded API and, marked `cluster`, a real one."""
    if request.param == "embedded":
        async with KubernetesApi() as api, ApiClient(api.url, api.token) as client:
            yield await _cluster(api.url, api.token, None, client)
        return
    server = request.getfixturevalue("control_plane")
    async with ApiClient(server.url, server.admin_token, server.ca_file) as client:
        yield await _cluster(server.url, server.admin_token, server.ca_file, client)
