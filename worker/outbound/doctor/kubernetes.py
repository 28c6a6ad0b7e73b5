"""The checks of the cluster: controllers, kinds, packages, claims, templates, accounts with their rights, secrets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.templates import SHARED, SHARED_ENTRIES, TEMPLATES
from worker.domain.classify import TYPES
from worker.errors import Unavailable
from worker.outbound.doctor.cluster import Cluster, UnreadableError, condition
from worker.outbound.doctor.findings import Finding, Health, failed, ok
from worker.outbound.doctor.templates import differences
from worker.outbound.doctor.versions import at_least, version_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from contracts.requirements import (
        Account,
        Api,
        ClusterObject,
        Controller,
        Named,
        Package,
        Requirements,
        Right,
        SecretName,
    )

_CROSSPLANE = "apiextensions.crossplane.io"
_TEMPLATES_FIX = "kubectl apply -f platform/05-workflows/templates/"
_APIS_FIX = "kubectl apply -f platform/04-apis/definitions/ -f platform/04-apis/compositions/"


@dataclass(frozen=True, slots=True)
class Examination:
    """What is looked at, and where.

    Attributes:
        namespace: Where Workflows, templates and accounts are.
        worker: ServiceAccount of the worker.
        workflows: ServiceAccount of the Workflows' steps.
    """

    requirements: Requirements
    namespace: str
    worker: str
    workflows: str

    def account(self, declared: Account) -> str:
        """Return the name of a declared account in this installation."""
        return {"platform-worker": self.worker, "platform-workflows": self.workflows}.get(declared.name, declared.name)


async def examine_cluster(cluster: Cluster, examined: Examination) -> list[Finding]:
    """Make all checks side by side and return what they found, in the order of their areas."""

    async def look(area: str, name: str, check: Awaitable[Finding]) -> Finding:
        try:
            return await check
        except UnreadableError as error:
            return failed(area, name, str(error), "let whoever runs this read it, or ask somebody who may")
        except Unavailable as error:
            return failed(area, name, str(error), "check the address of the cluster and the network")

    checks = list(_checks(cluster, examined))
    return list(await asyncio.gather(*(look(area, name, check) for area, name, check in checks)))


def _checks(cluster: Cluster, examined: Examination) -> Iterator[tuple[str, str, Awaitable[Finding]]]:
    wanted, namespace = examined.requirements, examined.namespace
    for controller in wanted.controllers:
        yield "controllers", controller.name, _controller(cluster, controller)
    for service in wanted.api_services:
        yield "controllers", service.name, _api_service(cluster, service)
    for kind in wanted.kinds:
        yield "kinds", kind.name, _kind(cluster, "kinds", kind.name, kind.fix)
    for package in wanted.packages:
        yield "Crossplane", package.name, _package(cluster, package)
    for one in wanted.objects:
        yield "objects", one.title, _object(cluster, one)
    for api in wanted.apis:
        yield "claims", api.claim_kind, _kind(cluster, "claims", api.claim_kind, _APIS_FIX)
        yield "claims", api.definition, _definition(cluster, api)
        yield "claims", api.composition, _composition(cluster, api)
    for name in TEMPLATES:
        yield "templates", name, _template(cluster, namespace, name)
    yield "templates", SHARED, _shared_template(cluster, namespace)
    for account in wanted.accounts:
        name = examined.account(account)
        yield "accounts", name, _account(cluster, namespace, name, account)
        yield "accounts", f"{name} in {namespace}", _rights(cluster, namespace, name, account, account.may, namespace)
        if account.may_everywhere:
            everywhere = _rights(cluster, namespace, name, account, account.may_everywhere, "")
            yield "accounts", f"{name} in every namespace", everywhere
    for secret in wanted.secrets:
        yield "secrets", f"{secret.namespace}/{secret.name}", _secret(cluster, secret)
    yield "KubeVela", "component definitions", _component_definitions(cluster)


async def _controller(cluster: Cluster, wanted: Controller) -> Finding:
    for selector in wanted.selectors:
        found = await cluster.get("apis", "apps", "v1", "deployments", labelSelector=selector)
        for deployment in (found or {}).get("items", []):
            return _judge_deployment(deployment, wanted)
    return failed(
        "controllers", wanted.name, f"no Deployment has the label {' or '.join(wanted.selectors)}", wanted.fix
    )


def _judge_deployment(deployment: dict[str, Any], wanted: Controller) -> Finding:
    meta = deployment["metadata"]
    where = f"{meta['namespace']}/{meta['name']}"
    version = version_of(deployment["spec"]["template"]["spec"]["containers"][0]["image"])
    if not at_least(version, wanted.at_least):
        return failed("controllers", wanted.name, f"{where} runs {version or 'an image without a version'}", wanted.fix)
    problem = condition(deployment, "Available")
    if problem:
        fix = f"kubectl describe deployment {meta['name']} -n {meta['namespace']}"
        return failed("controllers", wanted.name, f"{where} is not available: {problem}", fix)
    return ok("controllers", wanted.name, f"{version}, {where}")


async def _api_service(cluster: Cluster, wanted: Named) -> Finding:
    found = await cluster.get("apis", "apiregistration.k8s.io", "v1", "apiservices", wanted.name)
    problem = condition(found, "Available") if found else "it is not registered"
    if problem:
        return failed("controllers", wanted.name, problem, wanted.fix)
    return ok("controllers", wanted.name, "answers")


async def _kind(cluster: Cluster, area: str, name: str, fix: str) -> Finding:
    found = await cluster.get("apis", "apiextensions.k8s.io", "v1", "customresourcedefinitions", name)
    problem = condition(found, "Established") if found else "the cluster does not have this kind"
    if found is None or problem:
        return failed(area, name, problem, fix)
    served = [version["name"] for version in found["spec"]["versions"] if version.get("served")]
    return ok(area, name, f"serves {', '.join(served)}")


async def _package(cluster: Cluster, wanted: Package) -> Finding:
    found = await cluster.get("apis", "pkg.crossplane.io", "v1", wanted.kind, wanted.name)
    fix = "kubectl apply -f platform/04-apis/prerequisites/"
    if found is None:
        return failed("Crossplane", wanted.name, "it is not installed", fix)
    version = version_of(found["spec"]["package"])
    if not at_least(version, wanted.at_least):
        return failed("Crossplane", wanted.name, f"it is {version}, wanted is {wanted.at_least} or newer", fix)
    problem = condition(found, "Installed") or condition(found, "Healthy")
    if problem:
        fix = f"kubectl describe {wanted.kind}.pkg.crossplane.io {wanted.name}"
        return failed("Crossplane", wanted.name, problem, fix)
    return ok("Crossplane", wanted.name, version)


async def _object(cluster: Cluster, wanted: ClusterObject) -> Finding:
    found = await cluster.get("apis", wanted.group, wanted.version, wanted.resource, wanted.name)
    if found is None:
        health = Health.FAILED if wanted.needed else Health.WARNING
        return Finding("objects", wanted.title, health, "it is not there", wanted.fix)
    return ok("objects", wanted.title, "is there")


async def _definition(cluster: Cluster, api: Api) -> Finding:
    found = await cluster.get("apis", _CROSSPLANE, "v1", "compositeresourcedefinitions", api.definition)
    if found is None:
        return failed("claims", api.definition, "the definition is not there", _APIS_FIX)
    problem = condition(found, "Established") or condition(found, "Offered")
    if problem:
        fix = f"kubectl describe compositeresourcedefinition {api.definition}"
        return failed("claims", api.definition, problem, fix)
    return ok("claims", api.definition, "established and offered")


async def _composition(cluster: Cluster, api: Api) -> Finding:
    found = await cluster.get("apis", _CROSSPLANE, "v1", "compositions", api.composition)
    if found is None:
        return failed("claims", api.composition, "the Composition is not there", _APIS_FIX)
    group, _, _ = found["spec"]["compositeTypeRef"]["apiVersion"].partition("/")
    if group != api.group:
        return failed("claims", api.composition, f"it composes a kind of {group}, not of {api.group}", _APIS_FIX)
    return ok("claims", api.composition, f"composes {found['spec']['compositeTypeRef']['kind']}")


async def _installed_template(cluster: Cluster, namespace: str, name: str) -> dict[str, Any] | None:
    return await cluster.get("apis", "argoproj.io", "v1alpha1", "namespaces", namespace, "workflowtemplates", name)


async def _shared_template(cluster: Cluster, namespace: str) -> Finding:
    found = await _installed_template(cluster, namespace, SHARED)
    if found is None:
        return failed("templates", SHARED, f"namespace {namespace} does not have it", _TEMPLATES_FIX)
    there = {one.get("name") for one in found.get("spec", {}).get("templates") or []}
    lacking = [entry for entry in SHARED_ENTRIES if entry not in there]
    if lacking:
        return failed("templates", SHARED, f"it has no entry {', '.join(lacking)}", _TEMPLATES_FIX)
    return ok("templates", SHARED, "has what the other templates share")


async def _template(cluster: Cluster, namespace: str, name: str) -> Finding:
    found = await _installed_template(cluster, namespace, name)
    if found is None:
        return failed("templates", name, f"namespace {namespace} does not have it", _TEMPLATES_FIX)
    wrong = differences(found, TEMPLATES[name])
    if wrong:
        return failed("templates", name, "; ".join(wrong), _TEMPLATES_FIX)
    return ok("templates", name, "takes and gives what the worker expects")


async def _account(cluster: Cluster, namespace: str, name: str, wanted: Account) -> Finding:
    found = await cluster.get("api", "v1", "namespaces", namespace, "serviceaccounts", name)
    if found is None:
        return failed(
            "accounts", name, f"namespace {namespace} has no such ServiceAccount ({wanted.used_by})", wanted.fix
        )
    return ok("accounts", name, f"for {wanted.used_by}")


async def _rights(
    cluster: Cluster, namespace: str, name: str, account: Account, rights: tuple[Right, ...], where: str
) -> Finding:
    """Ask the API server what the account may do; ``where`` is a namespace, ``""`` means all of them."""
    user = f"system:serviceaccount:{namespace}:{name}"
    asked = [(right, verb) for right in rights for verb in right.verbs]
    answers = await asyncio.gather(*(_allowed(cluster, user, right, verb, where) for right, verb in asked))
    missing = [
        f"{verb} {right.resource}.{right.group}" for (right, verb), may in zip(asked, answers, strict=True) if not may
    ]
    title = f"{name} in {where or 'every namespace'}"
    if missing:
        return failed("accounts", title, f"it may not {', '.join(missing)}", account.fix)
    return ok("accounts", title, f"has its {len(asked)} rights")


async def _allowed(cluster: Cluster, user: str, right: Right, verb: str, namespace: str) -> bool:
    attributes = {"verb": verb, "group": right.group, "resource": right.resource, "namespace": namespace}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            # As the API server sees it: a binding may be to one of these groups.
            "groups": [
                "system:serviceaccounts",
                f"system:serviceaccounts:{user.split(':')[2]}",
                "system:authenticated",
            ],
            "resourceAttributes": attributes,
        },
    }
    answer = await cluster.create("apis", "authorization.k8s.io", "v1", "subjectaccessreviews", body=review)
    return bool(answer["status"].get("allowed"))


async def _secret(cluster: Cluster, wanted: SecretName) -> Finding:
    name = f"{wanted.namespace}/{wanted.name}"
    if await cluster.exists("api", "v1", "namespaces", wanted.namespace, "secrets", wanted.name):
        return ok("secrets", name, f"for {wanted.used_by}")
    fix = f"kubectl create secret generic {wanted.name} -n {wanted.namespace} … (keys: platform/04-apis/README.md)"
    return failed("secrets", name, f"it is not there; {wanted.used_by} needs it", fix)


async def _component_definitions(cluster: Cluster) -> Finding:
    """Applications can be sent to the worker without KubeVela, so what is missing here is a warning."""
    found = await cluster.get("apis", "core.oam.dev", "v1beta1", "componentdefinitions")
    fix = "install KubeVela and the platform's ComponentDefinitions, or send provisioning requests only"
    if found is None:
        return Finding("KubeVela", "component definitions", Health.WARNING, "KubeVela is not installed", fix)
    known = {item["metadata"]["name"] for item in found.get("items", [])}
    missing = sorted(set(TYPES) - known)
    if missing:
        return Finding("KubeVela", "component definitions", Health.WARNING, f"none for {', '.join(missing)}", fix)
    return ok("KubeVela", "component definitions", f"all {len(TYPES)} types")
