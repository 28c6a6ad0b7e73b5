"""What the fields of an InfrastructureClaim must become, said in Python and from the claim alone.

Each function returns the wanted value of every place that the catalogue names, by field and place. Written from the
requirements (sizes, replicas, what each field promises), without a look at the Composition.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

Claim = dict[str, Any]
#: Value at a place: (composed resource, path).
Cells = dict[tuple[str, str], Any]

SIZES = {
    "small": ("500m", "1Gi", "10Gi"),
    "medium": ("1", "2Gi", "50Gi"),
    "large": ("2", "4Gi", "100Gi"),
    "xlarge": ("4", "8Gi", "500Gi"),
}
#: By hand: what the cases ask for, and the image tag or version that stands for it.
VERSIONS = {
    ("postgresql", ""): "17", ("postgresql", "16"): "16", ("postgresql", "17"): "17",
    ("mongodb", ""): "8.0.19-7", ("mongodb", "7.0"): "7.0.30-16", ("mongodb", "8.0"): "8.0.19-7",
    ("redis", ""): "v7.0.15", ("redis", "7.0.12"): "v7.0.12",
    ("kafka", ""): "4.3.1", ("kafka", "4.2"): "4.2.1",
    ("clickhouse", ""): "25.3", ("clickhouse", "24.8"): "24.8", ("clickhouse", "25.3"): "25.3",
}  # fmt: skip
PORTS = {"postgresql": 5432, "mongodb": 27017, "redis": 6379, "kafka": 9092, "clickhouse": 8123}
EXPORTERS = {"postgresql": 9187, "mongodb": 9216, "redis": 9121, "kafka": 9404, "clickhouse": 9363}
HOST = "kubernetes.io/hostname"


class _Absent:
    """Stands for a place that must not be there."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


def kind_of(claim: Claim) -> str:
    """Return the type of infrastructure."""
    return str(claim["spec"]["infrastructureType"])


def name_of(claim: Claim) -> str:
    """Return the name of what is made: the claim's, cut, with a hash, where an operator takes no longer one."""
    name = str(claim["metadata"]["name"])
    longest = 21 if kind_of(claim) == "mongodb" else 40
    made = name if name[0].isalpha() else f"x{name}"
    if len(made) > longest:
        made = f"{made[: longest - 9].removesuffix('-')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return made


def replicas_of(claim: Claim) -> int:
    """Return the number of replicas: at least three, and for voters an odd number, where one may fail."""
    wanted = int(claim["spec"].get("replicas", 1))
    if not claim["spec"].get("highAvailability", False):
        return wanted
    return max(3, wanted) | 1 if kind_of(claim) == "mongodb" else max(3, wanted)


def resources_of(claim: Claim) -> dict[str, dict[str, str]]:
    """Return CPU and memory, guaranteed and never exceeded."""
    own = claim["spec"].get("resources", {})
    cpu, memory, _ = SIZES[claim["spec"].get("size", "small")]
    amount = {"cpu": own.get("cpu") or cpu, "memory": own.get("memory") or memory}
    return {"requests": amount, "limits": amount}


def storage_of(claim: Claim) -> str:
    """Return the size of a volume."""
    size = SIZES[claim["spec"].get("size", "small")]
    return str(claim["spec"].get("resources", {}).get("storage") or size[2])


def host_of(claim: Claim) -> str:
    """Return the host that applications connect to: where writes go."""
    name = name_of(claim)
    service = {
        "postgresql": f"{name}-rw",
        "mongodb": f"{name}-rs0",
        "redis": f"{name}-master",
        "kafka": f"{name}-kafka-bootstrap",
        "clickhouse": f"clickhouse-{name}",
    }
    return f"{service[kind_of(claim)]}.{claim['metadata']['namespace']}.svc"


