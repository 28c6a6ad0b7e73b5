"""All 16 component types, there and back: each makes its claims, each teardown takes them away."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.dev.platform import Platform, running
from worker.dev.demo_scenario import SHIPPED
from worker.domain.classify import TYPES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("demo")

EVERYTHING: dict[str, Any] = yaml.safe_load((SHIPPED.parent / "mixed.yaml").read_text())
#: Claims of the types by kind; the four services with a language share one AppContainerClaim.
CLAIMS = {
    "AppContainerClaim": 1,
    "ApplicationClaim": 5,
    "GraphQLPlatformClaim": 1,
    "InfrastructureClaim": 5,
    "OrchestrationPlatformClaim": 1,
    "ProviderSecretClaim": 2,
    "RealtimePlatformClaim": 1,
    "VClusterEnvironmentClaim": 1,
}


async def kinds(platform: Platform) -> Counter[str]:
    return Counter(claim["kind"] for claim in await platform.claims("everything"))


async def test_all_types_are_made_and_taken_away(tmp_path: Path) -> None:
    components = EVERYTHING["spec"]["components"]
    assert {component["type"] for component in components} == TYPES.keys()
    async with running(tmp_path) as platform:
        assert await platform.run(EVERYTHING) == "succeeded"
        assert await kinds(platform) == CLAIMS
        claims = await platform.claims("everything")
        assert all(claim["status"]["ready"] is True for claim in claims)
        assert all(claim["status"]["appliedGeneration"] == claim["spec"]["generation"] for claim in claims)
        named = {(claim["status"].get("connectionSecret") or {}).get("name") for claim in claims} - {None}
        assert named <= await platform.secrets()
        bound = [claim["spec"][field]["name"] for claim in claims for field in _references(claim)]
        assert len(bound) >= 5
        assert set(bound) <= named

        deleted = copy.deepcopy(EVERYTHING)
        deleted["metadata"]["annotations"] = {"platform.io/deletion-policy": "delete"}
        assert await platform.run(deleted, "DELETE") == "deleted"
        assert await kinds(platform) == {"AppContainerClaim": 1}  # shared, and full of source code


def _references(claim: dict[str, Any]) -> list[str]:
    fields = ("databaseSecretRef", "cacheSecretRef", "realtimeSecretRef")
    return [field for field in fields if (claim["spec"].get(field) or {}).get("name")]
