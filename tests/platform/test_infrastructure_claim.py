"""Each golden render of an InfrastructureClaim holds what the claim must lead to, cell by cell of the catalogue.

`infrastructure.py` says from the claim what each place of the catalogue must hold; the catalogue says which places
there are; the goldens are what Crossplane really makes.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest
import yaml

from tests.platform import goldens, infrastructure
from tests.platform.goldens import Layout
from tests.platform.infrastructure import at
from tools.platform_api.apis import FOLDER, api

API = api("infrastructureclaims")
LAYOUT = Layout(API)
CATALOGUE: dict[str, Any] = yaml.safe_load((FOLDER / "infrastructure-catalogue.yaml").read_text(encoding="utf-8"))[
    "types"
]
FIELDS = ("size", "version", "replicas", "highAvailability", "backupEnabled", "monitoringEnabled", "storage")
CELLS = [(kind, field) for kind in CATALOGUE for field in FIELDS]
#: Cases whose claim is answered with what it asks for.
CASES = [name for name in LAYOUT.cases() if not name.startswith("refused-")]
PASSWORD = "{{ .password }}"


@functools.cache
def claim_of(name: str) -> dict[str, Any]:
    return goldens.claim_of(LAYOUT, name)


@functools.cache
def composed_of(name: str) -> dict[str, dict[str, Any]]:
    return goldens.composed(goldens.rendered(LAYOUT, name))


@functools.cache
def status_of(name: str) -> dict[str, Any]:
    status: dict[str, Any] = goldens.composite(goldens.rendered(LAYOUT, name), API)["status"]
    return status


def document(composed: dict[str, dict[str, Any]], resource: str) -> Any:
    """Return what the catalogue's places are in: the values of the release, or the manifest of an object."""
    made = composed.get(resource)
    return made and made["spec"]["forProvider"]["values" if resource == "release" else "manifest"]


def manifests(composed: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        name: made["spec"]["forProvider"]["manifest"] for name, made in composed.items() if made["kind"] == "Object"
    }


