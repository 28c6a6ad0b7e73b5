"""Pattern 1: single services with a repository, and virtual clusters."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from contracts import strict_json
from contracts.components.base import (
    ComponentProperties,
    Count,
    Environment,
    Objects,
    Port,
    Properties,
    Resources,
    Spellings,
)
from contracts.components.compositional import Consumer
from contracts.components.forms import Framework, Line, Repository, Volume, refuse_secret_texts
from contracts.components.secrets import scrub
from contracts.fields import Quantity, Version
from contracts.violations import ContractViolation


class Webservice(Consumer):
    """One service; without `language` no repository is made and the claim only binds secrets."""

    spellings: ClassVar[Spellings] = {
        "enable_graphql_federation": ("enableGraphQLFederation",),
        "cpu_limit": ("cpuLimit",),
        "tracing": ("tracing", "enableTracing"),
        "metrics": ("metrics", "enableMetrics"),
        "health_check": ("healthCheck", "enableHealthCheck"),
    }

    name: Line | None = None
    image: Line | None = None
    image_name: Line | None = None
    image_tag: Version | None = None
    registry: Literal["dockerhub", "acr", "custom"] | None = None
    custom_registry: Line | None = None
    registry_secret: Line | None = None
    port: Port | None = None
    version: Version | None = None
    health_path: Line | None = None
    resources: Resources | None = None
    environment: Environment | None = Field(default=None, exclude=True)
    env: Objects | Environment | None = Field(default=None, exclude=True)
    env_from: Objects | None = Field(default=None, exclude=True)
    language: Literal["python", "nodejs", "java", "go", "rasa"] | None = None
    framework: Framework | None = None
    source: Line | None = None
    repository: Repository | None = None
    platform: Literal["knative", "kubernetes"] | None = None
    expose_api: bool | None = None
    enable_graphql_federation: bool | None = None
    open_api_path: Line | None = None
    api_version: Version | None = None
    min_scale: Count | None = None
    max_scale: Count | None = None
    cpu: Quantity | None = None
    memory: Quantity | None = None
    cpu_limit: Quantity | None = None
    memory_limit: Quantity | None = None
    tracing: bool | None = None
    metrics: bool | None = None
    health_check: bool | None = None
    jdk_version: Version | None = None
    build_tool: Line | None = None
    spring_boot_version: Version | None = None
    python_version: Version | None = None
    node_version: Version | None = None
    go_version: Version | None = None


class WebserviceK8s(Webservice):
    """A webservice that runs as a Deployment instead of a Knative Service."""


def _helm_values(value: object) -> object:
    """Take Helm values as an object, or as the JSON text of one; secrets in the text are dropped too."""
    if not isinstance(value, str):
        refuse_secret_texts(value)
        return value
    try:
        parsed = strict_json.loads(value.encode("utf-8", "surrogatepass"))
    except ContractViolation as violation:
        raise PydanticCustomError(
            violation.code,
            "values are no JSON",
            {"message": violation.message, "fix": "write values as an object"},
        ) from violation
    clean = scrub(parsed)[0]
    refuse_secret_texts(clean)
    return clean


class Kubernetes(Properties):
    """The Kubernetes that a virtual cluster runs."""

    version: Version | None = None


class Vcluster(ComponentProperties):
    """A virtual cluster."""

    name: Line | None = None
    size: Literal["small", "medium", "large", "xlarge"] | None = None
    expose: bool | None = None
    storage_size: Volume | None = None
    values_: (
        Annotated[
            dict[str, Any],
            BeforeValidator(_helm_values),
            WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string", "contentMediaType": "application/json"}]}),
        ]
        | None
    ) = Field(default=None, description="Helm values")
    image: Line | None = None
    syncer_args: list[Line] | None = None
    isolation_enabled: bool | None = None
    service_type: Literal["ClusterIP", "LoadBalancer", "NodePort"] | None = None
    kubernetes: Kubernetes | None = None

    def values(self) -> dict[str, Any]:
        """Return what was given; Helm values under `values`."""
        given = super().values()
        helm = given.pop("values_", None)
        return given if helm is None else given | {"values": helm}
