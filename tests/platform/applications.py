"""What an AppContainerClaim or ApplicationClaim must lead to, said in Python and from the claim alone.

Written from the requirements, without a look at the Compositions: templates, variables, names and sizes stand here a
second time on purpose. What GitHub is like is told by the caller, because a claim alone does not say it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import yaml

Manifest = dict[str, Any]

TEMPLATES = {
    ("python", "fastapi"): "onion-architecture-template",
    ("python", "flask"): "python-flask-template",
    ("nodejs", "express"): "nodejs-express-template",
    ("nodejs", "nestjs"): "nodejs-nestjs-template",
    ("nodejs", "graphql-gateway"): "graphql-federation-gateway-template",
    ("java", "spring"): "spring-boot-template",
    ("java", "springboot"): "spring-boot-template",
    ("go", "gin"): "go-gin-template",
    ("go", "fiber"): "go-fiber-template",
    ("rasa", "chatbot"): "chat-template",
}
USUAL = {"python": "fastapi", "nodejs": "express", "java": "spring", "go": "gin", "rasa": "chatbot"}
DATABASE = {
    "DB_HOST": "host",
    "DB_PORT": "port",
    "DB_USER": "username",
    "DB_PASSWORD": "password",
    "DB_NAME": "database",
    "DATABASE_URL": "connection_string",
}
CACHE = {"REDIS_HOST": "host", "REDIS_PORT": "port", "REDIS_PASSWORD": "password", "REDIS_URL": "connection_string"}
REALTIME = {"KAFKA_BOOTSTRAP_SERVERS": "bootstrap_servers"}
#: Not every kind of database has them, and a service can do without.
MAY_BE_MISSING = {"DB_NAME", "DATABASE_URL"}


@dataclass(frozen=True)
class GitHub:
    """What GitHub is like.

    Attributes:
        there: Owner and name of a repository that is made already, by its name.
        free: Names that GitHub said it does not have.
        left: Names of repositories that carry the claim's topic, from a claim of the same name before.
    """

    there: dict[str, str]
    free: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()

    def may_be_made(self, name: str) -> bool:
        """Return whether a repository of that name is the claim's, or can become it."""
        return name in self.there or name in self.free or name in self.left


def identity(claim: Manifest) -> str:
    """Return the digits that tell claims of all namespaces apart."""
    text = f"{claim['metadata']['namespace']}/{claim['metadata']['name']}"
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def topic(claim: Manifest) -> str:
    """Return the topic by which a repository is known as the claim's."""
    return f"platform-{identity(claim)}"


def template(spec: Manifest) -> Manifest:
    """Return the template repository; an unknown framework means the language's usual one."""
    wish = spec.get("repository", {}).get("template", "")
    owner, slash, name = wish.partition("/")
    if slash:
        return {"owner": owner, "repository": name, "includeAllBranches": False}
    language = spec["language"]
    usual = TEMPLATES[language, USUAL[language]]
    found = wish or TEMPLATES.get((language, spec.get("framework", "")), usual)
    return {"owner": "acme", "repository": found, "includeAllBranches": False}


def based(claim: Manifest) -> str:
    """Return what names with a suffix begin with: they have to fit into 63 characters."""
    name: str = claim["metadata"]["name"]
    return name if len(name) <= 50 else f"{name[:41].removesuffix('-')}-{identity(claim)}"


def runs_here(spec: Manifest) -> bool:
    """Return whether the claim composes its workload, rather than leave it to KubeVela."""
    ops = spec.get("gitOps", {})
    elsewhere = spec.get("source", "api-driven") != "api-driven" or ops.get("writeBack") or ops.get("application")
    return bool(spec.get("language")) and not elsewhere


def secrets(claim: Manifest) -> dict[str, tuple[str, dict[str, str]]]:
    """Return the Secrets that are bound, by what they are for: name, and variables with their keys."""
    spec, base = claim["spec"], based(claim)
    found = {}
    for purpose, made, variables in (("database", "postgres", DATABASE), ("cache", "redis", CACHE)):
        name = spec.get(f"{purpose}SecretRef", {}).get("name", "")
        if not name and spec.get(purpose, "none") == made:
            name = f"{base}-{purpose}-connection"
        if name:
            found[purpose] = (name, variables)
    realtime = spec.get("realtimeSecretRef", {}).get("name", "")
    if not realtime and spec.get("realtime"):
        realtime = f"{spec['realtime']}-connection"
    if realtime:
        found["realtime"] = (realtime, REALTIME)
    return found


def infrastructure(claim: Manifest) -> dict[str, Manifest]:
    """Return the InfrastructureClaims for what has to be made, by what they are for."""
    spec = claim["spec"]
    found = {}
    for purpose, made, kind in (("database", "postgres", "postgresql"), ("cache", "redis", "redis")):
        if spec.get(purpose, "none") == made and not spec.get(f"{purpose}SecretRef", {}).get("name"):
            name = f"{based(claim)}-{purpose}"
            found[purpose] = {
                "apiVersion": "platform.io/v1alpha1",
                "kind": "InfrastructureClaim",
                "metadata": {"name": name, "namespace": claim["metadata"]["namespace"], "labels": labels(claim)},
                "spec": {
                    "infrastructureType": kind,
                    "connectionSecretRef": {"name": f"{name}-connection"},
                    "deletionPolicy": spec.get("deletionPolicy", "Orphan"),
                    "generation": spec.get("generation", "0"),
                },
            }
    return found


