"""Every field of ApplicationClaim and AppContainerClaim is used: another value of it makes something else.

Only where Crossplane is on PATH; that the table has every field of the definitions is checked anywhere.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.platform import goldens
from tests.platform.constraints import schema_of
from tests.platform.goldens import Layout
from tests.platform.renderer import MissingRendererError, Renderer
from tests.platform.test_platform_claims_fields import changed, leaves
from tools.platform_api.apis import api
from tools.platform_api.crds import load_definition

if TYPE_CHECKING:
    from collections.abc import Iterator

APPLICATION, CONTAINER = Layout(api("applicationclaims")), Layout(api("appcontainerclaims"))
LAYOUTS = (APPLICATION, CONTAINER)
#: What a value of a field needs beside it in the claim to matter.
_REALTIME = {"realtime": "streaming"}
_STREAMING = {**_REALTIME, "streaming": {"enabled": True, "topics": ["orders"]}}
_BOT = {"language": "rasa", "chatbot": {"minScale": 1}}
_BACK = {"appContainer": "orders", "gitOps": {"writeBack": True}}
#: Another value of each field.
OTHERS: dict[Layout, dict[str, tuple[Any, dict[str, Any]]]] = {
    CONTAINER: {
        "name": ("other", {}),
        "description": ("Other", {}),
        "gitHubOrg": ("acme", {}),
        "dockerRegistry": ("registry.acme.example", {}),
        "enableObservability": (False, {}),
        "enableSecurity": (False, {}),
        "deletionPolicy": ("Delete", {}),
        "generation": ("2", {}),
    },
    APPLICATION: {
        "name": ("other", {}),
        "appContainer": ("shop", {}),
        "gitHubOrg": ("acme", {}),
        "namespace": ("other", {}),
        "targetVCluster": ("staging", {}),
        "source": ("oam-driven", {}),
        "platform": ("kubernetes", {}),
        "language": ("go", {}),
        "framework": ("flask", {}),
        "repository.template": ("acme/other", {"repository": {}}),
        "repository.name": ("other", {"repository": {}}),
        "build.strategy": ("multi-image", {"build": {}}),
        "build.images": (2, {"build": {}}),
        "image": ("ghcr.io/acme/orders:2", {}),
        "hasFrontend": (True, {}),
        "exposeApi": (True, {}),
        "websocket": (True, {}),
        "database": ("postgres", {}),
        "databaseSecretRef.name": ("orders-db", {"databaseSecretRef": {}}),
        "cache": ("redis", {}),
        "cacheSecretRef.name": ("orders-cache", {"cacheSecretRef": {}}),
        "realtime": ("streaming", {}),
        "realtimeEndpoint": ("streaming:9092", {}),
        "realtimeSecretRef.name": ("streaming", {"realtimeSecretRef": {}}),
        "streaming.enabled": (False, _STREAMING),
        "streaming.topics[]": (["other"], _STREAMING),
        "streaming.consumerGroup": ("other", _STREAMING),
        "streaming.autoOffsetReset": ("earliest", _STREAMING),
        "chatbot.rasaImage": ("ghcr.io/acme/rasa:3", _BOT),
        "chatbot.actionsImage": ("ghcr.io/acme/actions:3", _BOT),
        "chatbot.channels[]": (["slack"], _BOT),
        "chatbot.enableActions": (False, _BOT),
        "chatbot.minScale": (2, _BOT),
        "chatbot.maxScale": (11, _BOT),
        "chatbot.actionsMinScale": (1, _BOT),
        "chatbot.actionsMaxScale": (6, _BOT),
        "gitOps.writeBack": (False, _BACK),
        "gitOps.application": ("other", _BACK),
        "gitOps.componentType": ("webservice-k8s", _BACK),
        "settings": ('{"domain":"healthcare"}', {}),
        "deletionPolicy": ("Delete", {}),
        "generation": ("2", {"database": "postgres"}),
    },
}
#: There is only one kind of chatbot yet.
SINGLE = {"chatbot.type"}
FIELDS = [
    pytest.param(layout, field, id=f"{layout.api.singular}-{field}") for layout in LAYOUTS for field in OTHERS[layout]
]
REPOSITORIES = {APPLICATION: ["repository"], CONTAINER: ["source-repository", "gitops-repository"]}
CONDITIONS = [{"type": kind, "status": "True", "reason": "Test"} for kind in ("Synced", "Ready")]
ABSENT = {"type": "Synced", "status": "False", "message": "observe failed: external resource does not exist"}


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    try:
        found = Renderer(APPLICATION)
    except MissingRendererError as error:
        pytest.skip(f"{error}: what is not kept as a golden cannot be tried")
    with found:
        yield found


def observed(name: str, spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "repo.github.upbound.io/v1alpha1",
        "kind": "Repository",
        "metadata": {"name": name, "annotations": {"crossplane.io/composition-resource-name": name}},
        "spec": spec,
        "status": status,
    }


def outcome(renderer: Renderer, layout: Layout, spec: dict[str, Any]) -> str:
    """Return all that a claim composes once its repositories are made, and its status."""
    metadata = {"name": "orders", "namespace": "shop"}
    claim = {"apiVersion": f"{layout.api.group}/v1alpha1", "kind": layout.api.kind, "metadata": metadata, "spec": spec}
    looked = [observed(f"{key}-seen", {}, {"conditions": [ABSENT]}) for key in REPOSITORIES[layout]]
    first = goldens.composed(renderer.compose(claim, looked, layout=layout))
    made = []
    for key in REPOSITORIES[layout]:
        name = first[key]["spec"]["forProvider"]["name"]
        at = {
            "fullName": f"acme/{name}",
            "htmlUrl": f"https://github.com/acme/{name}",
            "httpCloneUrl": f"https://{name}.git",
        }
        made.append(observed(key, first[key]["spec"], {"atProvider": at, "conditions": CONDITIONS}))
    return renderer.compose(claim, made, layout=layout)


@functools.cache
def before(renderer: Renderer, layout: Layout, spec: str) -> str:
    """Return the outcome of a claim that several fields are tried on."""
    return outcome(renderer, layout, json.loads(spec))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.api.plural)
def test_the_table_has_every_field(layout: Layout) -> None:
    spec = schema_of(load_definition(layout.api))["properties"]["spec"]
    assert set(OTHERS[layout]) | (SINGLE if layout == APPLICATION else set()) == set(leaves(spec))


@pytest.mark.parametrize(("layout", "field"), FIELDS)
def test_another_value_makes_something_else(renderer: Renderer, layout: Layout, field: str) -> None:
    value, needed = OTHERS[layout][field]
    spec = {"name": "orders", **({"language": "python"} if layout == APPLICATION else {}), **needed}
    other = changed(spec, field, value)
    assert other != spec
    assert outcome(renderer, layout, other) != before(renderer, layout, json.dumps(spec))
