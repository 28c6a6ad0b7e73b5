"""What a cluster has to hold before events can become infrastructure, as typed data (see requirements.yaml)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Requirement(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Controller(_Requirement):
    """A Deployment, found by any of `selectors` in any namespace, whose image has at least version `at_least`."""

    name: str
    selectors: tuple[str, ...]
    at_least: str
    fix: str


class Named(_Requirement):
    """Something that is there under one name in the whole cluster."""

    name: str
    fix: str


class ClusterObject(_Requirement):
    """An object without a namespace; without one that is not `needed` only a part of the platform fails."""

    group: str
    version: str
    resource: str
    name: str
    fix: str
    needed: bool = True

    @property
    def title(self) -> str:
        """Return how people call it."""
        return f"{self.resource}.{self.group}/{self.name}"


class Package(_Requirement):
    """A package of Crossplane; `kind` is the plural of its resource."""

    kind: Literal["functions", "providers"]
    name: str
    at_least: str


class Api(_Requirement):
    """One of the platform's claims, and the Composition behind it."""

    claims: str
    group: str
    composition: str

    @property
    def claim_kind(self) -> str:
        """Name of the claims' CustomResourceDefinition."""
        return f"{self.claims}.{self.group}"

    @property
    def definition(self) -> str:
        """Name of the CompositeResourceDefinition, and of the composites' CustomResourceDefinition."""
        return f"x{self.claims}.{self.group}"


class Right(_Requirement):
    """What an account may do with one resource."""

    group: str
    resource: str
    verbs: tuple[str, ...]


class Account(_Requirement):
    """A ServiceAccount in the namespace of the Workflows, with its rights there and in every namespace."""

    name: str
    used_by: str
    fix: str
    may: tuple[Right, ...] = ()
    may_everywhere: tuple[Right, ...] = ()


class SecretName(_Requirement):
    """A Secret that a provider reads."""

    namespace: str
    name: str
    used_by: str


class Requirements(_Requirement):
    """All of them."""

    controllers: tuple[Controller, ...]
    api_services: tuple[Named, ...]
    kinds: tuple[Named, ...]
    objects: tuple[ClusterObject, ...]
    packages: tuple[Package, ...]
    apis: tuple[Api, ...]
    accounts: tuple[Account, ...]
    secrets: tuple[SecretName, ...]


@cache
def requirements() -> Requirements:
    """Return what is declared in requirements.yaml."""
    import yaml  # noqa: PLC0415 - 10 ms that only who needs the list should pay

    text = Path(__file__).with_name("requirements.yaml").read_text(encoding="utf-8")
    return Requirements.model_validate(yaml.safe_load(text))