def labels(claim: Manifest) -> dict[str, str]:
    """Return the labels of whatever belongs to a service."""
    found = {
        "app.kubernetes.io/name": claim["metadata"]["name"],
        "app.kubernetes.io/component": "service",
        "app.kubernetes.io/managed-by": "crossplane",
    }
    if container := claim["spec"].get("appContainer"):
        found["app.kubernetes.io/part-of"] = container
    return found


def variables(claim: Manifest) -> list[Manifest]:
    """Return the variables of a service, plain ones first."""
    spec = claim["spec"]
    streaming = spec.get("streaming", {})
    plain = {
        "WEBSOCKET_ENABLED": "true" if spec.get("websocket") else "",
        "REALTIME_PLATFORM_NAME": spec.get("realtime", ""),
        "REALTIME_ENDPOINT": spec.get("realtimeEndpoint", ""),
        "STREAMING_ENABLED": "true" if streaming.get("enabled") else "",
    }
    found = [{"name": name, "value": value} for name, value in plain.items() if value]
    if streaming.get("enabled"):
        found += [
            {"name": "KAFKA_TOPICS", "value": ",".join(streaming.get("topics", []))},
            {"name": "KAFKA_CONSUMER_GROUP", "value": streaming.get("consumerGroup") or spec["name"]},
            {"name": "KAFKA_AUTO_OFFSET_RESET", "value": streaming.get("autoOffsetReset", "latest")},
        ]
    for secret, keys in secrets(claim).values():
        for name, key in keys.items():
            optional = {"optional": True} if name in MAY_BE_MISSING else {}
            found.append({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key, **optional}}})
    return found


def pod(claim: Manifest, image: str, port: int, extra: list[Manifest]) -> Manifest:
    """Return the pod of a workload: no token, no root, nothing that `restricted` forbids."""
    container = {
        "name": "service",
        "image": image,
        "ports": [{"name": "http1", "containerPort": port}],
        "env": [*extra, *variables(claim)],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "500m", "memory": "512Mi"}},
        "securityContext": {
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    return {"automountServiceAccountToken": False, "containers": [container]}


def bindings(claim: Manifest) -> dict[str, Manifest]:
    """Return the ServiceBindings to a workload that others run, which is named as the service."""
    spec = claim["spec"]
    knative = spec.get("platform", "knative") == "knative"
    target = ("serving.knative.dev/v1", "Service") if knative else ("apps/v1", "Deployment")
    return {
        f"{purpose}-binding": {
            "apiVersion": "servicebinding.io/v1",
            "kind": "ServiceBinding",
            "metadata": {
                "name": f"{based(claim)}-{purpose}",
                "namespace": claim["metadata"]["namespace"],
                "labels": labels(claim),
            },
            "spec": {
                "service": {"apiVersion": "v1", "kind": "Secret", "name": secret},
                "workload": {"apiVersion": target[0], "kind": target[1], "name": spec["name"]},
                "env": [{"name": name, "key": key} for name, key in keys.items()],
            },
        }
        for purpose, (secret, keys) in secrets(claim).items()
    }


def service_file(spec: Manifest, repository: str) -> Manifest:
    """Return what the repository says of the service, as JSON."""
    return {
        "name": spec["name"],
        "language": spec["language"],
        "framework": spec.get("framework", ""),
        "repository": repository,
        "build": {"strategy": "single-image", "images": 1} | spec.get("build", {}),
        "frontend": spec.get("hasFrontend", False),
        "settings": json.loads(spec.get("settings", "{}")),
    }


def application(claim: Manifest, image: str) -> Manifest:
    """Return the Application that a request in the guided form stands for."""
    spec = claim["spec"]
    name = spec["gitOps"].get("application") or spec["name"]
    bound = secrets(claim)
    siblings = {"cache": (f"{name}-cache", "redis"), "database": (f"{name}-db", "postgresql")}
    others = [
        {"name": sibling, "type": kind, "properties": {"name": sibling}}
        for purpose, (sibling, kind) in siblings.items()
        if purpose in bound
    ]
    knative = spec.get("platform", "knative") == "knative"
    kind = spec["gitOps"].get("componentType") or ("webservice" if knative else "webservice-k8s")
    own = {"language": spec["language"], **images(kind, image, spec.get("chatbot", {}))}
    own |= {key: spec[key] for key in ("framework", "exposeApi") if spec.get(key)}
    own |= json.loads(spec.get("settings", "{}"))
    own |= {purpose: sibling for purpose, (sibling, _) in siblings.items() if purpose in bound}
    marks = {"app-container": spec["appContainer"]}
    if spec.get("gitHubOrg"):
        marks["github-owner"] = spec["gitHubOrg"]
    return {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {
            "name": name,
            "namespace": claim["metadata"]["namespace"],
            "labels": marks,
            "annotations": {"webservice.oam.dev/source": "api-driven"},
        },
        "spec": {"components": [*others, {"name": spec["name"], "type": kind, "properties": own}]},
    }


def images(kind: str, image: str, bot: Manifest) -> dict[str, str]:
    """Return the images of a component as its ComponentDefinition calls them."""
    if kind == "rasa-chatbot":
        actions = bot.get("actionsImage") or f"{image.removesuffix(':latest')}-actions:latest"
        return {"rasaImage": bot.get("rasaImage") or image, "actionsImage": actions}
    return {"graphql-gateway": {"gatewayImage": image}, "identity-service": {}}.get(kind, {"image": image})


def content(made: Manifest) -> Any:
    """Return what a composed file says, read as YAML, of which JSON is a part."""
    return yaml.safe_load(made["spec"]["forProvider"]["content"])
