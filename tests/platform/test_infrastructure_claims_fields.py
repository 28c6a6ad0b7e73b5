"""Every field of InfrastructureClaim and ProviderSecretClaim is used: another value of it makes something else.

Only where Crossplane is on PATH; that the tables have every field of the definitions is checked anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.platform.constraints import schema_of
from tests.platform.goldens import Layout
from tests.platform.platform_claims import case_id, status_of
from tests.platform.renderer import MissingRendererError, Renderer
from tests.platform.test_platform_claims_fields import changed, leaves
from tools.platform_api.apis import api
from tools.platform_api.crds import load_definition

if TYPE_CHECKING:
    from collections.abc import Iterator

INFRASTRUCTURE, PROVIDER = Layout(api("infrastructureclaims")), Layout(api("providersecretclaims"))
LAYOUTS = (INFRASTRUCTURE, PROVIDER)
#: A claim in which each field matters.
SPECS: dict[Layout, dict[str, Any]] = {
    INFRASTRUCTURE: {
        "infrastructureType": "postgresql",
        "connectionSecretRef": {"name": "shop-x-connection"},
        "resources": {"cpu": "1", "memory": "1Gi"},
    },
    PROVIDER: {
        "providerType": "neon-postgres",
        "secretName": "shop-x-connection",
        "credentialsSecretRef": {"name": "neon"},
    },
}
_ALL: dict[str, Any] = {"generation": "2", "deletionPolicy": "Orphan", "vcluster": "staging"}
#: Another value of each field.
OTHERS: dict[Layout, dict[str, Any]] = {
    INFRASTRUCTURE: {
        **_ALL,
        "infrastructureType": "redis",
        "size": "xlarge",
        "version": "16",
        "replicas": 2,
        "highAvailability": True,
        "backupEnabled": True,
        "monitoringEnabled": False,
        "resources.cpu": "2",
        "resources.memory": "3Gi",
        "resources.storage": "33Gi",
        "database": "orders",
        "connectionSecretRef.name": "shop-x-other",
    },
    PROVIDER: {
        **_ALL,
        "providerType": "auth0-idp",
        "secretName": "other",
        "credentialsSecretRef.name": "other",
        "externalSecretsEnabled": True,
        "database": "orders",
        "region": "eu-central-1",
        "computeSize": "2",
    },
}
#: Fields that are there to be refused: another value makes nothing, and the status says why.
REFUSED = {
    INFRASTRUCTURE: {"namespace": "namespace is payments", "connectionSecretRef.namespace": "namespace is payments"},
    PROVIDER: {"namespace": "namespace is payments"},
}
#: Seen in the status of a claim that is ready only, which a golden holds: test_provider_secret_claim.py.
WHEN_READY = {PROVIDER: {"serviceBinding"}}
#: Refused by the API server whatever it holds, so no Composition ever sees it.
NEVER = {PROVIDER: {"credentials{}"}}
FIELDS = [(layout, field) for layout in LAYOUTS for field in sorted(OTHERS[layout])]


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    try:
        found = Renderer(INFRASTRUCTURE)
    except MissingRendererError as error:
        pytest.skip(f"{error}: what is not kept as a golden cannot be tried")
    with found:
        yield found


def claim(layout: Layout, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "shop-x", "namespace": "shop"}
    return {"apiVersion": "platform.io/v1alpha1", "kind": layout.api.kind, "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("layout", LAYOUTS, ids=case_id)
def test_the_tables_have_every_field(layout: Layout) -> None:
    spec = schema_of(load_definition(layout.api))["properties"]["spec"]
    tried = OTHERS[layout].keys() | REFUSED[layout].keys()
    assert tried | WHEN_READY.get(layout, set()) | NEVER.get(layout, set()) == set(leaves(spec))


@pytest.mark.parametrize(("layout", "field"), FIELDS, ids=case_id)
def test_another_value_makes_something_else(renderer: Renderer, layout: Layout, field: str) -> None:
    spec = SPECS[layout]
    other = changed(spec, field, OTHERS[layout][field])
    assert other != spec
    before, after = (renderer.compose(claim(layout, one), layout=layout) for one in (spec, other))
    assert before != after


@pytest.mark.parametrize(
    ("layout", "field"), [(layout, field) for layout in LAYOUTS for field in REFUSED[layout]], ids=case_id
)
def test_another_namespace_is_refused_in_words(renderer: Renderer, layout: Layout, field: str) -> None:
    other = changed(SPECS[layout], field, "payments")
    found = status_of(layout, renderer.compose(claim(layout, other), layout=layout))
    assert found["ready"] is False
    assert REFUSED[layout][field] in found["message"]
