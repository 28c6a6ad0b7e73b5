"""Dev mode's API judges claims as a real API server does: every fixture and example, with the same causes word by word.

Against the embedded API alone each fixture has the verdict and the path that it says itself; where there is a real
server too, the two answers are compared.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.client import Client
from tests.api.servers import CRDS, EmbeddedServer
from tests.platform import fixtures
from tools.platform_api.apis import APIS
from tools.platform_api.crds import claim_crd, composite_crd, load_definition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.client import Answer
    from tests.platform.fixtures import Fixture
    from tests.support.control_plane import ControlPlane
    from tools.platform_api.apis import Api

pytestmark = pytest.mark.xdist_group("claims-in-dev-mode")
_UNKNOWN = re.compile(r'unknown field "([^"]+)"')


@pytest.fixture(scope="module")
def embedded() -> Iterator[Client]:
    """The embedded API with the CRDs that Crossplane would make of the definitions."""
    server = EmbeddedServer()
    try:
        for api in APIS:
            definition = load_definition(api)
            for crd in (claim_crd(definition), composite_crd(definition)):
                server.admin.expect(201, "POST", CRDS, crd, fieldValidation="Strict")
        yield server.admin
    finally:
        server.stop()


def _create(client: Client, fixture: Fixture) -> Answer:
    """Create without a trace; unknown fields are refused, as kubectl asks for by default."""
    of = fixture.api
    claim = {**fixture.claim, "metadata": {**fixture.claim["metadata"], "namespace": "default"}}
    path = f"/apis/{of.group}/v1alpha1/namespaces/default/{of.plural}"
    return client.call("POST", path, claim, dryRun="All", fieldValidation="Strict")


@pytest.mark.parametrize("fixture", fixtures.all_valid(), ids=fixtures.name)
def test_valid_claims_are_accepted(embedded: Client, fixture: Fixture) -> None:
    answer = _create(embedded, fixture)
    assert answer.code == 201, answer.message


@pytest.mark.parametrize("fixture", fixtures.all_invalid(), ids=fixtures.name)
def test_invalid_claims_are_refused_at_their_path(embedded: Client, fixture: Fixture) -> None:
    answer = _create(embedded, fixture)
    assert answer.code in {400, 422}, answer.text
    if fixture.where == "apiVersion":  # of another version, so it does not come to a schema
        assert 'in version "v1" cannot be handled' in answer.message
    else:
        assert fixture.where in {field for field, _ in answer.causes} | set(_UNKNOWN.findall(answer.message))
    if ": rule " in fixture.breaks:  # whose words are the definition's own
        assert fixture.expect.partition(": ")[2] in answer.message


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.plural)
def test_both_servers_answer_alike(embedded: Client, platform_api: Callable[[Api], ControlPlane], api: Api) -> None:
    server = platform_api(api)
    real = Client(server.url, server.admin_token, server.ca_file)
    judged = [*fixtures.valid(api), *fixtures.invalid(api)]
    different = {}
    for fixture in judged:
        theirs, ours = _said(_create(real, fixture)), _said(_create(embedded, fixture))
        if theirs != ours:
            different[fixture.path.name] = {"real": theirs, "embedded": ours}
    assert judged
    assert different == {}


def _said(answer: Answer) -> dict[str, Any]:
    """Return what is to be equal: the causes in any order, or the message where there are none, and the defaults."""
    causes = answer.body.get("details", {}).get("causes", ())
    told = sorted((cause.get("field", ""), cause["reason"], cause["message"]) for cause in causes)
    return {"code": answer.code, "told": told or answer.message, "spec": answer.body.get("spec")}
