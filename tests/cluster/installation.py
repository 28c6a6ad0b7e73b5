"""A whole installation on a real API server: nobody runs behind its objects, so their conditions are written here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from contracts.requirements import Api, Controller, Package, requirements
from tests.support.control_plane_api import ControlPlaneApi
from tests.support.crds import install_crds, load_crds
from worker.domain.classify import TYPES

NAMESPACE = "argo"
_ROOT = Path(__file__).parents[2]
_TRUE = {"status": "True", "reason": "Made", "lastTransitionTime": "2026-01-01T00:00:00Z"}
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"

Json = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One object of the installation.

    Attributes:
        collection: Where it is created.
        conditions: Conditions that its controller would write.
        found_by: Names of the doctor's findings that fail without it.
    """

    collection: str
    body: Json
    found_by: frozenset[str]
    conditions: tuple[str, ...] = ()
    status: Json = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Path of the object."""
        return f"{self.collection}/{self.body['metadata']['name']}"

    def create(self, api: ControlPlaneApi) -> None:
        """Create it, its conditions too."""
        made = api.expect(201, "POST", self.collection, self.body)
        if self.conditions:
            status = {**self.status, "conditions": [{"type": kind, **_TRUE} for kind in self.conditions]}
            api.expect(200, "PUT", f"{self.path}/status", {**made, "status": status})


def prepare(api: ControlPlaneApi) -> None:
    """Install the kinds and the namespace that the parts need."""
    kinds = [
        *(crd for crd in load_crds() if crd["spec"]["group"] == "argoproj.io"),
        _kind("pkg.crossplane.io", "v1", "functions", "Function"),
        _kind("pkg.crossplane.io", "v1", "providers", "Provider"),
        _kind("apiextensions.crossplane.io", "v1", "compositions", "Composition"),
        _kind("apiextensions.crossplane.io", "v1", "compositeresourcedefinitions", "CompositeResourceDefinition"),
        _kind("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject"),
        _kind("core.oam.dev", "v1beta1", "componentdefinitions", "ComponentDefinition"),
        *(_kind(one.group, one.version, one.resource, one.resource.title()) for one in requirements().objects),
        *(_kind(api.group, "v1alpha1", api.claims, api.claims.title()) for api in requirements().apis),
        *_of_others(),
    ]
    install_crds(api, kinds)
    for name in {NAMESPACE, *(secret.namespace for secret in requirements().secrets)}:
        api.expect(201, "POST", "/api/v1/namespaces", {"metadata": {"name": name}})


def parts() -> list[Part]:
    """Return everything that a healthy installation has, beside its kinds."""
    wanted = requirements()
    return [
        *(_controller(one) for one in wanted.controllers),
        *(_package(one) for one in wanted.packages),
        *(
            Part(
                f"/apis/{one.group}/{one.version}/{one.resource}",
                {
                    "apiVersion": f"{one.group}/{one.version}",
                    "kind": one.resource.title(),
                    "metadata": {"name": one.name},
                },
                frozenset({one.title}) if one.needed else frozenset(),
            )
            for one in wanted.objects
        ),
        *(part for one in wanted.apis for part in _api(one)),
        *_templates(),
        *_accounts(),
        *(
            Part(
                f"/api/v1/namespaces/{one.namespace}/secrets",
                {"metadata": {"name": one.name}, "stringData": {"token": "canary-of-the-doctor"}},
                frozenset({f"{one.namespace}/{one.name}"}),
            )
            for one in wanted.secrets
        ),
        *(
            Part(
                "/apis/core.oam.dev/v1beta1/componentdefinitions",
                {"apiVersion": "core.oam.dev/v1beta1", "kind": "ComponentDefinition", "metadata": {"name": name}},
                frozenset(),
            )
            for name in TYPES
        ),
    ]


def _of_others() -> Iterator[Json]:
    """Return kinds that are only looked for."""
    for one in requirements().kinds:
        plural, _, group = one.name.partition(".")
        if plural in {"objects", "releases", "externalsecrets", "services", "servicemonitors", "servicebindings"}:
            yield _kind(group, "v1", plural, plural.title())


def _kind(group: str, version: str, plural: str, kind: str) -> Json:
    """Return a definition that takes anything: what these kinds look like inside is their makers' business."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "subresources": {"status": {}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Cluster",
            "names": {"plural": plural, "kind": kind},
            "versions": [served | {"schema": {"openAPIV3Schema": schema}}],
        },
    }


