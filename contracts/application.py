"""KubeVela's `Application`, as much of it as provisioning depends on.

Existing Applications must keep working, so unknown fields (traits, workflow, status, managedFields …) are passed over
and null means absent, as in Kubernetes. What is read is checked strictly: a wrong type or a doubled name is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from contracts.fields import (
    DIGITS,
    MAX_COMPONENTS,
    Label63,
    Line,
    NullAsDict,
    NullAsList,
    NumberAsText,
    Subdomain,
    Time,
)

Labels = Annotated[dict[str, str], NullAsDict]
ComponentType = Annotated[str, Field(pattern=r"^[!-~]+$", max_length=128)]


class Lenient(BaseModel):
    """Base of models of documents that others define: unknown fields are passed over."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, populate_by_name=True)


class Input(Lenient):
    """KubeVela's data passing: this component takes what another one puts out under the name `source`."""

    source: Line = Field(alias="from")
    parameter_key: Line | None = Field(default=None, alias="parameterKey")


class Output(Lenient):
    """KubeVela's data passing: a value that other components may take."""

    name: Line
    value_from: Line | None = Field(default=None, alias="valueFrom")


class Component(Lenient):
    """One component; `properties` are checked by the model of its type (`contracts.components`)."""

    name: Label63
    type: ComponentType
    properties: Annotated[dict[str, Any], NullAsDict] = Field(default_factory=dict)
    depends_on: Annotated[list[Label63], NullAsList] = Field(default_factory=list, alias="dependsOn")
    inputs: Annotated[list[Input], NullAsList] = Field(default_factory=list)
    outputs: Annotated[list[Output], NullAsList] = Field(default_factory=list)


def refuse_double_names(components: list[Component]) -> list[Component]:
    """Refuse two components of one name, naming both places; it would be open which of them is meant.

    Raises:
        PydanticCustomError: `duplicate-name`.
    """
    seen: dict[str, int] = {}
    for index, component in enumerate(components):
        first = seen.setdefault(component.name, index)
        if first != index:
            raise PydanticCustomError(
                "duplicate-name",
                "components have the same name",
                {
                    "message": f"[{first}] and [{index}] are both named {component.name}",
                    "fix": "rename one of them",
                },
            )
    return components


class Policy(Lenient):
    """A policy; only `topology` is read."""

    type: str
    properties: Annotated[dict[str, Any], NullAsDict] = Field(default_factory=dict)


class TopologyPolicy(Lenient):
    """The properties of a `topology` policy."""

    clusters: Annotated[list[Line], NullAsList] = Field(default_factory=list)


class Spec(Lenient):
    """What is desired."""

    components: list[Component] = Field(max_length=MAX_COMPONENTS)
    policies: Annotated[list[Policy], NullAsList] = Field(default_factory=list)

    _no_double_names = field_validator("components")(refuse_double_names)

    @field_validator("policies")
    @classmethod
    def _clusters_are_names(cls, policies: list[Policy]) -> list[Policy]:
        for index, policy in enumerate(policies):
            clusters = policy.properties.get("clusters")
            if policy.type == "topology" and not (
                clusters is None or (isinstance(clusters, list) and all(isinstance(name, str) for name in clusters))
            ):
                raise PydanticCustomError(
                    "wrong-type",
                    "clusters is no list of names",
                    {
                        "message": f"clusters of the topology policy [{index}] is no list of names",
                        "fix": 'write clusters: ["local"] or the name of a vcluster',
                    },
                )
        return policies


class DeletedSpec(Spec):
    """What was desired; a deletion may come without it."""

    components: Annotated[list[Component], Field(max_length=MAX_COMPONENTS), NullAsList] = Field(default_factory=list)


class Metadata(Lenient):
    """Identity, and what orders two versions of one object (all optional but the name)."""

    name: Subdomain
    namespace: Label63 = "default"
    uid: Annotated[str | None, Field(max_length=128, pattern=r"^[!-~]+$")] = None
    generation: Annotated[int | None, Field(ge=0, le=2**63 - 1)] = None
    resource_version: Annotated[str, StringConstraints(pattern=DIGITS), NumberAsText] | None = Field(
        default=None, alias="resourceVersion"
    )
    creation_timestamp: Time | None = Field(default=None, alias="creationTimestamp")
    deletion_timestamp: Time | None = Field(default=None, alias="deletionTimestamp")
    labels: Labels = Field(default_factory=dict)
    annotations: Labels = Field(default_factory=dict)

    @field_validator("namespace", mode="before")
    @classmethod
    def _default_namespace(cls, value: object) -> object:
        return "default" if value is None else value


class AnyApplication(Lenient):
    """An Application, whether it still exists or not."""

    api_version: Literal["core.oam.dev/v1beta1"] = Field(alias="apiVersion")
    kind: Literal["Application"]
    metadata: Metadata
    spec: Spec

    @property
    def name(self) -> str:
        """The object's name."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """The object's namespace, `default` if it names none."""
        return self.metadata.namespace

    @property
    def components(self) -> list[Component]:
        """The components in the author's order; of a deleted Application those that it last desired."""
        return self.spec.components

    @property
    def clusters(self) -> tuple[str, ...]:
        """The clusters of the first topology policy; `local` is the host."""
        return clusters_of(self.spec)


class Application(AnyApplication):
    """An Application that exists; with `metadata.deletionTimestamp` it is on its way out."""


class DeletedApplication(AnyApplication):
    """The last known state of an Application that is gone; its spec may be missing."""

    spec: Annotated[DeletedSpec, NullAsDict] = Field(default_factory=DeletedSpec)


def clusters_of(spec: Spec) -> tuple[str, ...]:
    """Return the clusters of the first topology policy, () without one."""
    for policy in spec.policies:
        if policy.type == "topology":
            return tuple(TopologyPolicy.model_validate(policy.properties).clusters)
    return ()


def is_application(document: object) -> bool:
    """Tell whether a document claims to be an OAM Application, of whatever version."""
    return (
        isinstance(document, Mapping)
        and document.get("kind") == "Application"
        and str(document.get("apiVersion", "")).startswith("core.oam.dev/")
    )