def test_the_catalogue_has_every_type_and_every_field() -> None:
    schema = goldens.load_all(API.definition)[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    spec = schema["properties"]["spec"]["properties"]
    assert list(CATALOGUE) == spec["infrastructureType"]["enum"]
    for kind, about in CATALOGUE.items():
        assert tuple(about["values"]) == FIELDS, kind
        assert set(FIELDS) - {"storage"} <= spec.keys()
    assert set(infrastructure.SIZES) == set(spec["size"]["enum"])


@pytest.mark.parametrize(("kind", "field"), CELLS)
def test_a_cell_of_the_catalogue(kind: str, field: str) -> None:
    """Every case of the type has the wanted value at each of the cell's places, and the field makes a difference."""
    places = {(resource, path) for resource, paths in CATALOGUE[kind]["values"][field].items() for path in paths}
    seen: dict[tuple[str, str], list[Any]] = {place: [] for place in places}
    for name in CASES:
        claim = claim_of(name)
        if infrastructure.kind_of(claim) == kind:
            wanted = infrastructure.cells(claim)[field]
            assert wanted.keys() == places
            for (resource, path), value in wanted.items():
                found = at(document(composed_of(name), resource), path)
                assert found == value, f"{name}: {resource} {path}"
                seen[resource, path].append(value)
    for place, values in seen.items():
        assert any(value != values[0] for value in values), f"{place} is the same in every case"


@pytest.mark.parametrize("name", CASES)
def test_the_chart_is_the_catalogues(name: str) -> None:
    claim = claim_of(name)
    kind = infrastructure.kind_of(claim)
    composed = composed_of(name)
    assert ("chart" in CATALOGUE[kind]) == ("release" in composed)
    if release := composed.get("release"):
        assert release["apiVersion"] == "helm.crossplane.io/v1beta1"
        assert release["spec"]["forProvider"]["chart"] == CATALOGUE[kind]["chart"]
        assert release["spec"]["forProvider"]["namespace"] == claim["metadata"]["namespace"]
        assert release["metadata"]["annotations"]["crossplane.io/external-name"] == infrastructure.name_of(claim)


@pytest.mark.parametrize("kind", CATALOGUE)
def test_the_versions_are_the_catalogues(kind: str) -> None:
    text = API.composition.read_text(encoding="utf-8")
    (offered,) = re.findall(rf'"{kind}" \(dict ("" [^)]*)\)', text)
    pairs = re.findall(r'"([^"]*)"', offered)
    assert dict(zip(pairs[::2], pairs[1::2], strict=True)) == CATALOGUE[kind]["versions"]


@pytest.mark.parametrize("name", CASES)
def test_the_connection_secret_has_exactly_the_contracts_keys(name: str) -> None:
    claim = claim_of(name)
    secret = manifests(composed_of(name))["connection"]
    wanted = claim["spec"]["connectionSecretRef"]["name"]
    target = secret["spec"]["target"]
    assert (secret["kind"], secret["metadata"]["name"], target["name"]) == ("ExternalSecret", wanted, wanted)
    assert target["template"]["data"] == infrastructure.keys_of(claim, PASSWORD)
    assert target["template"]["mergePolicy"] == "Replace"
    assert sorted(target["template"]["data"]) == sorted(CATALOGUE[infrastructure.kind_of(claim)]["secretKeys"])


@pytest.mark.parametrize("name", CASES)
def test_the_password_is_generated_once_and_known_to_external_secrets_only(name: str) -> None:
    claim = claim_of(name)
    made = manifests(composed_of(name))
    secret = claim["spec"]["connectionSecretRef"]["name"]
    assert made["connection"]["spec"]["refreshPolicy"] == "CreatedOnce"
    assert made["connection"]["spec"]["dataFrom"][0]["sourceRef"]["generatorRef"]["name"] == secret
    assert made["password"]["spec"]["symbols"] == 0, "the password stands in URLs"
    values = document(composed_of(name), "release") or {}
    reference = {
        "postgresql": ("cluster.initdb.secret.name",),
        "mongodb": ("users[0].passwordSecretRef.name",),
        "redis": ("redisReplication.redisSecret.secretName",),
        "clickhouse": ("clickhouse.users[0].password_secret_name", "clickhouse.defaultUser.password_secret_name"),
        "kafka": (),
    }[infrastructure.kind_of(claim)]
    assert [at(values, path) for path in reference] == [secret] * len(reference)


@pytest.mark.parametrize("name", CASES)
def test_everything_is_in_the_claims_namespace_and_named_after_the_claim(name: str) -> None:
    claim = claim_of(name)
    own, hashed = infrastructure.name_of(claim), {"b", "c"}
    for resource, manifest in manifests(composed_of(name)).items():
        metadata = manifest["metadata"]
        assert metadata["namespace"] == claim["metadata"]["namespace"]
        assert metadata["name"].startswith((own, claim["metadata"]["name"])) or metadata["name"][0] in hashed, resource
        assert len(metadata["name"]) <= 63 or metadata["name"] == claim["spec"]["connectionSecretRef"]["name"]


@pytest.mark.parametrize("name", CASES)
def test_the_deletion_policy_is_that_of_everything_that_is_made(name: str) -> None:
    claim = claim_of(name)
    policy = claim["spec"].get("deletionPolicy", "Delete")
    for resource, made in composed_of(name).items():
        if made["spec"].get("managementPolicies") != ["Observe"]:
            assert made["spec"]["deletionPolicy"] == policy, resource
    values, keep = document(composed_of(name), "release") or {}, policy == "Orphan"
    match infrastructure.kind_of(claim):
        case "mongodb":
            assert ("percona.com/delete-psmdb-pvc" in values["finalizers"]) is not keep
        case "redis":
            kept = values["redisReplication"]["persistentVolumeClaimRetentionPolicy"]
            assert kept["whenDeleted"] == ("Retain" if keep else "Delete")
        case "kafka":
            for pool in ("broker", "controller"):
                volume = document(composed_of(name), pool)["spec"]["storage"]["volumes"][0]
                assert volume["deleteClaim"] is not keep


@pytest.mark.parametrize("name", CASES)
def test_the_provider_config_is_the_hosts_or_the_virtual_clusters(name: str) -> None:
    claim = claim_of(name)
    target = claim["spec"].get("vcluster")
    place = f"{claim['metadata']['namespace']}.{target}"
    for made in composed_of(name).values():
        host = "helm-provider" if made["kind"] == "Release" else "kubernetes-provider"
        assert made["spec"]["providerConfigRef"] == {"name": place if target else host}


@pytest.mark.parametrize("name", CASES)
def test_the_token_of_the_claim_reaches_the_object_whose_readiness_counts(name: str) -> None:
    claim = claim_of(name)
    token = {"platform.io/generation": claim["spec"].get("generation", "0")}
    place = {
        "postgresql": "cluster.annotations",
        "mongodb": "annotations",
        "redis": "annotations",
        "clickhouse": "clickhouse.service.serviceAnnotations",
    }
    if place_of := place.get(infrastructure.kind_of(claim)):
        assert at(document(composed_of(name), "release"), place_of) == token
    for made in composed_of(name).values():
        if made["kind"] == "Object" and made["spec"].get("managementPolicies") != ["Observe"]:
            assert made["spec"]["forProvider"]["manifest"]["metadata"]["annotations"] == token


@pytest.mark.parametrize("name", CASES)
def test_metrics_are_found_by_the_label_and_port_that_the_workflows_monitor_selects(name: str) -> None:
    claim = claim_of(name)
    exporter = manifests(composed_of(name)).get("exporter")
    assert (exporter is not None) == claim["spec"].get("monitoringEnabled", True)
    if exporter:
        assert exporter["metadata"]["labels"]["app.kubernetes.io/instance"] == claim["metadata"]["name"]
        assert [port["name"] for port in exporter["spec"]["ports"]] == ["metrics"]


@pytest.mark.parametrize("name", LAYOUT.cases())
def test_the_status_echoes_the_token_and_names_address_and_secret(name: str) -> None:
    claim, status = claim_of(name), status_of(name)
    assert status["appliedGeneration"] == claim["spec"].get("generation", "0")
    secret = {"name": claim["spec"]["connectionSecretRef"]["name"], "namespace": claim["metadata"]["namespace"]}
    assert status["connectionSecret"] == secret
    if name in CASES:
        port = infrastructure.PORTS[infrastructure.kind_of(claim)]
        assert status["endpoint"] == f"{infrastructure.host_of(claim)}:{port}"
        assert status["infrastructureType"] == infrastructure.kind_of(claim)
        assert (
            status["version"]
            == infrastructure.VERSIONS[infrastructure.kind_of(claim), claim["spec"].get("version", "")]
        )


def empty_maps(node: Any, path: str = "") -> list[str]:
    if isinstance(node, dict):
        return (
            [found for key, value in node.items() for found in empty_maps(value, f"{path}.{key}")] if node else [path]
        )
    if isinstance(node, list):
        return [found for value in node for found in empty_maps(value, f"{path}[]")]
    return []


@pytest.mark.parametrize("name", CASES)
def test_no_map_is_empty_that_is_filled_in_another_case(name: str) -> None:
    """An emptied map is stored as null: see test_infrastructure_claim_on_cluster.py."""
    always = {".spec.entityOperator.topicOperator", ".spec.entityOperator.userOperator"}
    for resource in composed_of(name):
        assert set(empty_maps(document(composed_of(name), resource))) <= always, resource


#: By hand: values that no field decides, and what would go wrong without them.
FIXED = [
    ("postgresql", "cluster.enableSuperuserAccess", False),  # the superuser would have a password
    ("postgresql", "cluster.initdb.owner", "app"),  # the user name in the Secret
    ("postgresql", "backups.enabled", False),  # to an object store that nobody configured
    ("postgresql", "cluster.monitoring.podMonitor.enabled", False),  # metrics would be scraped twice
    ("mongodb", "sharding.enabled", False),  # routers and config servers
    ("mongodb", "backup.enabled", False),  # agents without a storage
    ("mongodb", "enableVolumeExpansion", True),  # a larger size would be refused
    ("mongodb", "users[0].name", "app"),
    ("mongodb", "users[0].db", "admin"),  # authSource in the Secret
    ("redis", "redisReplication.redisSecret.secretKey", "password"),
    ("redis", "redisReplication.ignoreAnnotations", ["platform.io/generation"]),  # each run would restart the pods
    ("redis", "sentinel.ignoreAnnotations", ["platform.io/generation"]),
    ("redis", "redisReplication.maxMemoryPercentOfLimit", 75),  # the kernel would kill it before it evicts
    ("clickhouse", "operator.enabled", False),  # one operator for each claim
    ("clickhouse", "clickhouse.defaultUser.hostIP", "127.0.0.1/32"),  # the administrator from anywhere
    ("clickhouse", "clickhouse.users[0].name", "app"),
]


@pytest.mark.parametrize(("kind", "path", "value"), FIXED)
def test_what_no_field_decides(kind: str, path: str, value: object) -> None:
    for name in CASES:
        if infrastructure.kind_of(claim_of(name)) == kind:
            assert at(document(composed_of(name), "release"), path) == value, name


#: By hand: what the restricted level of Pod Security asks of a container.
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "runAsUser": 65535,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.mark.parametrize("name", CASES)
def test_a_container_that_the_platform_adds_to_an_operators_pod_is_restricted(name: str) -> None:
    sidecars = at(document(composed_of(name), "release"), "replsets.rs0.sidecars")
    if sidecars is not infrastructure.ABSENT:
        assert all(container["securityContext"] == RESTRICTED for container in sidecars)


@pytest.mark.parametrize("name", [name for name in CASES if infrastructure.kind_of(claim_of(name)) == "kafka"])
def test_kafka_which_asks_for_no_password_lets_in_its_namespace_only(name: str) -> None:
    (listener,) = document(composed_of(name), "server")["spec"]["kafka"]["listeners"]
    own = {"kubernetes.io/metadata.name": claim_of(name)["metadata"]["namespace"]}
    assert listener == {
        "name": "plain",
        "port": infrastructure.PORTS["kafka"],
        "type": "internal",
        "tls": False,
        "networkPolicyPeers": [{"namespaceSelector": {"matchLabels": own}}],
    }


@pytest.mark.parametrize("name", CASES)
def test_a_database_is_made_with_the_name_in_the_secret(name: str) -> None:
    claim = claim_of(name)
    path = {"postgresql": "cluster.initdb.database", "mongodb": "users[0].roles[0].db"}
    if place := path.get(infrastructure.kind_of(claim)):
        assert at(document(composed_of(name), "release"), place) == claim["spec"].get("database", "app")


READY = [f"status-{kind}-ready" for kind in CATALOGUE]
#: By hand: what a person is told while it does not work.
MESSAGES = {
    "status-creating": "Helm release shop-postgresql-0a1b2c3d is pending-install: Initial install underway; "
    "Cluster shop-postgresql-0a1b2c3d is not created by its chart yet",
    "status-release-failed": "Helm release shop-postgresql-0a1b2c3d is failed: "
    'Release "shop-postgresql-0a1b2c3d" failed: exceeded quota',
    "status-release-of-old-values": "Helm release shop-postgresql-0a1b2c3d is deployed, but not yet with the values "
    "that the claim wants now; Cluster shop-postgresql-0a1b2c3d is of generation run-6, and run-7 is wanted",
    "status-old-generation": "Cluster shop-postgresql-0a1b2c3d is of generation run-6, and run-7 is wanted",
    "status-no-secret": "ExternalSecret shop-postgresql-0a1b2c3d-connection has not made the connection Secret yet: "
    "could not get secret data from provider",
    "status-instance-missing": "Cluster shop-postgresql-0a1b2c3d has 2 of 3 instances ready",
    "status-old-image": "Cluster shop-postgresql-0a1b2c3d still runs ghcr.io/cloudnative-pg/postgresql:16",
    "status-pods-being-replaced": "StatefulSet shop-redis-0a1b2c3d has 1 of 3 pods replaced by new ones",
    "status-no-pods": "StatefulSet shop-redis-0a1b2c3d has 0 of 3 pods ready",
    "status-operator-behind": "Kafka shop-kafka-0a1b2c3d has a change that its operator has not taken up yet",
    "status-server-error": "PerconaServerMongoDB shop-mongodb-0a1b2c3d is not ready: create pbm object: no such host",
    "status-in-progress": "ClickHouseInstallation shop-clickhouse-0a1b2c3d is not ready: InProgress",
    "status-refused-by-the-cluster": "Service shop-redis-0a1b2c3d-exporter cannot be applied: "
    "cannot apply object: services is forbidden",
    "refused-namespace": "namespace is payments, but a claim of namespace shop makes things in its own namespace only: "
    "leave it out",
    "refused-secret-namespace": "connectionSecretRef.namespace is payments, but a claim of namespace shop makes things "
    "in its own namespace only: leave it out",
    "refused-version": "version 3.3 of kafka is not offered: choose one of 4, 4.2, 4.2.0, 4.2.1, 4.3, 4.3.0, 4.3.1",
    "refused-change-of-type": "infrastructureType cannot change from redis to postgresql, for the data would be lost: "
    "make another claim",
    "refused-change-of-version": "version 9 of redis is not offered: choose one of 7, 7.0, 7.0.12, 7.0.15",
}


@pytest.mark.parametrize("name", LAYOUT.cases())
def test_it_is_ready_only_where_everything_works_and_says_why_not(name: str) -> None:
    status = status_of(name)
    conditions = {condition["type"]: condition["status"] for condition in status["conditions"]}
    assert status["ready"] is (name in READY)
    assert conditions["Ready"] == str(name in READY)
    assert status["message"]
    if name in MESSAGES:
        assert status["message"] == MESSAGES[name]
    elif name not in READY:
        assert " is not created yet" in status["message"]


def test_every_case_about_the_status_is_judged_by_hand() -> None:
    assert {name for name in LAYOUT.cases() if name.startswith(("status-", "refused-"))} == {*READY, *MESSAGES}


@pytest.mark.parametrize("name", ["refused-namespace", "refused-secret-namespace", "refused-version"])
def test_a_claim_that_is_refused_makes_nothing(name: str) -> None:
    assert composed_of(name) == {}


@pytest.mark.parametrize("name", ["refused-change-of-type", "refused-change-of-version"])
def test_what_runs_stays_as_it_is_when_a_change_is_refused(name: str) -> None:
    observed = goldens.observed_of(LAYOUT, name)
    kept = composed_of(name)
    before = {found["metadata"]["annotations"]["crossplane.io/composition-resource-name"]: found for found in observed}
    assert kept.keys() == before.keys()
    for resource, made in kept.items():
        assert made["spec"] == before[resource]["spec"]
        external = before[resource]["metadata"]["annotations"].get("crossplane.io/external-name")
        assert made["metadata"]["annotations"].get("crossplane.io/external-name") == external
