"""The server under test (each test runs on both), a namespace of its own, and the paths in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.kinds import GROUP
from tests.api.servers import EmbeddedServer, RealServer, Server, new_namespace, service_account, widgets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.client import Client

SERVERS = [
    pytest.param("embedded", marks=pytest.mark.xdist_group("api-embedded")),
    pytest.param("real", marks=[pytest.mark.cluster, pytest.mark.xdist_group("api-real")]),
]


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "real":
        yield RealServer(request.getfixturevalue("control_plane"))
        return
    embedded = EmbeddedServer()
    try:
        yield embedded
    finally:
        embedded.stop()


@pytest.fixture
def api(server: Server) -> Client:
    """The administrator's client."""
    return server.admin


@pytest.fixture
def namespace(api: Client) -> str:
    return new_namespace(api)


@pytest.fixture
def path(namespace: str) -> str:
    """The collection of Widgets (with status subresource) in the test's namespace."""
    return widgets(namespace)


@pytest.fixture
def gadgets(namespace: str) -> str:
    """The collection of Gadgets (without status subresource) in the test's namespace."""
    return f"/apis/{GROUP}/v1/namespaces/{namespace}/gadgets"


@pytest.fixture
def ruleds(namespace: str) -> str:
    """The collection of Ruleds (whose schema has CEL rules) in the test's namespace."""
    return f"/apis/{GROUP}/v1/namespaces/{namespace}/ruleds"


@pytest.fixture
def token(api: Client, namespace: str) -> str:
    """A service account that may do everything with Widgets of the test's namespace, and nothing else."""
    return service_account(api, namespace, [{"apiGroups": [GROUP], "resources": ["*"], "verbs": ["*"]}])
