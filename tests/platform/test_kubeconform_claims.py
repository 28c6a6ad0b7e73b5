"""All that the claims compose of Kubernetes' own kinds is well-formed by the API server's schemas: kubeconform, strict.

So are the Objects around it and the InfrastructureClaims. Kinds of others are listed by hand: what operators demand of
them is not to be had without their definitions.
"""

from __future__ import annotations

import copy
import functools
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.platform import goldens
from tests.platform.goldens import Layout
from tests.platform.kubeconform import with_schemas
from tests.platform.platform_claims import containers
from tools.platform_api.apis import APIS, EVENT_DRIVEN_SERVICE, api

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.platform.kubeconform import Kubeconform
    from tests.support.control_plane import ControlPlane
    from tools.platform_api.apis import Api

LAYOUTS = [Layout(one) for one in APIS if one != EVENT_DRIVEN_SERVICE]
BUILT_IN = {"", "apps", "autoscaling", "batch", "networking.k8s.io", "policy", "rbac.authorization.k8s.io"}
#: Kinds whose definitions the tests' API server has.
SERVED = {
    ("kubernetes.crossplane.io/v1alpha1", "ProviderConfig"),
    ("kubernetes.crossplane.io/v1alpha2", "Object"),
    ("platform.io/v1alpha1", "InfrastructureClaim"),
}
#: By hand: groups of operators and of others.
OTHERS = {
    "actions.github.upbound.io", "argoproj.io", "external-secrets.io", "gateway.networking.k8s.io",
    "generators.external-secrets.io", "helm.crossplane.io", "kafka.strimzi.io", "kubernetes.crossplane.io",
    "monitoring.coreos.com", "repo.github.upbound.io", "servicebinding.io", "serving.knative.dev",
    "snapscheduler.backube",
}  # fmt: skip
#: Compositions that own a pod's spec, which is created in a namespace that enforces `restricted` by tests of their own:
#: test_applications_on_cluster.py, test_platform_claims_on_cluster.py. Other pods are those of charts and operators.
WITH_PODS = {"applicationclaims", "graphqlplatformclaims", "realtimeplatformclaims"}


def kind_of(document: dict[str, Any]) -> tuple[str, str]:
    return document["apiVersion"], document["kind"]


def group_of(document: dict[str, Any]) -> str:
    return str(document["apiVersion"].rpartition("/")[0])


def judged(document: dict[str, Any]) -> bool:
    return group_of(document) in BUILT_IN or kind_of(document) in SERVED


@functools.cache
def composed(layout: Layout) -> list[dict[str, Any]]:
    """Return all that the goldens of an API hold, and the manifests within Objects that make something; each once."""
    found: dict[str, dict[str, Any]] = {}
    for name in layout.goldens():
        for made in goldens.composed(goldens.rendered(layout, name)).values():
            documents = [made]
            if made["kind"] == "Object" and made["spec"].get("managementPolicies") != ["Observe"]:
                documents.append(made["spec"]["forProvider"]["manifest"])
            found |= {json.dumps(one, sort_keys=True): one for one in documents}
    return list(found.values())


ALL = [document for layout in LAYOUTS for document in composed(layout)]
KINDS = sorted({kind_of(document) for document in ALL if judged(document)})


def test_each_kind_is_judged_or_listed_as_one_of_others() -> None:
    assert {group_of(document) for document in ALL if not judged(document)} == OTHERS
    assert set(KINDS) >= SERVED


def test_the_compositions_with_pods_are_those_whose_pods_meet_the_restricted_level() -> None:
    with_pods = {layout.api.plural for layout in LAYOUTS if any(map(containers, composed(layout)))}
    assert with_pods == WITH_PODS


@pytest.fixture(scope="module")
def kubeconform(
    vendored: ControlPlane,
    platform_api: Callable[[Api], ControlPlane],
    tmp_path_factory: pytest.TempPathFactory,
) -> Kubeconform:
    platform_api(api("infrastructureclaims"))
    return with_schemas(vendored, KINDS, tmp_path_factory.mktemp("schemas"))


@pytest.mark.cluster
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.api.plural)
def test_all_that_the_goldens_compose_is_well_formed(kubeconform: Kubeconform, layout: Layout) -> None:
    documents = [document for document in composed(layout) if judged(document)]
    code, report = kubeconform.judge(documents)
    assert (code, report.get("resources")) == (0, []), report
    assert report["summary"] == {"valid": len(documents), "invalid": 0, "errors": 0, "skipped": 0}
    assert documents


@pytest.mark.cluster
@pytest.mark.parametrize("kind", KINDS, ids="/".join)
def test_a_field_that_the_kind_does_not_have_is_found(kubeconform: Kubeconform, kind: tuple[str, str]) -> None:
    document = copy.deepcopy(next(one for one in ALL if kind_of(one) == kind))
    pods = containers(document)
    for place in (document, *pods[:1]):
        place["surplusField"] = {}
        code, report = kubeconform.judge([document])
        assert code == 1
        assert "surplusField" in json.dumps(report["resources"])
        del place["surplusField"]
    assert kubeconform.judge([document])[0] == 0
