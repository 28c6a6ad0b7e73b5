"""A claim meets the same verdict from validate-claim.sh and from a real API server, and the same path in a refusal."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.platform import fixtures
from tests.platform.counts import CASES
from tools.platform_api.apis import FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.platform.fixtures import Fixture
    from tests.support.control_plane import ControlPlane
    from tests.support.control_plane_api import Answer
    from tools.platform_api.apis import Api

    Served = Callable[[Api], ControlPlane]

_UNKNOWN = re.compile(r'unknown field "([^"]+)"')


def _create(api: ControlPlane, claim: dict[str, Any], collection: str) -> Answer:
    """Create without a trace; unknown fields are refused, as kubectl asks for by default."""
    return api.request("POST", f"/apis/{collection}?dryRun=All&fieldValidation=Strict", claim)


def _create_claim(api: ControlPlane, fixture: Fixture) -> Answer:
    claim, of = fixture.claim, fixture.api
    placed = {**claim, "metadata": {**claim["metadata"], "namespace": "default"}}
    return _create(api, placed, f"{of.group}/v1alpha1/namespaces/default/{of.plural}")


def _paths(answer: Answer) -> set[str]:
    """Return the fields that a refusal names."""
    causes = {cause["field"] for cause in answer.body.get("details", {}).get("causes", [])}
    return causes | set(_UNKNOWN.findall(answer.message))


def test_validate_claim_agrees_with_every_fixture(
    validator: Path, record_property: Callable[[str, object], None]
) -> None:
    result = subprocess.run(
        [FOLDER / "tests" / "schema-validation.test.sh"], capture_output=True, text=True, check=False
    )
    print(result.stdout)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    count = re.search(r"(\d+) passed, 0 failed", result.stdout)
    assert count is not None
    claims = len(fixtures.all_valid()) + len(fixtures.all_invalid())
    assert int(count[1]) > claims
    record_property(CASES, claims)


@pytest.mark.parametrize("fixture", fixtures.all_valid(), ids=fixtures.name)
def test_the_api_server_accepts_valid_claims(platform_api: Served, fixture: Fixture) -> None:
    answer = _create_claim(platform_api(fixture.api), fixture)
    assert answer.status == 201, answer.message


@pytest.mark.parametrize("fixture", fixtures.all_invalid(), ids=fixtures.name)
def test_the_api_server_refuses_invalid_claims_at_the_same_path(platform_api: Served, fixture: Fixture) -> None:
    answer = _create_claim(platform_api(fixture.api), fixture)
    assert answer.status in {400, 422}, answer.message
    if fixture.where == "apiVersion":  # of another version, so it does not come to a schema
        assert 'in version "v1" cannot be handled' in answer.message
    else:
        assert fixture.where in _paths(answer), answer.message
    if ": rule " in fixture.breaks:  # whose words are the definition's own
        assert fixture.expect.partition(": ")[2] in answer.message


@pytest.mark.parametrize("fixture", fixtures.all_valid(), ids=fixtures.name)
def test_what_a_claim_says_fits_the_composite_resource_too(platform_api: Served, fixture: Fixture) -> None:
    claimed = {name: value for name, value in fixture.claim["spec"].items() if name not in _OF_CLAIMS}
    of = fixture.api
    reference = {"apiVersion": fixture.claim["apiVersion"], "kind": of.kind, "namespace": "default"}
    composite = {
        "apiVersion": fixture.claim["apiVersion"],
        "kind": of.composite_kind,
        "metadata": {"name": f"{fixture.claim['metadata']['name'][:57]}-x7k2p"},
        "spec": {**claimed, "claimRef": {**reference, "name": fixture.claim["metadata"]["name"]}},
    }
    answer = _create(platform_api(of), composite, f"{of.group}/v1alpha1/x{of.plural}")
    assert answer.status == 201, answer.message


_OF_CLAIMS = frozenset({"resourceRef", "compositeDeletePolicy", "writeConnectionSecretToRef"})


def test_defaults_are_those_of_the_platform(platform_api: Served) -> None:
    minimal = fixtures.load(fixtures.FIXTURES / "valid" / "minimal.yaml")
    assert _create_claim(platform_api(minimal.api), minimal).body["spec"] == {
        "image": "ghcr.io/acme/orders:v1",
        "size": "medium",
        "nats": {
            "url": "nats://nats.nats.svc:4222",
            "stream": "ORDERS",
            "consumer": "orders-workers",
            "account": "$G",
            "monitoringEndpoint": "nats-headless.nats.svc.cluster.local:8222",
        },
        "port": 8080,
        "probes": {"livenessPath": "/health", "readinessPath": "/ready"},
        "terminationGracePeriodSeconds": 30,
        "serviceAccount": {"automountToken": False},
        "scaling": {
            "minReplicas": 1,
            "maxReplicas": 10,
            "lagThreshold": 5,
            "pollingInterval": 30,
            "cooldownPeriod": 300,
        },
    }
