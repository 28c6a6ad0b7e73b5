"""Every field of the claims for platforms is used: another value of it makes something else.

Only where Crossplane is on PATH; that the table has every field of the definitions is checked anywhere.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from tests.platform.constraints import schema_of
from tests.platform.platform_claims import GRAPHQL, LAYOUTS, ORCHESTRATION, REALTIME, VCLUSTER, case_id, parts_of
from tests.platform.renderer import MissingRendererError, Renderer
from tools.platform_api.crds import load_definition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.platform.goldens import Layout

#: A claim in which each field matters, by API.
SPECS: dict[str, dict[str, Any]] = {
    VCLUSTER.api.plural: {
        "name": "development",
        "vpc": {"vpcId": "vpc-0a1b2c3d", "region": "eu-central-1", "usePrivateSubnets": True},
    },
    GRAPHQL.api.plural: {
        "name": "catalogue",
        "serviceSelector": {"tier": "backend"},
        "resources": {"cpu": "500m", "memory": "512Mi"},
        "customResolvers": [
            {
                "name": "prices",
                "endpoint": "http://prices/graphql",
                "headers": {"X-Client": "catalogue"},
                "headersSecretRef": {"name": "prices", "key": "token", "header": "Authorization"},
            }
        ],
    },
    ORCHESTRATION.api.plural: {
        "realtimePlatformService": "kafka.acme.example:9094",
        "sagaPatterns": ["timeout"],
        "resources": {"cpu": "1", "memory": "1Gi"},
        "remote": {"credentialsSecretRef": {"name": "saas"}},
    },
    REALTIME.api.plural: {
        "name": "stream",
        "iot": False,
        "enableWebSocket": False,
        "scaling": {"minReplicas": 1, "maxReplicas": 5},
        "mqttUsers": [
            {"username": "legacy", "password": "correct-horse-battery"},
            {"username": "sensor", "passwordSecretRef": {"name": "sensor", "key": "password"}},
        ],
        "snowflake": {"enabled": True, "credentialsSecret": "snowflake"},
    },
}
_ALL: dict[str, tuple[Any, dict[str, Any]]] = {"generation": ("2", {}), "deletionPolicy": ("Orphan", {})}
_TARGET: dict[str, tuple[Any, dict[str, Any]]] = {"targetEnvironment": ("production", {})}
_BROKER = {"enableMqtt": True}
#: Another value of each field, with what else must be in the claim for it to matter.
OTHERS: dict[str, dict[str, tuple[Any, dict[str, Any]]]] = {
    VCLUSTER.api.plural: {
        **_ALL,
        "name": ("production", {}),
        "domain": ("env.acme.example", {}),
        "vpc.vpcId": ("vpc-0a1b2c3e", {}),
        "vpc.usePrivateSubnets": (False, {}),
        "vpc.region": ("us-east-1", {}),
        "size": ("large", {}),
        "expose": (False, {}),
        "storageSize": ("20Gi", {}),
        "values": ('{"logging": {"encoding": "json"}}', {}),
    },
    GRAPHQL.api.plural: {
        **_ALL,
        **_TARGET,
        "name": ("prices", {}),
        "serviceSelector{}": ({"tier": "frontend"}, {}),
        "autoSchema": (False, {}),
        "schemaRefreshInterval": ("7m", {}),
        "exposeIntrospection": (True, {}),
        "adminSecret": ("catalogue-admin", {}),
        "enableConsole": (False, {}),
        "enableAllowList": (True, {}),
        "customResolvers[].name": ("costs", {}),
        "customResolvers[].endpoint": ("https://prices/graphql", {}),
        "customResolvers[].headers{}": ({"X-Client": "other"}, {}),
        "customResolvers[].headersSecretRef.name": ("other", {}),
        "customResolvers[].headersSecretRef.key": ("other", {}),
        "customResolvers[].headersSecretRef.header": ("X-Token", {}),
        "resources.cpu": ("2", {}),
        "resources.memory": ("2Gi", {}),
    },
    ORCHESTRATION.api.plural: {
        **_ALL,
        **_TARGET,
        "orchestratorName": ("orders", {}),
        "realtimePlatformService": ("kafka-2.acme.example:9094", {}),
        "camundaMode": ("remote", {}),
        "remote.credentialsSecretRef.name": ("other", {"camundaMode": "remote"}),
        "enableEventStreaming": (False, {}),
        "enableUI": (False, {}),
        "sagaPatterns[]": (["retry"], {}),
        "resources.cpu": ("2", {}),
        "resources.memory": ("2Gi", {}),
    },
    REALTIME.api.plural: {
        **_ALL,
        **_TARGET,
        "name": ("other", {}),
        "appContainer": ("shop", {}),
        "database": ("mysql", {}),
        "visualization": ("grafana", {}),
        "iot": (True, {}),
        "enableKafka": (False, {"snowflake": {"enabled": False}, **_BROKER}),
        "enableMqtt": (True, {}),
        "enableWebSocket": (True, {}),
        "mqttUsers[].username": ("other", _BROKER),
        "mqttUsers[].password": ("correct-horse-staple", _BROKER),
        "mqttUsers[].passwordSecretRef.name": ("other", _BROKER),
        "mqttUsers[].passwordSecretRef.key": ("other", _BROKER),
        "dataRetention": ("8d", {}),
        "scaling.minReplicas": (2, {}),
        "scaling.maxReplicas": (6, {}),
        "snowflake.enabled": (False, {}),
        "snowflake.credentialsSecret": ("other", {}),
    },
}
FIELDS = [(layout, field) for layout in LAYOUTS for field in sorted(OTHERS[layout.api.plural])]


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    try:
        found = Renderer(LAYOUTS[0])
    except MissingRendererError as error:
        pytest.skip(f"{error}: what is not kept as a golden cannot be tried")
    with found:
        yield found


def leaves(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Return the paths of the fields that have a value of their own; lists and maps are marked."""
    if "properties" in schema:
        for name, field in schema["properties"].items():
            yield from leaves(field, f"{path}.{name}" if path else name)
    elif "items" in schema:
        yield from leaves(schema["items"], f"{path}[]")
    else:
        yield f"{path}{{}}" if "additionalProperties" in schema else path


