"""provider-kubernetes may touch what the Compositions compose; what is not composed is in none of its roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.platform import goldens
from tests.platform.goldens import Layout
from tools.platform_api.apis import APIS, FOLDER, api

if TYPE_CHECKING:
    from collections.abc import Set

    from tools.platform_api.apis import Api

PREREQUISITES = FOLDER / "prerequisites"
DOCUMENTS = [document for path in sorted(PREREQUISITES.glob("*.yaml")) for document in goldens.load_all(path)]
ROLES = {document["metadata"]["name"]: document for document in DOCUMENTS if document["kind"] == "ClusterRole"}
#: What provider-kubernetes does with an object of its own: it applies server-side, which is never an update.
WRITE = {"get", "create", "patch", "delete"}
#: With an object that it only observes: the same, but for the dry run of an apply.
LOOK = {"get", "patch"}


def composed(of: Api, *, observed: bool = False) -> set[tuple[str, str]]:
    """Return group and resource of each manifest in the goldens of an API that its Objects make, or only observe."""
    layout = Layout(of)
    found = set()
    for name in layout.goldens():
        for made in goldens.objects(goldens.rendered(layout, name)).values():
            if (made["spec"].get("managementPolicies") == ["Observe"]) == observed:
                manifest = made["spec"]["forProvider"]["manifest"]
                found.add((manifest["apiVersion"].rpartition("/")[0], plural(manifest["kind"])))
    return found


def plural(kind: str) -> str:
    word = kind.lower()
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def granted(*names: str, verbs: Set[str] = frozenset(WRITE)) -> set[tuple[str, str]]:
    rules: list[dict[str, Any]] = [
        rule for name in names for rule in ROLES[name]["rules"] if set(rule["verbs"]) >= verbs
    ]
    return {(group, resource) for rule in rules for group in rule["apiGroups"] for resource in rule["resources"]}


def bound() -> set[str]:
    """Return the roles of the provider's ServiceAccount."""
    account = {"kind": "ServiceAccount", "name": "provider-kubernetes", "namespace": "crossplane-system"}
    bindings = [document for document in DOCUMENTS if document["kind"] == "ClusterRoleBinding"]
    return {binding["roleRef"]["name"] for binding in bindings if binding["subjects"] == [account]}


@pytest.mark.parametrize("of", APIS, ids=lambda of: of.plural)
def test_what_is_composed_may_be_made(of: Api) -> None:
    assert composed(of) - granted(*bound()) == set()


@pytest.mark.parametrize("of", APIS, ids=lambda of: of.plural)
def test_what_is_observed_may_be_applied_as_a_dry_run(of: Api) -> None:
    assert composed(of, observed=True) - granted(*bound(), verbs=LOOK) == set()


def test_the_role_for_applications_has_nothing_that_is_not_composed() -> None:
    ours = composed(api("applicationclaims")) | composed(api("appcontainerclaims"))
    assert granted("provider-kubernetes-applications") <= ours
    assert ours <= granted("provider-kubernetes-applications", "provider-kubernetes-event-driven-services")


def test_repositories_are_made_by_the_provider_that_is_installed() -> None:
    (provider,) = (document for document in DOCUMENTS if document["metadata"]["name"] == "provider-upjet-github")
    assert provider["spec"]["package"].rpartition(":")[0].endswith("/provider-upjet-github")
    (config,) = (document for document in DOCUMENTS if document["apiVersion"] == "github.upbound.io/v1beta1")
    for of in (api("applicationclaims"), api("appcontainerclaims")):
        layout = Layout(of)
        made = [made for name in layout.goldens() for made in goldens.composed(goldens.rendered(layout, name)).values()]
        used = {made["spec"]["providerConfigRef"]["name"] for made in made if "github.upbound.io" in made["apiVersion"]}
        assert {name for name in used if not name.startswith("github-")} == {config["metadata"]["name"]}
