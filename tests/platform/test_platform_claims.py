"""What holds for every claim that becomes a platform of several parts, in every case."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.platform import goldens
from tests.platform.platform_claims import (
    CASES,
    GENERATION,
    KEY,
    LAYOUTS,
    ORCHESTRATION,
    REALTIME,
    case_id,
    claim,
    containers,
    manifests,
    parts,
    status,
    status_of,
    text,
)
from tests.platform.renderer import MissingRendererError, Renderer, composite_of
from tools.platform_api.apis import api
from tools.platform_api.crds import load_definition
from tools.platform_api.json_schema import claim_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.platform.goldens import Layout

EVERY_CASE = pytest.mark.parametrize(("layout", "name"), CASES, ids=case_id)
EVERY_API = pytest.mark.parametrize("layout", LAYOUTS, ids=case_id)
READY = {"status-ready", "status-remote-ready"}
DNS_LABEL = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
PLACEHOLDER = re.compile(r"\{\{ \.[a-z]+ \}\}|\$\{[A-Z_]+\}")
#: Longest name of each kind; the rest of Kubernetes' names may have 253 characters.
LONGEST = {"CronJob": 52, "StatefulSet": 52, "Kafka": 40, "KafkaBridge": 40}


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    try:
        found = Renderer(LAYOUTS[0])
    except MissingRendererError as error:
        pytest.skip(f"{error}: what is not kept as a golden cannot be tried")
    with found:
        yield found


def template(layout: Layout) -> str:
    (composition,) = goldens.load_all(layout.composition)
    (step,) = composition["spec"]["pipeline"]
    found: str = step["input"]["inline"]["template"]
    return found


def test_the_four_compositions_begin_and_end_alike() -> None:
    begin, end = "{{- $composite :=", "{{- /* Write out the parts."
    texts = [template(layout) for layout in LAYOUTS]
    prologues = {found[found.index(begin) : found.index("{{- $faults := list }}")] for found in texts}
    judgements = {found[found.index("{{- /* When an object works") :].split("\n\n", 1)[0][:1500] for found in texts}
    assert len(prologues) == len({found[found.index(end) :] for found in texts}) == 1
    assert len({judgement.split("{{- $isApplied")[0] for judgement in judgements}) == 1


@EVERY_CASE
def test_every_name_is_built_on_the_claims_and_short_enough(layout: Layout, name: str) -> None:
    wanted = claim(layout, name)["metadata"]["name"]
    cut = f"c-{wanted}"[:20]
    for key, made in parts(layout, name).items():
        manifest = made["spec"].get("forProvider", {}).get("manifest")
        if made["kind"] == "Release":
            found, kind = made["metadata"]["annotations"]["crossplane.io/external-name"], "Release"
        elif manifest:
            found, kind = manifest["metadata"]["name"], manifest["kind"]
        else:
            continue
        if kind == "KafkaNodePool":
            assert re.fullmatch(r"n-[0-9a-f]{8}", found)
            continue
        assert wanted in found or cut in found, key
        if kind not in {"ConfigMap", "Secret", "ExternalSecret", "Password"}:
            assert DNS_LABEL.match(found), found
            assert len(found) <= LONGEST.get(kind, 63), found


@EVERY_CASE
def test_what_is_made_carries_the_generation_and_the_deletion_policy(layout: Layout, name: str) -> None:
    spec = claim(layout, name)["spec"]
    generation, policy = spec.get("generation", "0"), spec.get("deletionPolicy", "Delete")
    assert status(layout, name)["appliedGeneration"] == generation
    for key, made in parts(layout, name).items():
        if made["kind"] in {"Object", "Release"}:
            assert made["spec"]["deletionPolicy"] == policy, key
    for key, manifest in manifests(layout, name).items():
        if manifest["kind"] != "KafkaBridge":  # created once, then the autoscaler's
            assert manifest["metadata"]["annotations"][GENERATION] == generation, key
        if manifest["kind"] == "InfrastructureClaim":
            assert manifest["spec"]["deletionPolicy"] == policy
            assert manifest["spec"]["generation"] == generation


@EVERY_CASE
def test_all_is_in_the_claims_namespace_or_in_one_that_is_made_for_it(layout: Layout, name: str) -> None:
    made = manifests(layout, name)
    allowed = {claim(layout, name)["metadata"]["namespace"]}
    allowed |= {manifest["metadata"]["name"] for manifest in made.values() if manifest["kind"] == "Namespace"}
    for key, manifest in made.items():
        assert manifest["kind"] == "Namespace" or manifest["metadata"]["namespace"] in allowed, key
    for key, part in parts(layout, name).items():
        if part["kind"] == "Release":
            assert part["spec"]["forProvider"]["namespace"] in allowed, key


@EVERY_CASE
def test_databases_are_infrastructure_claims_that_their_definition_takes(layout: Layout, name: str) -> None:
    schema = claim_schema(load_definition(api("infrastructureclaims")))
    for manifest in manifests(layout, name).values():
        if manifest["kind"] == "InfrastructureClaim":
            assert [error.message for error in Draft202012Validator(schema).iter_errors(manifest)] == []
            assert manifest["spec"]["connectionSecretRef"]["name"] == f"{manifest['metadata']['name']}-connection"


@EVERY_CASE
def test_no_password_is_in_a_manifest(layout: Layout, name: str) -> None:
    given = [user["password"] for user in claim(layout, name)["spec"].get("mqttUsers", []) if "password" in user]
    for key, manifest in manifests(layout, name).items():
        if manifest["kind"] == "Secret":
            assert (layout, key) == (REALTIME, "mqtt-given")
            assert given
        assert not any(password in text(manifest) for password in given)
        for container in containers(manifest):
            for variable in container.get("env", []):
                if variable["name"] == "MYSQL_RANDOM_ROOT_PASSWORD":
                    assert variable["value"] == "yes"
                elif re.search(r"PASS|SECRET|TOKEN|DATABASE_URL", variable["name"]):
                    assert "secretKeyRef" in variable["valueFrom"], variable
        if manifest["kind"] == "ExternalSecret":
            for data in manifest["spec"]["target"]["template"]["data"].items():
                if re.search(r"secret|password|token|encryption|json", data[0]):
                    assert PLACEHOLDER.search(data[1]), data


@EVERY_CASE
def test_containers_are_confined(layout: Layout, name: str) -> None:
    for key, manifest in manifests(layout, name).items():
        for container in containers(manifest):
            assert container["securityContext"]["allowPrivilegeEscalation"] is False, key
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, key
            assert set(container["resources"]) == {"requests", "limits"}, key
            assert re.search(r":v?\d+\.\d+\.\d+(\.\d+)?$", container["image"]), container["image"]


@EVERY_CASE
def test_a_status_is_ready_or_says_what_is_in_the_way(layout: Layout, name: str) -> None:
    found = status(layout, name)
    assert found["ready"] is (name in READY)
    if found["ready"]:
        assert found["message"] == "all parts work"
    else:
        assert re.search(r"/|values", found["message"])
        assert "map[" not in found["message"]


@EVERY_API
def test_nothing_is_left_out_with_a_warning(layout: Layout) -> None:
    for name in layout.cases():
        for document in yaml.safe_load_all(goldens.rendered(layout, name)):
            assert document["kind"] != "Result", document


@EVERY_API
def test_an_older_ready_does_not_count(layout: Layout) -> None:
    found = status(layout, "status-stale")
    assert found["appliedGeneration"] == claim(layout, "status-stale")["spec"]["generation"]
    assert found["message"].startswith("not changed yet: ")
    assert found["ready"] is False


def observed(layout: Layout, name: str) -> list[dict[str, Any]]:
    return copy.deepcopy(goldens.observed_of(layout, name))


@EVERY_API
def test_it_is_ready_only_while_each_part_is(renderer: Renderer, layout: Layout) -> None:
    seen = observed(layout, "status-ready")
    there = goldens.others_of(layout, "status-ready")
    assert {part["metadata"]["annotations"][KEY] for part in seen} == parts(layout, "status-ready").keys()
    for at, part in enumerate(seen):
        key = part["metadata"]["annotations"][KEY]
        without = [*seen[:at], *seen[at + 1 :]]
        broken = copy.deepcopy(part)
        if "status" in broken:
            broken["status"]["conditions"][1]["status"] = "False"
        else:
            broken["spec"] = {}
        for state in (without, [*without, broken])[at > 0 :]:
            output = renderer.compose(claim(layout, "status-ready"), state, layout=layout, there=there)
            found = status_of(layout, output)
            assert found["ready"] is False, key


@EVERY_API
def test_what_the_provider_said_of_an_older_spec_does_not_count(renderer: Renderer, layout: Layout) -> None:
    seen = observed(layout, "status-ready")
    there = goldens.others_of(layout, "status-ready")
    for generation, expected in ((3, True), (4, False)):
        part = next(part for part in seen if "status" in part)
        part["metadata"]["generation"] = generation
        part["status"]["conditions"][0]["observedGeneration"] = 3
        output = renderer.compose(claim(layout, "status-ready"), seen, layout=layout, there=there)
        assert status_of(layout, output)["ready"] is expected


@EVERY_API
def test_a_composite_without_a_claim_composes_nothing(
    renderer: Renderer, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    composite = composite_of(claim(layout, "minimal"))
    del composite["spec"]["claimRef"]
    monkeypatch.setattr("tests.platform.renderer.composite_of", lambda _: composite)
    output = renderer.compose(claim(layout, "minimal"), layout=layout)
    assert [document["kind"] for document in yaml.safe_load_all(output)] == [layout.api.composite_kind]


def test_the_provider_s_role_for_them_has_nothing_that_is_not_composed() -> None:
    path = LAYOUTS[0].root / "prerequisites" / "provider-kubernetes-platforms.yaml"
    rules = goldens.load_all(path)[0]["rules"]
    granted = {(group, resource) for rule in rules for group in rule["apiGroups"] for resource in rule["resources"]}
    composed = {
        (manifest["apiVersion"].rpartition("/")[0], f"{manifest['kind'].lower()}s")
        for layout, name in CASES
        for manifest in manifests(layout, name).values()
    }
    assert granted == composed
    (secrets,) = (rule for rule in rules if "secrets" in rule["resources"])
    assert not {"list", "watch", "*"} & set(secrets["verbs"])


def test_the_installer_s_role_for_them_cannot_outgrow_itself() -> None:
    path = LAYOUTS[0].root / "prerequisites" / "provider-helm-platforms.yaml"
    role, binding = goldens.load_all(path)
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    account = {"kind": "ServiceAccount", "name": "provider-helm", "namespace": "crossplane-system"}
    assert binding["subjects"] == [account]
    said = {word for rule in role["rules"] for words in rule.values() for word in words}
    assert not said & {"*", "escalate", "bind", "impersonate"}


def test_connection_secrets_have_the_name_that_the_contract_gives() -> None:
    for layout, name in CASES:
        found = status(layout, name).get("connectionSecret", {}).get("name")
        targets = {
            made["spec"]["writeConnectionSecretToRef"]["name"]
            for made in parts(layout, name).values()
            if "writeConnectionSecretToRef" in made["spec"]
        }
        wanted = f"{claim(layout, name)['metadata']['name']}-connection"
        assert found == (wanted if wanted in targets else None)
        if layout is not REALTIME:
            assert targets == {wanted}


def test_what_makes_something_publishes_nothing() -> None:
    # provider-kubernetes reads what an Object publishes before it deletes it: without the Secret it would never go.
    publishing = [
        made["spec"]
        for layout, name in CASES
        for made in parts(layout, name).values()
        if made["kind"] == "Object" and {"connectionDetails", "writeConnectionSecretToRef"} & made["spec"].keys()
    ]
    assert publishing
    for spec in publishing:
        assert spec["managementPolicies"] == ["Observe"]
        assert spec["forProvider"]["manifest"].keys() == {"apiVersion", "kind", "metadata"}


def test_the_engines_placeholders_are_variables_of_both_programs() -> None:
    for name in ORCHESTRATION.cases():
        made = parts(ORCHESTRATION, name).get("camunda")
        if made:
            helm = made["spec"]["forProvider"]["values"]
            used = set(re.findall(r"\$\{([A-Z_]+)\}", text(helm["orchestration"])))
            assert used == {variable["name"] for variable in helm["orchestration"]["env"]}