@pytest.mark.parametrize("layout", LAYOUTS, ids=case_id)
def test_the_table_has_every_field(layout: Layout) -> None:
    spec = schema_of(load_definition(layout.api))["properties"]["spec"]
    assert set(OTHERS[layout.api.plural]) == set(leaves(spec))


def changed(spec: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    """Return the spec with another value in a field; in a list, in each entry that has it."""
    found = copy.deepcopy(spec)
    places: list[Any] = [found]
    *steps, last = field.removesuffix("{}").removesuffix("[]").replace("[]", ".[]").split(".")
    for step in steps:
        places = [entry for place in places for entry in (place if step == "[]" else [place.get(step)])]
        places = [place for place in places if place is not None]
    holders = [place for place in places if last in place] or places
    holders[0][last] = value
    return found


@pytest.mark.parametrize(("layout", "field"), FIELDS, ids=case_id)
def test_another_value_makes_something_else(renderer: Renderer, layout: Layout, field: str) -> None:
    value, needed = OTHERS[layout.api.plural][field]
    claim: dict[str, Any] = {
        "apiVersion": f"{layout.api.group}/v1alpha1",
        "kind": layout.api.kind,
        "metadata": {"name": "shop-x-1a2b3c4d", "namespace": "shop"},
        "spec": {**SPECS[layout.api.plural], **needed},
    }
    other = {**claim, "spec": changed(claim["spec"], field, value)}
    assert claim["spec"] != other["spec"]
    before, after = (parts_of(renderer.compose(found, layout=layout)) for found in (claim, other))
    assert before
    assert before != after
