"""Pattern 3, providers: services outside the cluster, of which only the name of a Secret comes in."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from contracts.components.base import ComponentProperties, SecretRef, Spellings
from contracts.components.forms import Line, ProviderDatabase, Region
from contracts.fields import NumberAsText, Subdomain, Version, Word


class ProviderProperties(ComponentProperties):
    """What both providers have."""

    spellings: ClassVar[Spellings] = {
        "external_secrets": ("externalSecretsEnabled", "useExternalSecrets", "externalSecrets"),
        "credentials_secret_ref": ("credentialsSecretRef",),
        "credentials_secret": ("credentialsSecret",),
    }

    name: Line | None = None
    credentials_secret_ref: SecretRef | None = Field(default=None, description="Secret with the provider's credentials")
    credentials_secret: Subdomain | None = Field(default=None, description="short form of credentialsSecretRef.name")
    secret_name: Word | None = None
    service_binding: bool | None = Field(default=None, description="make a ServiceBinding for workloads")
    external_secrets: bool | None = Field(default=None, description="keep the Secret in sync by an ExternalSecret")

    def values(self) -> dict[str, Any]:
        """Return what was given; the reference to the credentials as `credentials_secret`."""
        given = super().values()
        reference = given.pop("credentials_secret_ref", None)
        return given | {"credentials_secret": reference["name"]} if reference else given


class NeonPostgres(ProviderProperties):
    """Managed PostgreSQL at Neon."""

    secret_paths: ClassVar[tuple[str, ...]] = ()
    refused: ClassVar[tuple[str, ...]] = ("credentials", "password", "connectionString", "databaseUrl")

    database: ProviderDatabase | None = None
    username: Line | None = None
    version: Version | None = None
    region: Region | None = None
    compute_size: Annotated[Literal["0.25", "0.5", "1", "2", "4", "8"], NumberAsText] | None = None
    autoscaling: bool | None = None
    branch: Line | None = None
    pooler_enabled: bool | None = None
    suspend_timeout: Annotated[int, Field(ge=0)] | None = Field(default=None, description="seconds")


class Auth0Idp(ProviderProperties):
    """Identity provider at Auth0."""

    refused: ClassVar[tuple[str, ...]] = ("credentials", "clientSecret")

    domain: Line | None = None
    client_id: Line | None = None
    audience: Line | None = None
    scopes: list[Line] | None = None