def _controller(wanted: Controller) -> Part:
    key, _, value = wanted.selectors[0].partition("=")
    name = wanted.name.lower().replace(" ", "-")
    labels = {key: value}
    pod = {"containers": [{"name": "main", "image": f"registry.example:5000/{name}:v{wanted.at_least}.1"}]}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return Part(
        "/apis/apps/v1/namespaces/default/deployments",
        {"metadata": {"name": name, "labels": labels}, "spec": spec},
        frozenset({wanted.name}),
        ("Available",),
    )


def _package(wanted: Package) -> Part:
    kind = {"functions": "Function", "providers": "Provider"}[wanted.kind]
    body = {
        "apiVersion": "pkg.crossplane.io/v1",
        "kind": kind,
        "metadata": {"name": wanted.name},
        "spec": {"package": f"registry.example/{wanted.name}:v{wanted.at_least}.3"},
    }
    collection = f"/apis/pkg.crossplane.io/v1/{wanted.kind}"
    return Part(collection, body, frozenset({wanted.name}), ("Installed", "Healthy"))


def _api(wanted: Api) -> Iterator[Part]:
    collection = "/apis/apiextensions.crossplane.io/v1"
    version = "apiextensions.crossplane.io/v1"
    yield Part(
        f"{collection}/compositeresourcedefinitions",
        {"apiVersion": version, "kind": "CompositeResourceDefinition", "metadata": {"name": wanted.definition}},
        frozenset({wanted.definition}),
        ("Established", "Offered"),
    )
    composed = {"apiVersion": f"{wanted.group}/v1alpha1", "kind": "Composed"}
    yield Part(
        f"{collection}/compositions",
        {
            "apiVersion": version,
            "kind": "Composition",
            "metadata": {"name": wanted.composition},
            "spec": {"compositeTypeRef": composed},
        },
        frozenset({wanted.composition}),
    )


def _templates() -> Iterator[Part]:
    """The platform's own files."""
    collection = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/workflowtemplates"
    for path in sorted((_ROOT / "platform/05-workflows/templates").glob("*.yaml")):
        template = yaml.safe_load(path.read_text(encoding="utf-8"))
        template["metadata"]["namespace"] = NAMESPACE
        yield Part(collection, template, frozenset({template["metadata"]["name"]}))


def _accounts() -> Iterator[Part]:
    """The platform's own files: who may do what is theirs to say."""
    accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    claim = _ROOT / "platform/04-apis/examples/platform-worker-claim.yaml"
    # The worker's ServiceAccount is composed from its claim.
    yield Part(accounts, {"metadata": {"name": "platform-worker"}}, frozenset({"platform-worker"}))
    for path in (claim, _ROOT / "platform/05-workflows/rbac.yaml"):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            name = document["metadata"]["name"]
            match document["kind"]:
                case "ServiceAccount":
                    yield Part(accounts, document, frozenset({name}))
                case "Role" | "RoleBinding" as kind:
                    collection = f"{_RBAC}/namespaces/{NAMESPACE}/{kind.lower()}s"
                    yield Part(collection, document, frozenset({f"{name.removesuffix('-executor')} in {NAMESPACE}"}))
                case "ClusterRole" | "ClusterRoleBinding" as kind:
                    found_by = {f"{name} in every namespace"} if name == "platform-workflows" else set()
                    yield Part(f"{_RBAC}/{kind.lower()}s", document, frozenset(found_by))
