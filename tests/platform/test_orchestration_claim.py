"""OrchestrationPlatformClaim: what a claim must lead to, said from the claim."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.platform.platform_claims import ORCHESTRATION, claim, connection, env, manifests, parts, status, values

NAME = "shop-orders-1a2b3c4d"
ENGINE = f"http://{NAME}-zeebe-gateway.shop.svc.cluster.local:8080"
STREAM = "shop-stream-1a2b3c4d-connection"


def helm(case: str) -> dict[str, Any]:
    return values(ORCHESTRATION, case, "camunda")


def published(case: str) -> dict[str, tuple[str, str, str]]:
    return connection(parts(ORCHESTRATION, case)["settings-connection"])


def settings(case: str) -> dict[str, str]:
    found: dict[str, str] = manifests(ORCHESTRATION, case)["settings"]["data"]
    return found


def test_camunda_is_a_release_of_the_pinned_chart_beside_the_claim() -> None:
    made = parts(ORCHESTRATION, "status-ready")["camunda"]["spec"]["forProvider"]
    assert made["chart"] == {
        "name": "camunda-platform",
        "repository": "https://helm.camunda.io",
        "version": "14.8.4",
    }
    assert made["namespace"] == "shop"


def test_its_secondary_data_is_in_an_infrastructure_claim() -> None:
    assert manifests(ORCHESTRATION, "status-ready")["database"]["spec"]["infrastructureType"] == "postgresql"
    engine = helm("status-ready")["orchestration"]
    storage = engine["data"]["secondaryStorage"]
    assert (storage["type"], engine["exporters"]["rdbms"]) == ("rdbms", {"enabled": True})
    secret = f"{NAME}-db-connection"
    assert storage["rdbms"]["secret"] == {"existingSecret": secret, "existingSecretKey": "password"}
    assert storage["rdbms"]["url"] == (
        "jdbc:postgresql://${PLATFORM_DB_HOST}:${PLATFORM_DB_PORT}/${PLATFORM_DB_DATABASE}"
    )
    variables = env(engine)
    for key in ("host", "port", "database", "username"):
        assert variables[f"PLATFORM_DB_{key.upper()}"] == (secret, key)


def test_no_user_has_the_charts_own_password() -> None:
    engine = helm("status-ready")["orchestration"]
    users = engine["security"]["initialization"]["users"]
    assert {user["username"]: user["password"] for user in users} == {
        "connectors": "${PLATFORM_CONNECTORS_SECRET}",
        "platform": "${PLATFORM_CLIENT_SECRET}",
    }
    assert users[0]["username"] == "connectors", "the chart lets the connectors log in as the first user"
    assert engine["security"]["initialization"]["defaultRoles"]["admin"] == {"users": ["platform"]}
    assert env(engine)["PLATFORM_CLIENT_SECRET"] == (f"{NAME}-camunda", "client-secret")
    assert env(helm("status-ready")["connectors"])["PLATFORM_CONNECTORS_SECRET"] == (
        f"{NAME}-camunda",
        "connectors-secret",
    )
    secret = manifests(ORCHESTRATION, "status-ready")["credentials"]["spec"]
    assert secret["refreshPolicy"] == "CreatedOnce"
    assert secret["target"]["template"]["data"] == {
        "client-id": "platform",
        "client-secret": "{{ .client }}",
        "connectors-secret": "{{ .connectors }}",
    }


@pytest.mark.parametrize(
    ("case", "source", "servers"),
    [
        ("realtime-by-endpoint", ("Secret", STREAM, "data.bootstrap_servers"), None),
        ("realtime-by-name", ("Secret", STREAM, "data.bootstrap_servers"), None),
        ("realtime-elsewhere", None, "kafka-0.acme.example:9094,kafka-1.acme.example:9092"),
        ("realtime-elsewhere-by-url", None, "stream.acme.example:9092"),
    ],
)
def test_events_come_from_the_realtime_platform(
    case: str, source: tuple[str, str, str] | None, servers: str | None
) -> None:
    from_settings = ("ConfigMap", f"{NAME}-orchestration", "data.kafka-bootstrap-servers")
    assert published(case)["kafka-bootstrap-servers"] == (source or from_settings)
    assert settings(case).get("kafka-bootstrap-servers") == servers
    variable = env(helm(case)["connectors"])["KAFKA_BOOTSTRAP_SERVERS"]
    assert variable == ((STREAM, "bootstrap_servers") if source else servers)
    told = claim(ORCHESTRATION, case)["spec"]["realtimePlatformService"]
    assert status(ORCHESTRATION, case)["eventStreamingEndpoint"] == told.rstrip("/")


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("realtime-not-ready", "RealtimePlatformClaim/shop-stream-1a2b3c4d: Kafka/shop-stream-1a2b3c4d: starting"),
        ("realtime-without-kafka", "RealtimePlatformClaim/shop-stream-1a2b3c4d: runs no Kafka"),
    ],
)
def test_without_the_servers_it_is_not_ready_and_says_why(case: str, message: str) -> None:
    assert status(ORCHESTRATION, case)["message"].startswith(f"{message}; ")
    assert "kafka-bootstrap-servers" not in published(case)
    assert "KAFKA_BOOTSTRAP_SERVERS" not in env(helm(case)["connectors"])


def test_what_is_switched_off_is_not_there() -> None:
    found = helm("bare")
    assert found["orchestration"]["profiles"] == {"broker": True, "admin": True, "operate": False, "tasklist": False}
    assert found["connectors"] == {"enabled": False}
    assert "connectors" not in parts(ORCHESTRATION, "bare")
    assert "kafka-bootstrap-servers" not in published("bare")
    assert "eventStreamingEndpoint" not in status(ORCHESTRATION, "bare")
    shown = helm("status-ready")
    assert shown["orchestration"]["profiles"] == {"broker": True, "admin": True, "operate": True, "tasklist": True}
    assert shown["connectors"]["enabled"] is True


@pytest.mark.parametrize(
    ("case", "requests", "limits"),
    [
        ("status-ready", {"cpu": "1000m", "memory": "1Gi"}, {"cpu": "2000m", "memory": "2Gi"}),
        ("bare", {"cpu": "500m", "memory": "768Mi"}, {"cpu": "1000m", "memory": "1536Mi"}),
    ],
)
def test_resources_are_the_engines(case: str, requests: dict[str, str], limits: dict[str, str]) -> None:
    assert helm(case)["orchestration"]["resources"] == {"requests": requests, "limits": limits}


@pytest.mark.parametrize(("case", "fate"), [("status-ready", "Delete"), ("bare", "Retain")])
def test_the_engines_volume_goes_or_stays_as_the_claim_says(case: str, fate: str) -> None:
    (source,) = parts(ORCHESTRATION, case)["camunda"]["spec"]["forProvider"]["patchesFrom"]
    made = manifests(ORCHESTRATION, case)["patch"]
    assert source == {"configMapKeyRef": {"name": made["metadata"]["name"], "namespace": "shop", "key": "patch.yaml"}}
    (patch,) = json.loads(made["data"]["patch.yaml"])["patches"]
    assert patch["target"] == {"kind": "StatefulSet", "name": f"{NAME}-zeebe"}
    (change,) = json.loads(patch["patch"])
    assert (change["op"], change["path"]) == ("add", "/spec/persistentVolumeClaimRetentionPolicy")
    assert change["value"] == {"whenDeleted": fate, "whenScaled": "Retain"}


def test_saga_patterns_are_handed_on() -> None:
    assert json.loads(settings("status-ready")["sagas.json"]) == ["compensation", "timeout"]
    assert json.loads(settings("bare")["sagas.json"]) == []
    assert manifests(ORCHESTRATION, "bare")["settings"]["metadata"]["name"] == f"{NAME}-orchestration"


def test_the_name_is_the_clusters_and_the_target_is_a_label() -> None:
    assert helm("status-ready")["global"]["zeebeClusterName"] == "orders"
    assert helm("bare")["global"]["zeebeClusterName"] == NAME
    labels = manifests(ORCHESTRATION, "bare")["settings"]["metadata"]["labels"]
    assert labels["app.oam.dev/cluster"] == "development"


def test_the_connection_secret_has_the_documented_keys() -> None:
    credentials = f"{NAME}-camunda"
    assert published("status-ready") == {
        "camunda-endpoint": ("ConfigMap", f"{NAME}-orchestration", "data.camunda-endpoint"),
        "camunda-client-id": ("Secret", credentials, "data.client-id"),
        "camunda-client-secret": ("Secret", credentials, "data.client-secret"),
        "kafka-bootstrap-servers": ("Secret", STREAM, "data.bootstrap_servers"),
    }
    found = status(ORCHESTRATION, "status-ready")
    assert settings("status-ready")["camunda-endpoint"] == found["endpoint"] == found["camundaEndpoint"] == ENGINE


def test_a_remote_engine_is_only_its_credentials() -> None:
    case = "status-remote-ready"
    assert parts(ORCHESTRATION, case).keys() == {"settings", "settings-connection"}
    keys = ("camunda-endpoint", "camunda-client-id", "camunda-client-secret")
    assert published(case) == {key: ("Secret", "saas", f"data.{key}") for key in keys}
    assert "endpoint" not in status(ORCHESTRATION, case)
    assert status(ORCHESTRATION, case)["workflowEngineReady"] is True
    assert {source[1] for source in published("remote").values()} == {"camunda-remote", "orders-orchestration"}
    missing = status(ORCHESTRATION, "status-remote-without-secret")
    assert (missing["workflowEngineReady"], missing["ready"]) == (False, False)
    assert 'secrets "saas" not found' in missing["message"]


def test_what_helm_refuses_is_told() -> None:
    found = status(ORCHESTRATION, "status-failed")
    assert "values don't meet the specifications of the schema(s)" in found["message"]
    assert found["workflowEngineReady"] is False
