"""The environment of a container is the one that a kubelet would make, and what is missing is named in its words."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.local_lane.node.environment import ConfigError, expanded, secret_files, variables

SERVICE = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}
FIELDS = {"metadata.name": "orders-1", "status.podIP": "127.1.0.1"}


def secret(**data: str) -> dict[str, Any]:
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


OBJECTS = {
    ("Secret", "db"): secret(user="ann", password="pa$$word"),
    ("Secret", "keys"): secret(TOKEN="t", LOG_LEVEL="debug"),
    ("ConfigMap", "options"): {"data": {"COLOUR": "red"}},
}


async def read(kind: str, name: str) -> dict[str, Any] | None:
    return OBJECTS.get((kind, name))


async def resolved(**container: Any) -> dict[str, str]:
    found = await variables(container, FIELDS, SERVICE, "shop", read)
    return {name: value for name, value in found.items() if name not in SERVICE}


def from_key(name: str, source: str, key: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": source, "key": key, **more}}}


async def test_values_secrets_fields_and_what_is_put_together_of_them() -> None:
    found = await resolved(
        envFrom=[{"secretRef": {"name": "keys"}}, {"configMapRef": {"name": "options"}, "prefix": "APP_"}],
        env=[
            from_key("DB_USER", "db", "user"),
            from_key("DB_PASSWORD", "db", "password"),
            {"name": "LOG_LEVEL", "value": "info"},
            {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "URL", "value": "postgres://$(DB_USER):$(DB_PASSWORD)@$(KUBERNETES_SERVICE_HOST)/$(TOKEN)"},
            {"name": "EMPTY"},
        ],
    )
    assert found == {
        "TOKEN": "t",
        "APP_COLOUR": "red",
        "DB_USER": "ann",
        "DB_PASSWORD": "pa$$word",
        "LOG_LEVEL": "info",
        "NAME": "orders-1",
        "URL": "postgres://ann:pa$$word@127.0.0.1/t",
        "EMPTY": "",
    }


async def test_a_value_may_name_only_what_stands_before_it() -> None:
    found = await resolved(env=[{"name": "A", "value": "$(B)"}, {"name": "B", "value": "b$(A)"}])
    assert found == {"A": "$(B)", "B": "b$(B)"}


async def test_service_variables_are_there() -> None:
    assert (await variables({}, FIELDS, SERVICE, "shop", read)) == SERVICE


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(A)", "x1y1"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(MISSING)", "$(MISSING)"),
        ("$A ${A} $", "$A ${A} $"),
        ("$(A", "$(A"),
    ],
)
def test_expansion(text: str, wanted: str) -> None:
    assert expanded(text, {"A": "1"}) == wanted


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({"env": [from_key("X", "gone", "k")]}, 'secret "gone" not found'),
        ({"env": [from_key("X", "db", "k")]}, "couldn't find key k in Secret shop/db"),
        ({"envFrom": [{"secretRef": {"name": "gone"}}]}, 'secret "gone" not found'),
        ({"envFrom": [{"configMapRef": {"name": "gone"}}]}, 'configmap "gone" not found'),
    ],
)
async def test_what_is_missing_is_named(container: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await resolved(**container)
    assert str(caught.value) == words


async def test_what_is_optional_may_be_missing() -> None:
    sources = [{"secretRef": {"name": "gone", "optional": True}}]
    env = [from_key("X", "gone", "k", optional=True), from_key("Y", "db", "k", optional=True)]
    assert await resolved(envFrom=sources, env=env) == {}


async def test_a_secret_becomes_files() -> None:
    source = {"secretName": "db", "items": [{"key": "user", "path": "who"}]}
    assert await secret_files({"name": "v", "secret": source}, "shop", read) == {"who": b"ann"}
    whole = await secret_files({"name": "v", "secret": {"secretName": "keys"}}, "shop", read)
    assert whole == {"TOKEN": b"t", "LOG_LEVEL": b"debug"}


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        ({"secret": {"secretName": "gone"}}, 'secret "gone" not found'),
        (
            {"secret": {"secretName": "db", "items": [{"key": "k", "path": "p"}]}},
            "references non-existent secret key: k",
        ),
        ({"emptyDir": {}}, "is not a Secret"),
    ],
)
async def test_a_volume_that_cannot_be_made_says_why(volume: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        await secret_files({"name": "v", **volume}, "shop", read)
