"""Pattern handlers: what the user's input of each component type means as parameters of its WorkflowTemplate.

Only parameters that a template declares travel, never a blanket copy of the properties. A handler names the properties
that it maps; only these are stored and make up the digest, so a property that no template uses causes no run.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from contracts.names import Label
from worker.domain import classify
from worker.domain.classify import TYPES
from worker.domain.events import AppKey, Settings
from worker.domain.model import ComponentSpec, Identity, OutputOf, Pattern
from worker.domain.names import claim_name, connection_secret, owner_label, run_token

#: Template repositories by language and framework (facts of the platform's template catalogue).
TEMPLATE_REPOSITORIES = {
    ("python", ""): "onion-architecture-template",
    ("python", "fastapi"): "onion-architecture-template",
    ("python", "flask"): "python-flask-template",
    ("nodejs", ""): "nodejs-express-template",
    ("nodejs", "express"): "nodejs-express-template",
    ("nodejs", "nestjs"): "nodejs-nestjs-template",
    ("nodejs", "graphql-gateway"): "graphql-federation-gateway-template",
    ("java", ""): "spring-boot-template",
    ("java", "spring"): "spring-boot-template",
    ("java", "springboot"): "spring-boot-template",
    ("go", ""): "go-gin-template",
    ("go", "gin"): "go-gin-template",
    ("go", "fiber"): "go-fiber-template",
    ("rasa", ""): "chat-template",
    ("rasa", "chatbot"): "chat-template",
}


@dataclass(frozen=True, slots=True)
class HandlerContext:
    """What parameters depend on besides the component itself.

    Attributes:
        instance: Id of this installation of the worker.
        run: Name of the run that the parameters are for; claims echo its token.
        provided: Values of the component's references by parameter name: literals, or outputs of tasks of the same run.
    """

    instance: str
    app: AppKey
    run: str
    settings: Settings = field(default_factory=Settings)
    provided: Mapping[str, str | OutputOf] = field(default_factory=dict)


Parameters = dict[str, str | OutputOf]


def as_parameter(value: Any) -> str:
    """Return a value as Argo parameters carry it: a string; booleans in lower case, structures as one-line JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


class PatternHandler(ABC):
    """Prepares the components of one pattern."""

    pattern: ClassVar[Pattern]
    #: Property name → parameter name, by component type.
    mapped: ClassVar[Mapping[str, Mapping[str, str]]]

    def can_handle(self, component_type: str) -> bool:
        """Tell whether ``component_type`` belongs to this pattern."""
        row = TYPES.get(component_type)
        return row is not None and row.pattern is self.pattern

    def get_workflow_name(self, component: ComponentSpec) -> str:
        """Return the name of the WorkflowTemplate that provisions ``component``."""
        return TYPES[component.identity.type].template

    def inputs(self, component_type: str, properties: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of the user's properties that this handler maps to parameters."""
        return {name: properties[name] for name in self.mapped_properties(component_type) if name in properties}

    def mapped_properties(self, component_type: str) -> tuple[str, ...]:
        """Return the names of the properties that this handler maps, in a stable order."""
        return tuple(self.mapped[component_type])

    def labels(self, component: ComponentSpec) -> tuple[Label, ...]:  # noqa: ARG002 - of most types none
        """Return the labels of the Application whose values reach the claim of ``component``."""
        return ()

    def prepare_workflow_params(self, component: ComponentSpec, context: HandlerContext) -> Parameters:
        """Return all parameters of ``component``'s task: common ones, its own, and the values of its references."""
        params = self._common(component.identity, context)
        for name, parameter in self.mapped[component.identity.type].items():
            if name in component.inputs:
                params[parameter] = as_parameter(component.inputs[name])
        params.update(self._own(component, context))
        params.update(context.provided)
        return params

    def _common(self, identity: Identity, context: HandlerContext) -> Parameters:
        return {
            "application": context.app.name,
            "component": identity.name,
            "namespace": context.app.namespace,
            "claim_name": claim_name(context.instance, context.app, identity),
            "owner": owner_label(context.instance, context.app),
            "generation": run_token(context.run),
            "vcluster": identity.target,
            "bootstrap_source": context.settings.source,
            "app_container": context.settings.app_container,
            "github_owner": context.settings.github_owner,
        }

    @abstractmethod
    def _own(self, component: ComponentSpec, context: HandlerContext) -> Parameters:
        """Return the parameters that are not plain copies of one property."""


_HELM = {
    "size": "size",
    "version": "version",
    "replicas": "replicas",
    "high_availability": "high_availability",
    "backup_enabled": "backup_enabled",
    "monitoring": "monitoring_enabled",
    "database": "database",
    "storage": "storage",
}


class InfrastructuralHandler(PatternHandler):
    """Pattern 3: providers, databases and platforms that others build on."""

    pattern = Pattern.INFRASTRUCTURAL
    mapped: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "neon-postgres": {
            "credentials_secret": "credentials_secret",
            "service_binding": "service_binding",
            "external_secrets": "external_secrets_enabled",
            "database": "database",
            "region": "region",
            "compute_size": "compute_size",
        },
        "auth0-idp": {
            "credentials_secret": "credentials_secret",
            "service_binding": "service_binding",
            "external_secrets": "external_secrets_enabled",
        },
        "postgresql": _HELM,
        "mongodb": _HELM,
        "redis": _HELM,
        "kafka": _HELM,
        "clickhouse": _HELM,
        "realtime-platform": {
            "database": "database",
            "visualization": "visualization",
            "iot": "iot",
            "data_retention": "data_retention",
            "enable_kafka": "enable_kafka",
            "enable_mqtt": "enable_mqtt",
            "enable_websocket": "enable_websocket",
        },
        "camunda-orchestrator": {
            "camunda_mode": "camunda_mode",
            "enable_ui": "enable_ui",
            "enable_event_streaming": "enable_event_streaming",
            "saga_patterns": "saga_patterns",
        },
    }

    def labels(self, component: ComponentSpec) -> tuple[Label, ...]:
        """Return the monorepo's label for realtime platforms, which carry its name."""
        return (Label.APP_CONTAINER,) if component.identity.type == "realtime-platform" else ()

    def _own(self, component: ComponentSpec, context: HandlerContext) -> Parameters:
        template = TYPES[component.identity.type].template
        if template == classify.PROVIDER_TEMPLATE:
            claim = claim_name(context.instance, context.app, component.identity)
            return {"provider_type": component.identity.type, "secret_name": connection_secret(claim)}
        if template == classify.INFRASTRUCTURE_TEMPLATE:
            return {"infrastructure_type": component.identity.type}
        return {}


