"""The files of the platform API name each other rightly: definition, Composition, functions, provider, KEDA."""

from __future__ import annotations

from typing import Any

from tests.platform import goldens
from tests.platform.goldens import Layout

LAYOUT = Layout()
PREREQUISITES = LAYOUT.root / "prerequisites"
(DEFINITION,) = goldens.load_all(LAYOUT.definition)
(COMPOSITION,) = goldens.load_all(LAYOUT.composition)
PROVIDER = {document["kind"]: document for document in goldens.load_all(PREREQUISITES / "provider-kubernetes.yaml")}
(KEDA,) = goldens.load_all(PREREQUISITES / "keda.yaml")
(LAYER,) = goldens.load_all(LAYOUT.root.parent / "04-apis.yaml")


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.rpartition(":")[2].removeprefix("v").split("."))


def composed() -> list[dict[str, Any]]:
    resources: list[dict[str, Any]] = COMPOSITION["spec"]["pipeline"][1]["input"]["resources"]
    return resources


def test_the_composition_is_the_default_of_the_definition() -> None:
    spec = DEFINITION["spec"]
    assert spec["defaultCompositionRef"]["name"] == COMPOSITION["metadata"]["name"]
    assert COMPOSITION["spec"]["compositeTypeRef"] == {
        "apiVersion": f"{spec['group']}/{spec['versions'][0]['name']}",
        "kind": spec["names"]["kind"],
    }


def test_the_pipeline_uses_the_functions_that_are_installed() -> None:
    steps = COMPOSITION["spec"]["pipeline"]
    assert COMPOSITION["spec"]["mode"] == "Pipeline"
    assert [step["functionRef"]["name"] for step in steps] == ["function-go-templating", "function-patch-and-transform"]
    functions = {
        function["metadata"]["name"]: function["spec"]["package"] for function in goldens.load_all(LAYOUT.functions)
    }
    assert functions.keys() == {step["functionRef"]["name"] for step in steps}
    for name, package in functions.items():
        assert package.startswith(f"xpkg.crossplane.io/crossplane-contrib/{name}:v")


def test_the_provider_has_rights_over_exactly_what_is_composed() -> None:
    kinds = {resource["base"]["spec"]["forProvider"]["manifest"]["kind"] for resource in composed()}
    allowed = {resource for rule in PROVIDER["ClusterRole"]["rules"] for resource in rule["resources"]}
    assert allowed == {f"{kind.lower()}s" for kind in kinds}
    account = PROVIDER["DeploymentRuntimeConfig"]["spec"]["serviceAccountTemplate"]["metadata"]["name"]
    (subject,) = PROVIDER["ClusterRoleBinding"]["subjects"]
    assert subject == {"kind": "ServiceAccount", "name": account, "namespace": "crossplane-system"}
    assert PROVIDER["ClusterRoleBinding"]["roleRef"]["name"] == PROVIDER["ClusterRole"]["metadata"]["name"]
    assert (
        PROVIDER["Provider"]["spec"]["runtimeConfigRef"]["name"]
        == PROVIDER["DeploymentRuntimeConfig"]["metadata"]["name"]
    )


def test_the_objects_use_the_configuration_of_the_provider() -> None:
    name = PROVIDER["ProviderConfig"]["metadata"]["name"]
    assert {resource["base"]["spec"]["providerConfigRef"]["name"] for resource in composed()} == {name}


def test_versions_are_new_enough() -> None:
    assert version(KEDA["spec"]["source"]["targetRevision"]) >= (2, 20)
    # 1.2 is the first that applies server-side unless told otherwise.
    assert version(PROVIDER["Provider"]["spec"]["package"]) >= (1, 2)


def test_prerequisites_come_before_what_needs_them() -> None:
    for path in PREREQUISITES.glob("*.yaml"):
        for document in goldens.load_all(path):
            assert int(document["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]) < 0, document["metadata"]


def test_the_layer_is_synchronised_by_itself_after_what_it_stands_on() -> None:
    assert (LAYER["apiVersion"], LAYER["kind"]) == ("argoproj.io/v1alpha1", "Application")
    assert LAYER["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] == "1"
    assert LAYER["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    assert "ServerSideApply=true" in LAYER["spec"]["syncPolicy"]["syncOptions"]


def test_the_layer_has_every_definition_composition_and_prerequisite_and_nobodys_claims() -> None:
    source = LAYER["spec"]["source"]
    assert LAYOUT.root.parents[1] / source["path"] == LAYOUT.root
    assert source["directory"]["recurse"] is True
    folders, _, files = source["directory"]["include"].partition("}")
    assert files == "/*.yaml"
    included = {path for folder in folders.removeprefix("{").split(",") for path in (LAYOUT.root / folder).rglob("*")}
    wanted = {
        path
        for folder in ("definitions", "compositions", "prerequisites")
        for path in (LAYOUT.root / folder).glob("*.yaml")
    }
    assert included == wanted
    assert {LAYOUT.definition, LAYOUT.composition, LAYOUT.functions} <= included