def keys_of(claim: Claim, password: str) -> dict[str, str]:
    """Return the keys of the connection Secret, as the contract has them."""
    host, port = host_of(claim), str(PORTS[kind_of(claim)])
    database = claim["spec"].get("database") or "app"
    match kind_of(claim):
        case "postgresql":
            return {
                "host": host, "port": port, "database": database, "username": "app", "password": password,
                "connection_string": f"postgresql://app:{password}@{host}:{port}/{database}",
                "jdbc_url": f"jdbc:postgresql://{host}:{port}/{database}?user=app&password={password}",
            }  # fmt: skip
        case "mongodb":
            url = f"mongodb://app:{password}@{host}:{port}/{database}?replicaSet=rs0&authSource=admin"
            return {
                "host": host, "port": port, "database": database, "username": "app", "password": password,
                "connection_string": url,
            }  # fmt: skip
        case "redis":
            url = f"redis://:{password}@{host}:{port}/0"
            return {"host": host, "port": port, "password": password, "connection_string": url}
        case "kafka":
            return {"bootstrap_servers": f"{host}:{port}", "endpoint": f"{host}:{port}"}
        case _:
            return {"host": host, "port": port, "username": "app", "password": password}


def cells(claim: Claim) -> dict[str, Cells]:
    """Return for each field of the catalogue the wanted value at each of its places."""
    spec, kind = claim["spec"], kind_of(claim)
    ha, monitored = spec.get("highAvailability", False), spec.get("monitoringEnabled", True)
    own = {
        "postgresql": _postgresql, "mongodb": _mongodb, "redis": _redis, "kafka": _kafka, "clickhouse": _clickhouse,
    }[kind](claim, ha=ha, monitored=monitored)  # fmt: skip
    label = {
        "postgresql": '["cnpg.io/cluster"]',
        "mongodb": '["app.kubernetes.io/instance"]',
        "redis": ".app",
        "kafka": '["strimzi.io/cluster"]',
        "clickhouse": '["clickhouse.altinity.com/chi"]',
    }[kind]
    name = name_of(claim) if spec.get("backupEnabled", False) else ABSENT
    own["backupEnabled"] = {("snapshots", f"spec.claimSelector.matchLabels{label}"): name}
    port = EXPORTERS[kind] if monitored else ABSENT
    own["monitoringEnabled"][("exporter", "spec.ports[0].targetPort")] = port
    return own


def _postgresql(claim: Claim, *, ha: bool, monitored: bool) -> dict[str, Cells]:
    replicas, storage = replicas_of(claim), {("release", "cluster.storage.size"): storage_of(claim)}
    return {
        "size": {("release", "cluster.resources"): resources_of(claim), **storage},
        "version": {("release", "version.postgresql"): _version(claim)},
        "replicas": {("release", "cluster.instances"): replicas},
        "highAvailability": {
            ("release", "cluster.instances"): replicas,
            ("release", "cluster.affinity.podAntiAffinityType"): "required" if ha else "preferred",
            ("release", "cluster.postgresql.synchronous"): {"method": "any", "number": 1} if ha else ABSENT,
            ("release", "cluster.enablePDB"): ha,
        },
        "monitoringEnabled": {("release", "cluster.monitoring.enabled"): monitored},
        "storage": storage,
    }


def _mongodb(claim: Claim, *, ha: bool, monitored: bool) -> dict[str, Cells]:
    volume = "replsets.rs0.volumeSpec.pvc.resources.requests.storage"
    replicas, storage = replicas_of(claim), {("release", volume): storage_of(claim)}
    return {
        "size": {("release", "replsets.rs0.resources"): resources_of(claim), **storage},
        "version": {("release", "image.tag"): _version(claim)},
        "replicas": {("release", "replsets.rs0.size"): replicas},
        "highAvailability": {
            ("release", "replsets.rs0.size"): replicas,
            ("release", "replsets.rs0.affinity.antiAffinityTopologyKey"): HOST if ha else "none",
            ("release", "unsafeFlags.replsetSize"): not ha,
        },
        "monitoringEnabled": {("release", "replsets.rs0.sidecars[0].name"): "exporter" if monitored else ABSENT},
        "storage": storage,
    }