class CompositionalHandler(PatternHandler):
    """Pattern 2: services that consist of several parts."""

    pattern = Pattern.COMPOSITIONAL
    mapped: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "rasa-chatbot": {},
        "graphql-gateway": {},
        "graphql-platform": {},
        "identity-service": {},
    }
    #: Properties that travel together in the JSON parameter ``settings``.
    settings: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "rasa-chatbot": (
            "nlu_pipeline",
            "policies",
            "language_model",
            "training_data",
            "rasa_image",
            "actions_image",
            "min_scale",
            "max_scale",
            "actions_min_scale",
            "actions_max_scale",
            "enable_istio_gateway",
            "chatbot_host",
            "enable_tls",
        ),
        "graphql-gateway": (
            "federation_services",
            "introspection",
            "playground",
            "auto_discovery",
            "api_version",
            "service_selector",
            "auto_schema",
            "schema_refresh_interval",
            "config_map_name",
        ),
        "graphql-platform": (
            "service_selector",
            "auto_schema",
            "schema_refresh_interval",
            "expose_introspection",
            "enable_console",
            "enable_allow_list",
            "custom_resolvers",
            "resources",
        ),
        "identity-service": (
            "domain",
            "database",
            "cache",
            "auth_provider",
            "compliance_level",
            "mfa",
            "audit",
            "repository",
            "custom_profiles",
            "additional_integrations",
            "java_version",
            "spring_boot_version",
        ),
    }
    _repositories: ClassVar[Mapping[str, str]] = {
        "rasa-chatbot": "chat-template",
        "graphql-gateway": "graphql-federation-gateway-template",
        "graphql-platform": "",
        "identity-service": "identity-service-template",
    }
    _strategies: ClassVar[Mapping[str, str]] = {
        "rasa-chatbot": "multi-image",
        "graphql-gateway": "single-image",
        "graphql-platform": "platform",
        "identity-service": "java-maven",
    }

    def mapped_properties(self, component_type: str) -> tuple[str, ...]:
        """Return the properties that travel in ``settings``."""
        return self.settings[component_type]

    def labels(self, component: ComponentSpec) -> tuple[Label, ...]:
        """Return the labels of the repository for all that have one."""
        return () if component.identity.type == "graphql-platform" else (Label.APP_CONTAINER, Label.GITHUB_OWNER)

    def _own(self, component: ComponentSpec, _context: HandlerContext) -> Parameters:
        kind = component.identity.type
        return {
            "component_type": kind,
            "service_name": component.name,
            "template_repo": self._repositories[kind],
            "build_strategy": self._strategies[kind],
            "image_count": "3" if kind == "rasa-chatbot" else "1",
            "settings": as_parameter(dict(component.inputs)),
        }


class FoundationalHandler(PatternHandler):
    """Pattern 1: single services with a repository, and virtual clusters."""

    pattern = Pattern.FOUNDATIONAL
    _service: ClassVar[Mapping[str, str]] = {
        "language": "language",
        "framework": "framework",
        "repository": "repository",
        "expose_api": "expose_api",
    }
    mapped: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "webservice": {**_service, "platform": "platform"},
        "webservice-k8s": _service,
        "vcluster": {"size": "size", "expose": "expose", "storage_size": "storage_size", "values": "values"},
    }

    def labels(self, component: ComponentSpec) -> tuple[Label, ...]:
        """Return the labels of the repository; without a language there is none, only its owner is passed on."""
        if component.identity.type == "vcluster":
            return ()
        return (Label.APP_CONTAINER, Label.GITHUB_OWNER) if component.inputs.get("language") else (Label.GITHUB_OWNER,)

    def _own(self, component: ComponentSpec, _context: HandlerContext) -> Parameters:
        if component.identity.type == "vcluster":
            return {"vcluster_name": component.name}
        params: Parameters = {"service_name": component.name}
        if component.identity.type == "webservice-k8s":
            params["platform"] = "kubernetes"
        language = str(component.inputs.get("language", ""))
        framework = str(component.inputs.get("framework", ""))
        repository = TEMPLATE_REPOSITORIES.get((language, framework), TEMPLATE_REPOSITORIES.get((language, ""), ""))
        if repository:
            params["template_repo"] = repository
        return params


HANDLERS: tuple[PatternHandler, ...] = (InfrastructuralHandler(), CompositionalHandler(), FoundationalHandler())
_BY_PATTERN = {handler.pattern: handler for handler in HANDLERS}

#: Finds the handler of a known component type.
HandlerLookup = Callable[[str], PatternHandler]


def handler_for(component_type: str) -> PatternHandler:
    """Return the platform's own handler of a known component type."""
    return _BY_PATTERN[TYPES[component_type].pattern]
