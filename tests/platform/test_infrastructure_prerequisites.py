"""The prerequisites of the infrastructure and provider claims: versions as the catalogue has them, rights as needed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.platform import goldens
from tests.platform.goldens import Layout
from tools.platform_api.apis import FOLDER, ROOT, api
from tools.platform_api.catalogue import load, rewritten

PREREQUISITES = FOLDER / "prerequisites"
ALL = {"get", "list", "watch", "create", "update", "patch", "delete"}
#: What provider-kubernetes does with an object that it only observes: it reads it, and applies its own few fields as a
#: dry run (`SSAResourceSyncer.GetDesiredState`).
LOOK = {"get", "patch"}
#: By hand, from the charts' templates with the values that the Composition gives them.
MADE_BY_CHARTS = {
    ("", "configmaps"), ("", "services"), ("postgresql.cnpg.io", "clusters"),
    ("psmdb.percona.com", "perconaservermongodbs"), ("redis.redis.opstreelabs.in", "redisreplications"),
    ("clickhouse.altinity.com", "clickhouseinstallations"),
    ("clickhouse-keeper.altinity.com", "clickhousekeeperinstallations"), ("monitoring.coreos.com", "prometheusrules"),
}  # fmt: skip
#: Where Helm keeps its releases.
HELMS_OWN = {("", "secrets")}


def documents(name: str) -> list[dict[str, Any]]:
    return goldens.load_all(PREREQUISITES / f"{name}.yaml")


def named(name: str, kind: str, of: str) -> dict[str, Any]:
    (found,) = (
        document for document in documents(name) if (document["kind"], document["metadata"]["name"]) == (kind, of)
    )
    return found


def rights(role: dict[str, Any]) -> dict[tuple[str, str], set[str]]:
    return {
        (group, resource): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def composed() -> list[dict[str, Any]]:
    """Return every resource in every golden of both claims."""
    layouts = [Layout(api("infrastructureclaims")), Layout(api("providersecretclaims"))]
    return [
        made
        for layout in layouts
        for name in layout.cases()
        for made in goldens.composed(goldens.rendered(layout, name)).values()
    ]


def test_the_operators_are_those_of_the_catalogue() -> None:
    operators = {document["metadata"]["name"]: document["spec"] for document in documents("infrastructure-operators")}
    for about in load().values():
        wanted = about["operator"]
        spec = operators.pop(wanted["name"])
        source = spec["source"]
        found = (source["repoURL"], source["chart"], source["targetRevision"], spec["destination"]["namespace"])
        assert found == (wanted["repository"], wanted["chart"], wanted["version"], wanted["namespace"])
    assert set(operators) == {"external-secrets", "snapscheduler", "prometheus-operator-crds"}


def test_provider_kubernetes_has_rights_over_exactly_what_is_composed() -> None:
    wanted: dict[tuple[str, str], set[str]] = {("rbac.authorization.k8s.io", "clusterroles"): {"bind"}}
    for made in composed():
        if made["kind"] == "Object":
            manifest = made["spec"]["forProvider"]["manifest"]
            group = manifest["apiVersion"].rpartition("/")[0]
            look = made["spec"].get("managementPolicies") == ["Observe"]
            plural = f"{manifest['kind'].lower()}s"
            wanted.setdefault((group, plural), set()).update(LOOK if look else ALL)
    role = named("provider-kubernetes-infrastructure", "ClusterRole", "provider-kubernetes-infrastructure")
    assert rights(role) == wanted
    (bind,) = (rule for rule in role["rules"] if rule["verbs"] == ["bind"])
    assert bind["resourceNames"] == ["platform-credentials-reader"]


def test_it_touches_no_secret_and_the_reader_only_gets() -> None:
    role = named("provider-kubernetes-infrastructure", "ClusterRole", "provider-kubernetes-infrastructure")
    assert ("", "secrets") not in rights(role)
    reader = named("provider-kubernetes-infrastructure", "ClusterRole", "platform-credentials-reader")
    assert rights(reader) == {("", "secrets"): {"get"}}


def test_no_object_of_these_claims_is_a_secret() -> None:
    kinds = {made["spec"]["forProvider"]["manifest"]["kind"] for made in composed() if made["kind"] == "Object"}
    assert "Secret" not in kinds
    for made in composed():
        assert not {"references", "connectionDetails", "writeConnectionSecretToRef"} & made["spec"].keys()
        assert not {"set", "valuesFrom", "patchesFrom"} & made["spec"]["forProvider"].keys()


def test_provider_helm_has_rights_over_exactly_what_the_charts_make() -> None:
    role = named("provider-helm", "ClusterRole", "provider-helm-infrastructure")
    assert rights(role) == dict.fromkeys(MADE_BY_CHARTS | HELMS_OWN, ALL)


@pytest.mark.parametrize(
    ("name", "provider"),
    [("provider-helm", "provider-helm"), ("provider-kubernetes-infrastructure", "provider-kubernetes")],
)
def test_the_rights_are_the_providers(name: str, provider: str) -> None:
    (binding,) = (document for document in documents(name) if document["kind"] == "ClusterRoleBinding")
    named(name, "ClusterRole", binding["roleRef"]["name"])
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": provider, "namespace": "crossplane-system"}]
    config = named(provider, "DeploymentRuntimeConfig", provider)
    assert config["spec"]["serviceAccountTemplate"]["metadata"]["name"] == provider
    installed = named(provider, "Provider", provider)
    assert installed["spec"]["runtimeConfigRef"]["name"] == provider
    assert installed["spec"]["package"].startswith(f"xpkg.crossplane.io/crossplane-contrib/{provider}:v")


def test_releases_use_the_configuration_of_the_provider() -> None:
    config = named("provider-helm", "ProviderConfig", "helm-provider")
    used = {made["spec"]["providerConfigRef"]["name"] for made in composed() if made["kind"] == "Release"}
    assert used == {config["metadata"]["name"], "shop.analytics"}


def test_the_page_shows_the_catalogue() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "tools.platform_api.catalogue", "--check"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_page_without_a_place_for_the_catalogue_is_an_error() -> None:
    with pytest.raises(ValueError, match="has them 0 times"):
        rewritten("# A page", load())