def _redis(claim: Claim, *, ha: bool, monitored: bool) -> dict[str, Cells]:
    volume = "storageSpec.volumeClaimTemplate.spec.resources.requests.storage"
    replicas, storage = replicas_of(claim), {("release", volume): storage_of(claim)}
    return {
        "size": {("release", "redisReplication.resources"): resources_of(claim), **storage},
        "version": {
            ("release", "redisReplication.tag"): _version(claim),
            ("release", "sentinel.tag"): _version(claim),
        },
        "replicas": {("release", "redisReplication.clusterSize"): replicas},
        "highAvailability": {
            ("release", "redisReplication.clusterSize"): replicas,
            ("release", "sentinel.enabled"): ha,
            ("release", "pdb.enabled"): ha,
            ("release", "affinity"): _apart({"app": name_of(claim)}) if ha else ABSENT,
        },
        "monitoringEnabled": {("release", "redisExporter.enabled"): monitored},
        "storage": storage,
    }


def _kafka(claim: Claim, *, ha: bool, monitored: bool) -> dict[str, Cells]:
    replicas, storage = replicas_of(claim), {("broker", "spec.storage.volumes[0].size"): storage_of(claim)}
    pool = f"b-{hashlib.sha256(claim['metadata']['name'].encode()).hexdigest()[:8]}"
    return {
        "size": {("broker", "spec.resources"): resources_of(claim), **storage},
        "version": {("server", "spec.kafka.version"): _version(claim)},
        "replicas": {("broker", "spec.replicas"): replicas},
        "highAvailability": {
            ("broker", "spec.replicas"): replicas,
            ("broker", "spec.template.pod.affinity"): _apart({"strimzi.io/pool-name": pool}) if ha else ABSENT,
            ("controller", "spec.replicas"): 3 if ha else 1,
            ("server", 'spec.kafka.config["min.insync.replicas"]'): 2 if replicas > 2 else 1,
        },
        "monitoringEnabled": {
            ("server", "spec.kafka.metricsConfig.type"): "strimziMetricsReporter" if monitored else ABSENT
        },
        "storage": storage,
    }


def _clickhouse(claim: Claim, *, ha: bool, monitored: bool) -> dict[str, Cells]:
    replicas, storage = replicas_of(claim), {("release", "clickhouse.persistence.size"): storage_of(claim)}
    return {
        "size": {("release", "clickhouse.resources"): resources_of(claim), **storage},
        "version": {("release", "clickhouse.image.tag"): _version(claim)},
        "replicas": {("release", "clickhouse.replicasCount"): replicas, ("release", "keeper.enabled"): replicas > 1},
        "highAvailability": {
            ("release", "clickhouse.replicasCount"): replicas,
            ("release", "clickhouse.antiAffinity"): ha,
            ("release", "keeper.replicaCount"): 3 if ha else 1,
        },
        "monitoringEnabled": {("release", 'clickhouse.settings["prometheus/port"]'): "9363" if monitored else ABSENT},
        "storage": storage,
    }


def _version(claim: Claim) -> str:
    return VERSIONS[kind_of(claim), claim["spec"].get("version", "")]


def _apart(labels: dict[str, str]) -> dict[str, Any]:
    rule = {"topologyKey": HOST, "labelSelector": {"matchLabels": labels}}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [rule]}}


def at(document: Any, path: str) -> Any:
    """Return what a document has at a path such as `a.b[0]["c.d"]`, or `ABSENT`."""
    for quoted, index, name in re.findall(r'\["([^"]+)"\]|\[(\d+)\]|([^.\[]+)', path):
        try:
            document = document[int(index)] if index else document[quoted or name]
        except (KeyError, IndexError, TypeError):
            return ABSENT
    return document
