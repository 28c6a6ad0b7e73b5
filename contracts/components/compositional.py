"""Pattern 2: services that consist of several parts and are built from a template repository."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from contracts.components.base import (
    ComponentProperties,
    Count,
    Environment,
    Objects,
    Properties,
    Resources,
    Spellings,
)
from contracts.components.forms import (
    Cpu,
    Endpoint,
    Image,
    Interval,
    Line,
    Memory,
    Repository,
    ResolverName,
    Selector,
    refuse_repeated,
)
from contracts.fields import Version

Most = Annotated[int, Field(ge=1, le=1000)]


class Consumer(ComponentProperties):
    """What services with references have; `database` and `cache` name a component or a kind (`postgres`, `none`)."""

    references: ClassVar[tuple[str, ...]] = ("database", "cache", "realtime")

    database: Line | None = Field(default=None, description="name of a database component, or a kind, or none")
    cache: Line | None = Field(default=None, description="name of a cache component, or redis, or none")
    realtime: Line | None = Field(default=None, description="name of a realtime platform")


class RasaChatbot(Consumer):
    """A chatbot: Rasa and its action server."""

    spellings: ClassVar[Spellings] = {"enable_tls": ("enableTLS",)}

    rasa_image: Image | None = None
    actions_image: Image | None = None
    version: Version | None = None
    resources: Resources | None = None
    actions_resources: Resources | None = None
    min_scale: Count | None = None
    max_scale: Most | None = None
    target_concurrency: Count | None = None
    actions_min_scale: Count | None = None
    actions_max_scale: Most | None = None
    actions_target_concurrency: Count | None = None
    environment: Environment | None = Field(default=None, exclude=True)
    env_from: Objects | None = Field(default=None, exclude=True)
    language: Line | None = None
    framework: Line | None = None
    repository: Line | None = None
    enable_istio_gateway: bool | None = None
    chatbot_host: Line | None = None
    enable_tls: bool | None = None
    nlu_pipeline: Line | None = None
    policies: Line | list[Line] | None = None
    language_model: Line | None = None
    training_data: Line | None = None

    @model_validator(mode="after")
    def _fewest_below_most(self) -> RasaChatbot:
        # Where a number is not given, the template's default holds.
        given = {"min_scale": 1, "max_scale": 10, "actions_min_scale": 0, "actions_max_scale": 5} | self.values()
        for fewest, most in (("min_scale", "max_scale"), ("actions_min_scale", "actions_max_scale")):
            if given[fewest] > given[most]:
                names = self.documented(fewest), self.documented(most)
                raise PydanticCustomError(
                    "out-of-range",
                    "more at least than at most",
                    {
                        "message": f"{names[0]} {given[fewest]} is above {names[1]} {given[most]}",
                        "fix": f"lower {names[0]}, or give a higher {names[1]}",
                    },
                )
        return self


class Resolver(Properties):
    """A resolver outside the federation; its headers may hold tokens and are not read."""

    name: Line
    endpoint: Line


class PlatformResolver(Resolver):
    """A resolver of a GraphQL platform."""

    name: ResolverName
    endpoint: Endpoint


class PlatformResources(Resources):
    """Requests of a GraphQL platform."""

    cpu: Cpu | None = None
    memory: Memory | None = None


class GraphqlGateway(Consumer):
    """A gateway that federates the GraphQL and OpenAPI services it discovers."""

    secret_paths: ClassVar[tuple[str, ...]] = ("customResolvers[].headers",)
    spellings: ClassVar[Spellings] = {
        "introspection": ("exposeIntrospection", "introspection", "introspectionEnabled", "enableIntrospection"),
        "playground": ("exposePlayground", "playground", "playgroundEnabled", "enablePlayground"),
        "enable_tls": ("enableTLS",),
        "enable_cors": ("enableCors",),
    }

    name: Line | None = None
    description: Line | None = None
    gateway_image: Line | None = None
    service_selector: Selector | None = None
    auto_schema: bool | None = None
    schema_refresh_interval: Interval | None = None
    introspection: bool | None = None
    playground: bool | None = None
    auto_discovery: bool | None = None
    federation_services: list[Line] | None = None
    api_version: Version | None = None
    enable_cors: bool | None = None
    resources: Resources | None = None
    version: Version | None = None
    environment: Environment | None = Field(default=None, exclude=True)
    env_from: Objects | None = Field(default=None, exclude=True)
    language: Line | None = None
    framework: Line | None = None
    repository: Line | None = None
    custom_resolvers: list[Resolver] | None = None
    enable_istio_gateway: bool | None = None
    gateway_host: Line | None = None
    enable_tls: bool | None = None
    config_map_name: Line | None = None


class GraphqlPlatform(ComponentProperties):
    """GraphQL infrastructure with Hasura."""

    secret_paths: ClassVar[tuple[str, ...]] = ("customResolvers[].headers",)
    spellings: ClassVar[Spellings] = {
        "expose_introspection": ("exposeIntrospection", "enableIntrospection"),
        "enable_console": ("enableConsole", "enablePlayground"),
    }

    name: Line | None = None
    service_selector: Selector | None = None
    auto_schema: bool | None = None
    schema_refresh_interval: Interval | None = None
    expose_introspection: bool | None = None
    enable_console: bool | None = None
    enable_allow_list: bool | None = None
    federation_enabled: bool | None = None
    hasura_enabled: bool | None = None
    custom_resolvers: Annotated[list[PlatformResolver], Field(max_length=32)] | None = None
    resources: PlatformResources | None = None

    @field_validator("custom_resolvers")
    @classmethod
    def _names_are_unique(cls, resolvers: list[PlatformResolver] | None) -> list[PlatformResolver] | None:
        refuse_repeated([resolver.name for resolver in resolvers or ()])
        return resolvers


class IdentityDatabase(Properties):
    """The service's own database."""

    type: Line | None = None
    provision: bool | None = None


class IdentityRedis(Properties):
    """The service's own cache."""

    enabled: bool | None = None
    provision: bool | None = None


def _shape(value: object) -> str:
    return "object" if isinstance(value, (Mapping, IdentityDatabase)) else "name"


class IdentityService(ComponentProperties):
    """A domain service for identities; its `database` is a kind or an object, never a reference."""

    spellings: ClassVar[Spellings] = {"mfa": ("mfa", "enableMfa", "enableMFA"), "audit": ("audit", "enableAudit")}

    domain: Literal["healthcare", "financial", "education"] | None = None
    github_owner: Line | None = None
    custom_profiles: list[Line] | None = None
    additional_integrations: list[Line] | None = None
    java_version: Version | None = None
    spring_boot_version: Version | None = None
    database: (
        Annotated[Annotated[Line, Tag("name")] | Annotated[IdentityDatabase, Tag("object")], Discriminator(_shape)]
        | None
    ) = None
    redis: IdentityRedis | None = None
    cache: Line | None = None
    auth_provider: Line | None = None
    compliance_level: Line | None = None
    mfa: bool | None = None
    audit: bool | None = None
    repository: Repository | None = None
