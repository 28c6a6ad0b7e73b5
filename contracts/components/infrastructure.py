"""Pattern 3, infrastructure: databases and brokers that run in the cluster."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from contracts.components.base import ComponentProperties, Properties, Resources, Spellings
from contracts.components.forms import Line, ProductVersion, ServerDatabase, Storage


class InfrastructureProperties(ComponentProperties):
    """What all five have; the size sets CPU, memory and storage, `storage` overrides the last."""

    spellings: ClassVar[Spellings] = {
        "monitoring": ("monitoringEnabled", "monitoring", "metrics", "metricsEnabled"),
        "storage": ("storage", "storageSize"),
        "replicas": ("replicas", "replicaCount"),
    }

    name: Line | None = None
    size: Literal["small", "medium", "large", "xlarge"] | None = None
    version: ProductVersion | None = None
    replicas: Annotated[int, Field(ge=1, le=10)] | None = None
    high_availability: bool | None = None
    backup_enabled: bool | None = None
    monitoring: bool | None = Field(default=None, description="scrape metrics")
    database: ServerDatabase | None = Field(default=None, description="name of the database that is made")
    storage: Storage | None = None
    storage_class: Line | None = None
    resources: Resources | None = None


class PostgresqlAuth(Properties):
    """Who may log in; passwords are generated."""

    username: Line | None = None
    database: Line | None = None


class Postgresql(InfrastructureProperties):
    """PostgreSQL in the cluster."""

    secret_paths: ClassVar[tuple[str, ...]] = ("auth.password", "auth.postgresPassword", "password")

    auth: PostgresqlAuth | None = None


class Mongodb(InfrastructureProperties):
    """MongoDB in the cluster."""

    secret_paths: ClassVar[tuple[str, ...]] = ("rootPassword", "password", "auth.rootPassword", "auth.password")

    auth_enabled: bool | None = None
    username: Line | None = None
    architecture: Literal["standalone", "replicaset"] | None = None
    persistence_enabled: bool | None = None


class Redis(InfrastructureProperties):
    """Redis in the cluster."""

    secret_paths: ClassVar[tuple[str, ...]] = ("password", "auth.password")

    auth_enabled: bool | None = None
    architecture: Literal["standalone", "replication", "sentinel"] | None = None
    persistence_enabled: bool | None = None


class Kafka(InfrastructureProperties):
    """Kafka in the cluster; a realtime-platform brings its own."""


class Clickhouse(InfrastructureProperties):
    """ClickHouse in the cluster."""

    secret_paths: ClassVar[tuple[str, ...]] = ("password",)
