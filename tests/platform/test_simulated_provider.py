"""Dev mode's provider publishes what the Compositions publish: the same Secrets with the same keys.

The Compositions' part is what their golden renders of claims that work hold.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.platform import goldens
from tests.platform.goldens import Layout
from tests.platform.platform_claims import status_of
from tests.platform.test_provider_secret_claim import AUTH0_KEYS, NEON_KEYS
from tools.platform_api.apis import APIS, EVENT_DRIVEN_SERVICE
from worker.dev.provider.kinds import KINDS, provision

LAYOUTS = [Layout(api) for api in APIS if api != EVENT_DRIVEN_SERVICE]
READY = [
    (layout, name)
    for layout in LAYOUTS
    for name in layout.goldens()
    if status_of(layout, goldens.rendered(layout, name))["ready"]
]
#: Keys that External Secrets makes by a template: test_provider_secret_claim.py runs it.
BY_TEMPLATE = {"neon-postgres": NEON_KEYS, "auth0-idp": AUTH0_KEYS}


def case_id(value: object) -> str:
    return value.api.plural if isinstance(value, Layout) else str(value)


def claim_of(layout: Layout, name: str) -> dict[str, Any]:
    """Return a claim as an API server completes it."""
    claim = goldens.claim_of(layout, name)
    (definition,) = goldens.load_all(layout.definition)
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    defaults = {field: about["default"] for field, about in schema.items() if "default" in about}
    return {**claim, "spec": {**defaults, **claim["spec"]}}


def published(layout: Layout, name: str) -> dict[str, list[str]]:
    """Return the keys of the Secrets that a claim's status names."""
    output = goldens.rendered(layout, name)
    named = names_of(status_of(layout, output))
    found: dict[str, set[str]] = {}
    for made in goldens.composed(output).values():
        target = made["spec"].get("writeConnectionSecretToRef", {}).get("name")
        if target in named:
            keys = {detail["toConnectionSecretKey"] for detail in made["spec"]["connectionDetails"]}
            found.setdefault(target, set()).update(keys)
        manifest = made["spec"].get("forProvider", {}).get("manifest", {})
        if manifest.get("kind") == "ExternalSecret" and manifest["spec"]["target"]["name"] in named:
            made_of = manifest["spec"]["target"]["template"].get("data")
            made_of = made_of or BY_TEMPLATE[goldens.claim_of(layout, name)["spec"]["providerType"]]
            found.setdefault(manifest["spec"]["target"]["name"], set()).update(made_of)
    return {target: sorted(keys) for target, keys in found.items()}


def names_of(status: dict[str, Any]) -> set[str]:
    """Return the Secrets that templates hand on: of the claim, and of its broker."""
    listed = {status.get("connectionSecret", {}).get("name", ""), status.get("secrets", {}).get("mqtt", "")}
    return listed - {""}


def test_each_kind_has_a_golden_of_a_claim_that_works() -> None:
    assert {layout.api.kind for layout, _ in READY} == KINDS.keys()


@pytest.mark.parametrize(("layout", "name"), READY, ids=case_id)
def test_secrets_and_their_keys_are_those_of_the_composition(layout: Layout, name: str) -> None:
    simulated = provision(claim_of(layout, name))
    assert {target: sorted(keys) for target, keys in simulated.secrets.items()} == published(layout, name)


@pytest.mark.parametrize(("layout", "name"), READY, ids=case_id)
def test_what_templates_read_of_the_status_is_there_where_the_composition_has_it(layout: Layout, name: str) -> None:
    real = status_of(layout, goldens.rendered(layout, name))
    simulated = provision(claim_of(layout, name)).status
    for field in ("endpoint", "connectionSecret", "repository"):
        assert bool(simulated.get(field)) == bool(real.get(field)), field
    assert names_of(simulated) == names_of(real)
