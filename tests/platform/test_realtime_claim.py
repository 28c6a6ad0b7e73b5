"""RealtimePlatformClaim: what a claim must lead to, said from the claim."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from tests.platform.platform_claims import (
    REALTIME,
    claim,
    connection,
    containers,
    env,
    manifests,
    parts,
    status,
)

NAME = "shop-stream-1a2b3c4d"
DOMAIN = "shop.svc.cluster.local"
KAFKA = {"kafka", "kafka-nodes", "bridge", "bridge-scaler", "facts-connection"}
BROKER = {
    "mqtt", "mqtt-config", "mqtt-service", "mqtt-service-connection", "mqtt-platform", "mqtt-platform-generator"
}  # fmt: skip
DEVICES = {"iot", "iot-config", "iot-topic"}
SNOWFLAKE = {"snowflake", "snowflake-config"}
DASHBOARDS = {
    "dashboards-database", "dashboards-admin", "dashboards-admin-generator", "dashboards-service",
    "dashboards-service-connection",
}  # fmt: skip
METABASE = {*DASHBOARDS, "metabase", "setup"}
ALWAYS = {"facts", "database"}
MYSQL = {"database-service", "database-password", "database-password-generator"}


def bento(case: str, pipe: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(manifests(REALTIME, case)[f"{pipe}-config"]["data"]["bento.yaml"])
    return found


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("minimal", KAFKA | BROKER | DEVICES | METABASE),
        ("kafka-only", KAFKA | METABASE),
        ("mqtt-only", BROKER | DASHBOARDS | {"grafana"}),
        ("websockets-only", BROKER | METABASE),
        ("mysql", KAFKA | BROKER | DASHBOARDS | {"grafana"} | MYSQL),
        ("mongodb-and-snowflake", KAFKA | BROKER | SNOWFLAKE | METABASE),
    ],
)
def test_what_is_asked_for_is_there_and_nothing_else(case: str, expected: set[str]) -> None:
    keys = {re.sub(r"^setup-[0-9a-f]{8}$", "setup", key) for key in parts(REALTIME, case)}
    assert keys == expected | ALWAYS


@pytest.mark.parametrize(
    ("case", "retention", "hours"),
    [("minimal", None, 7 * 24), ("full", "2w", 14 * 24), ("kafka-only", "02m", 60 * 24)],
)
def test_kafka_keeps_events_as_long_as_the_claim_says(case: str, retention: str | None, hours: int) -> None:
    assert claim(REALTIME, case)["spec"].get("dataRetention") == retention
    assert manifests(REALTIME, case)["kafka"]["spec"]["kafka"]["config"]["log.retention.hours"] == hours


def test_kafka_survives_the_loss_of_a_node_and_is_for_the_namespace_only() -> None:
    made = manifests(REALTIME, "minimal")
    nodes, kafka = made["kafka-nodes"], made["kafka"]
    assert nodes["metadata"]["labels"]["strimzi.io/cluster"] == kafka["metadata"]["name"]
    assert (nodes["spec"]["replicas"], nodes["spec"]["roles"]) == (3, ["controller", "broker"])
    assert (
        kafka["spec"]["kafka"]["config"].items() >= {"default.replication.factor": 3, "min.insync.replicas": 2}.items()
    )
    (listener,) = kafka["spec"]["kafka"]["listeners"]
    assert (listener["type"], listener["port"]) == ("internal", 9092)
    assert listener["networkPolicyPeers"] == [{"podSelector": {}}]


@pytest.mark.parametrize(("case", "low", "high"), [("minimal", 1, 5), ("kafka-only", 3, 20)])
def test_the_bridge_is_scaled_and_otherwise_left_alone(case: str, low: int, high: int) -> None:
    made = manifests(REALTIME, case)
    scaler, bridge = made["bridge-scaler"]["spec"], made["bridge"]
    assert scaler["scaleTargetRef"] == {
        "apiVersion": bridge["apiVersion"],
        "kind": "KafkaBridge",
        "name": bridge["metadata"]["name"],
    }
    assert (scaler["minReplicas"], scaler["maxReplicas"], bridge["spec"]["replicas"]) == (low, high, low)
    deleted = claim(REALTIME, case)["spec"].get("deletionPolicy", "Delete") == "Delete"
    policies = ["Observe", "Create", "Delete"] if deleted else ["Observe", "Create"]
    assert parts(REALTIME, case)["bridge"]["spec"]["managementPolicies"] == policies


def test_the_connection_secret_has_the_contracts_keys() -> None:
    facts = ("ConfigMap", f"{NAME}-facts")
    assert connection(parts(REALTIME, "status-ready")["facts-connection"]) == {
        "bootstrap_servers": (*facts, "data.bootstrap_servers"),
        "endpoint": (*facts, "data.endpoint"),
    }
    data = manifests(REALTIME, "status-ready")["facts"]["data"]
    assert data["bootstrap_servers"] == f"{NAME}-kafka-bootstrap.{DOMAIN}:9092"
    assert data["endpoint"] == f"http://{NAME}-bridge-service.{DOMAIN}:8080"
    assert "connectionSecret" not in status(REALTIME, "mqtt-only")


def test_the_mqtt_secret_has_the_documented_keys() -> None:
    made = parts(REALTIME, "status-ready")["mqtt-service-connection"]
    facts = ("ConfigMap", f"{NAME}-facts")
    assert connection(made) == {
        "MQTT_HOST": (*facts, "data.MQTT_HOST"),
        "MQTT_PORT": (*facts, "data.MQTT_PORT"),
        "MQTT_USER": (*facts, "data.MQTT_USER"),
        "MQTT_PASSWORD": ("Secret", f"{NAME}-mqtt-platform", "data.password"),
    }
    assert made["spec"]["writeConnectionSecretToRef"]["name"] == f"{NAME}-mqtt-secret"
    data = manifests(REALTIME, "status-ready")["facts"]["data"]
    assert data["MQTT_HOST"] == f"{NAME}-mqtt.{DOMAIN}"
    assert (data["MQTT_PORT"], data["MQTT_USER"]) == ("1883", "platform")
    assert manifests(REALTIME, "websockets-only")["facts"]["data"]["MQTT_PORT"] == "9001"


@pytest.mark.parametrize(
    ("case", "secrets", "endpoint"),
    [
        ("minimal", {"mqtt": "stream-mqtt-secret", "kafka": "stream-connection"}, "http://stream-bridge-service"),
        ("kafka-only", {"mqtt": "", "kafka": f"{NAME}-connection"}, f"http://{NAME}-bridge-service"),
        ("mqtt-only", {"mqtt": f"{NAME}-mqtt-secret", "kafka": ""}, f"mqtt://{NAME}-mqtt"),
        ("websockets-only", {"mqtt": f"{NAME}-mqtt-secret", "kafka": ""}, f"ws://{NAME}-mqtt"),
    ],
)
def test_the_status_names_what_there_is(case: str, secrets: dict[str, str], endpoint: str) -> None:
    found = status(REALTIME, case)
    assert found["secrets"].items() >= secrets.items()
    assert found["endpoint"].startswith(f"{endpoint}.{DOMAIN}:")
    name = claim(REALTIME, case)["metadata"]["name"]
    assert found["secrets"]["database"] == f"{name}-db-connection"
    assert bool(found["endpoints"]["realtimeService"]) is ("kafka" in parts(REALTIME, case))
    socket = claim(REALTIME, case)["spec"].get("enableWebSocket", True)
    assert found["endpoints"]["mqttWebSocket"] == (f"ws://{name}-mqtt.{DOMAIN}:9001" if socket else "")


@pytest.mark.parametrize(
    ("case", "ports"),
    [
        ("minimal", {"mqtt": 1883, "websockets": 9001}),
        ("mqtt-only", {"mqtt": 1883}),
        ("websockets-only", {"websockets": 9001}),
    ],
)
def test_the_broker_listens_where_the_claim_says(case: str, ports: dict[str, int]) -> None:
    made = manifests(REALTIME, case)
    assert {port["name"]: port["port"] for port in made["mqtt-service"]["spec"]["ports"]} == ports
    lines = made["mqtt-config"]["data"]["mosquitto.conf"].splitlines()
    assert [line for line in lines if line.startswith("listener")] == [f"listener {port}" for port in ports.values()]
    assert ("protocol websockets" in lines) is ("websockets" in ports)
    assert "allow_anonymous false" in lines
    labels = made["mqtt"]["spec"]["template"]["metadata"]["labels"]
    assert made["mqtt-service"]["spec"]["selector"].items() <= labels.items()


def test_each_mqtt_user_has_a_password_from_a_secret() -> None:
    made = manifests(REALTIME, "users")
    init, _ = containers(made["mqtt"])
    found = env(init)
    users = [found[f"USER_{at}"] for at in range(int(found["USERS"]))]
    assert users == ["platform", *(user["username"] for user in claim(REALTIME, "users")["spec"]["mqttUsers"])]
    (generated,) = status(REALTIME, "users")["mqttUsers"]
    assert generated["username"] == "gateway"
    assert found["PASSWORD_0"] == (f"{NAME}-mqtt-platform", "password")
    assert found["PASSWORD_1"] == (generated["secret"], "password")
    assert found["PASSWORD_2"] == ("sensor", "mqtt.password")
    secret, key = found["PASSWORD_3"]
    given = made["mqtt-given"]
    assert given["metadata"]["name"] == secret
    assert base64.b64decode(given["data"][key]).decode() == "correct-horse-$battery"
    assert "$USER_" in init["command"][-1]
    assert all(user not in init["command"][-1] for user in users)
    made_by = {manifest["metadata"]["name"] for manifest in made.values() if manifest["kind"] == "ExternalSecret"}
    assert generated["secret"] in made_by


def test_what_devices_publish_goes_into_kafka() -> None:
    config = bento("status-ready", "iot")
    assert (
        config["input"]["mqtt"].items()
        >= {
            "urls": [f"tcp://{NAME}-mqtt.{DOMAIN}:1883"],
            "topics": ["#"],
            "clean_session": False,
            "user": "platform",
            "password": "${MQTT_PASSWORD}",
        }.items()
    )
    assert config["output"]["kafka_franz"] == {
        "seed_brokers": [f"{NAME}-kafka-bootstrap.{DOMAIN}:9092"],
        "topic": "iot",
        "key": '${! meta("mqtt_topic") }',
    }
    assert manifests(REALTIME, "status-ready")["iot-topic"]["spec"]["topicName"] == "iot"
    (pipe,) = containers(manifests(REALTIME, "status-ready")["iot"])
    assert env(pipe) == {"MQTT_PASSWORD": (f"{NAME}-mqtt-platform", "password")}


def test_topics_are_copied_into_snowflake_by_its_secret() -> None:
    config = bento("mongodb-and-snowflake", "snowflake")
    output = config["output"]["snowflake_put"]
    keys = ("account", "user", "role", "database", "warehouse", "schema", "stage")
    assert {key: output[key] for key in keys} == {key: f"${{SNOWFLAKE_{key.upper()}}}" for key in keys}
    deployment = manifests(REALTIME, "mongodb-and-snowflake")["snowflake"]
    (pipe,) = containers(deployment)
    assert env(pipe) == {f"SNOWFLAKE_{key.upper()}": ("snowflake", key) for key in keys}
    volumes = deployment["spec"]["template"]["spec"]["volumes"]
    secret = {"secretName": "snowflake", "items": [{"key": "privateKey", "path": "privateKey"}]}
    assert {"name": "snowflake", "secret": secret} in volumes
    assert output["private_key_file"] == "/etc/snowflake/privateKey"
    assert config["input"]["kafka_franz"]["regexp_topics"] is True


@pytest.mark.parametrize(
    ("case", "infrastructure"), [("minimal", "postgresql"), ("mongodb-and-snowflake", "mongodb"), ("mysql", None)]
)
def test_the_database_is_an_infrastructure_claim_where_there_is_one(case: str, infrastructure: str | None) -> None:
    made = manifests(REALTIME, case)
    assert made["dashboards-database"]["spec"]["infrastructureType"] == "postgresql"
    if infrastructure:
        assert made["database"]["spec"]["infrastructureType"] == infrastructure
        return
    (server,) = containers(made["database"])
    assert (made["database"]["kind"], server["image"]) == ("StatefulSet", "mysql:8.4.6")
    assert env(server)["MYSQL_PASSWORD"] == (f"{NAME}-db-connection", "password")
    data = made["database-password"]["spec"]["target"]["template"]["data"]
    assert data.keys() == {"host", "port", "database", "username", "password", "connection_string", "jdbc_url"}
    assert data["host"] == f"{NAME}-db.{DOMAIN}"
    selector = made["database-service"]["spec"]["selector"]
    assert selector.items() <= made["database"]["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("case", "image", "prefix"),
    [("minimal", "metabase/metabase:v0.63.19", "MB_DB"), ("mysql", "grafana/grafana:12.4.4", "GF_DATABASE")],
)
def test_dashboards_keep_their_own_data_apart(case: str, image: str, prefix: str) -> None:
    made = manifests(REALTIME, case)
    name = claim(REALTIME, case)["metadata"]["name"]
    (server,) = containers(made[image.partition("/")[0]])
    assert server["image"] == image
    assert env(server)[f"{prefix}_USER"] == (f"{name}-dashboards-connection", "username")
    assert env(server)[f"{prefix}_TYPE"] == "postgres"
    published = connection(parts(REALTIME, case)["dashboards-service-connection"])
    assert published["METABASE_PASSWORD"] == ("Secret", f"{name}-dashboards-admin", "data.password")
    assert published.keys() == {"METABASE_URL", "METABASE_USER", "METABASE_PASSWORD"}
    assert made["facts"]["data"]["METABASE_URL"] == status(REALTIME, case)["endpoints"]["metabaseUI"]


def test_metabase_gets_its_first_user_and_proves_it_by_a_login() -> None:
    made = manifests(REALTIME, "status-ready")
    data = made["dashboards-admin"]["spec"]["target"]["template"]["data"]
    setup = json.loads(data["setup.json"])
    assert (setup["token"], setup["user"]["password"]) == ("{{ .token }}", "{{ .password }}")
    assert json.loads(data["session.json"]) == {"username": setup["user"]["email"], "password": "{{ .password }}"}
    ((key, job),) = ((key, manifest) for key, manifest in made.items() if manifest["kind"] == "Job")
    assert job["metadata"]["name"] == f"{NAME}-{key}", "a Job cannot be changed, so another one has another name"
    (curl,) = containers(job)
    url = status(REALTIME, "status-ready")["endpoints"]["metabaseUI"]
    first, second = " ".join(curl["args"]).split(" --next ")
    assert first.endswith(f"{url}/api/setup")
    assert "--fail-with-body" not in first, "there may be a first user already"
    assert second.endswith(f"{url}/api/session")
    assert "--fail-with-body" in second


def test_labels_name_the_platform_its_monorepo_and_its_target() -> None:
    for manifest in manifests(REALTIME, "users").values():
        assert (
            manifest["metadata"]["labels"].items()
            >= {
                "app.kubernetes.io/name": "stream",
                "app-container": "shop",
                "app.oam.dev/cluster": "development",
            }.items()
        )
    assert "app-container" not in manifests(REALTIME, "minimal")["kafka"]["metadata"]["labels"]


def test_what_stays_keeps_its_volumes() -> None:
    for case, deleted in (("minimal", True), ("full", False)):
        made = manifests(REALTIME, case)
        (volume,) = made["kafka-nodes"]["spec"]["storage"]["volumes"]
        assert volume["deleteClaim"] is deleted
        policy = made["mqtt"]["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"]
        assert policy == ("Delete" if deleted else "Retain")


def test_a_failing_part_tells_its_own_reason() -> None:
    message = status(REALTIME, "status-starting")["message"]
    assert f"Kafka/{NAME}: Exceeded timeout of 300000ms while waiting for Pods resource" in message
    assert f"not created yet: StatefulSet/{NAME}-mqtt, Service/{NAME}-mqtt, KafkaTopic/{NAME}-iot and 4 more" in message
