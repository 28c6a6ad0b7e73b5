"""What each kind of claim becomes: the status of a ready one, and the keys of its connection Secrets.

Names and keys are those of the contract and of the Compositions, whose golden renders they are held against; the values
are made up.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

_PORTS = {"postgresql": 5432, "mongodb": 27017, "redis": 6379, "kafka": 9092, "clickhouse": 9000}
_SCHEMES = {"postgresql": "postgresql", "mongodb": "mongodb"}


@dataclass(frozen=True, slots=True)
class Provision:
    """What a claim becomes.

    Attributes:
        status: of the ready claim, without `ready` and `appliedGeneration`.
        secrets: keys and values by the name of the Secret.
        waiting: `status.message` until it is ready.
    """

    waiting: str
    status: Json = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def provision(claim: Json) -> Provision:
    """Return what a claim of one of the kinds in `KINDS` becomes."""
    return KINDS[claim["kind"]](claim, claim["spec"])


def _service(claim: Json, suffix: str = "") -> str:
    metadata = claim["metadata"]
    return f"{metadata['name']}{suffix}.{metadata['namespace']}.svc.cluster.local"


def _connection(claim: Json) -> str:
    return f"{claim['metadata']['name']}-connection"


def _sql(scheme: str, host: str, port: int, database: str) -> dict[str, str]:
    user, password = "app", secrets.token_urlsafe(16)
    found = {"host": host, "port": str(port), "database": database, "username": user, "password": password}
    found["connection_string"] = f"{scheme}://{user}:{password}@{host}:{port}/{database}"
    if scheme == "postgresql":
        found["jdbc_url"] = f"jdbc:postgresql://{host}:{port}/{database}"
    return found


def _infrastructure(claim: Json, spec: Json) -> Provision:
    kind, host = spec["infrastructureType"], _service(claim)
    port = _PORTS[kind]
    name = spec["connectionSecretRef"]["name"]
    if kind == "redis":
        password = secrets.token_urlsafe(16)
        data = {"host": host, "port": str(port), "password": password}
        data["connection_string"] = f"redis://:{password}@{host}:{port}"
    elif kind == "kafka":
        data = {"bootstrap_servers": f"{host}:{port}", "endpoint": f"{host}:{port}"}
    elif kind == "clickhouse":
        data = {"host": host, "port": str(port), "username": "app", "password": secrets.token_urlsafe(16)}
    else:
        data = _sql(_SCHEMES[kind], host, port, spec.get("database") or "app")
    status = {"endpoint": f"{host}:{port}", "connectionSecret": {"name": name}, "infrastructureType": kind}
    return Provision(f"{kind} is starting: 0 of {spec.get('replicas', 1)} replicas are ready", status, {name: data})


def _provider_secret(claim: Json, spec: Json) -> Provision:
    name = spec["secretName"]
    if spec["providerType"] == "auth0-idp":
        data = {
            "domain": f"{claim['metadata']['name']}.auth.example.com",
            "client_id": secrets.token_hex(16),
            "client_secret": secrets.token_urlsafe(32),
            "audience": f"https://{claim['metadata']['namespace']}.api.example.com",
        }
    else:
        host = f"{claim['metadata']['name']}.neon.example.com"
        data = _sql("postgresql", host, 5432, spec.get("database") or "app")
    return Provision("the credentials are being read", {"connectionSecret": {"name": name}}, {name: data})


def _realtime(claim: Json, spec: Json) -> Provision:
    name, base = _connection(claim), claim["metadata"]["name"]
    endpoint = f"http://{_service(claim, '-bridge-service')}:8080"
    data: dict[str, dict[str, str]] = {}
    status: Json = {"endpoint": endpoint, "secrets": {"kafka": "", "mqtt": ""}}
    if spec.get("enableKafka", True):
        data[name] = {"bootstrap_servers": f"{_service(claim, '-kafka-bootstrap')}:9092", "endpoint": endpoint}
        status["connectionSecret"] = {"name": name}
        status["secrets"]["kafka"] = name
    if spec.get("iot", True) or spec.get("enableMqtt") or spec.get("enableWebSocket", True):
        mqtt = status["secrets"]["mqtt"] = f"{base}-mqtt-secret"
        data[mqtt] = {
            "MQTT_HOST": _service(claim, "-mqtt"),
            "MQTT_PORT": "1883",
            "MQTT_USER": "platform",
            "MQTT_PASSWORD": secrets.token_urlsafe(16),
        }
    return Provision("Kafka is starting: 0 of 3 brokers are ready", status, data)


def _orchestration(claim: Json, spec: Json) -> Provision:
    name, endpoint = _connection(claim), f"http://{_service(claim, '-zeebe-gateway')}:8080"
    data = {
        "camunda-endpoint": endpoint,
        "camunda-client-id": "orchestration",
        "camunda-client-secret": secrets.token_urlsafe(16),
    }
    if spec.get("enableEventStreaming", True) and spec.get("realtimePlatformService"):
        data["kafka-bootstrap-servers"] = str(spec["realtimePlatformService"])
    status: Json = {"connectionSecret": {"name": name}}
    if spec.get("camundaMode") != "remote":
        status["endpoint"] = endpoint
    return Provision("the engine is starting", status, {name: data})


def _vcluster(claim: Json, _: Json) -> Provision:
    name, endpoint = _connection(claim), f"https://{_service(claim)}:443"
    config = {"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "vc", "cluster": {"server": endpoint}}]}
    status = {"endpoint": endpoint, "connectionSecret": {"name": name}}
    return Provision("the virtual cluster is starting", status, {name: {"kubeconfig": str(config)}})


def _graphql(claim: Json, _: Json) -> Provision:
    name, endpoint = _connection(claim), f"http://{_service(claim)}:8080/v1/graphql"
    data = {"graphql-endpoint": endpoint, "hasura-admin-secret": secrets.token_urlsafe(24)}
    status = {"endpoint": endpoint, "connectionSecret": {"name": name}}
    return Provision("the GraphQL engine is starting", status, {name: data})


def _repository(owner: str, name: str) -> Json:
    url = f"https://github.com/{owner or 'platform'}/{name}"
    return {"url": url, "branch": "main", "cloneUrl": f"{url}.git"}


def _app_container(_: Json, spec: Json) -> Provision:
    owner, name = spec.get("gitHubOrg", ""), spec["name"]
    source = _repository(owner, name)
    status = {
        "endpoint": source["url"],
        "sourceRepository": source,
        "gitopsRepository": _repository(owner, f"{name}-gitops"),
    }
    return Provision("the repositories are being made", status)


def _application(claim: Json, spec: Json) -> Provision:
    status: Json = {"endpoint": f"http://{_service(claim)}"}
    if spec.get("language"):
        own = (spec.get("repository") or {}).get("name") or spec.get("appContainer") or spec["name"]
        status["repository"] = _repository(spec.get("gitHubOrg", ""), own)
    return Provision("the service is being deployed", status)


KINDS: Mapping[str, Callable[[Json, Json], Provision]] = {
    "AppContainerClaim": _app_container,
    "ApplicationClaim": _application,
    "GraphQLPlatformClaim": _graphql,
    "InfrastructureClaim": _infrastructure,
    "OrchestrationPlatformClaim": _orchestration,
    "ProviderSecretClaim": _provider_secret,
    "RealtimePlatformClaim": _realtime,
    "VClusterEnvironmentClaim": _vcluster,
}
