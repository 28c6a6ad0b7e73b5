"""The data of the five inbound event types, and the guided form of a provisioning request.

Applications are other people's documents and read leniently. Requests are the platform's own: an unknown field in one
is refused with "did you mean", because a misspelt `deletionPolicy` must not be half understood.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from contracts.application import (
    Application,
    Component,
    DeletedApplication,
    Lenient,
    refuse_double_names,
)
from contracts.components.forms import Framework
from contracts.fields import DNS_LABEL, MAX_COMPONENTS, Label63, Line, NullAsList, Subdomain
from contracts.names import InboundType
from contracts.violations import ContractViolation, did_you_mean, from_validation_error, quote

Language: TypeAlias = Literal["python", "nodejs", "java", "go", "rasa"]
Size: TypeAlias = Literal["small", "medium", "large", "xlarge"]

# `<name>-cache` must still be a DNS label.
GuidedName = Annotated[str, StringConstraints(pattern=DNS_LABEL, max_length=57)]


class ApplicationChanged(Lenient):
    """An Application was created or updated."""

    application: Application
    operation: Literal["ADD", "UPDATE"] | None = None

    @property
    def name(self) -> str:
        """Name of the Application."""
        return self.application.name

    @property
    def namespace(self) -> str:
        """Namespace of the Application."""
        return self.application.namespace


class ApplicationDeleted(Lenient):
    """An Application was deleted; the object is its last known state."""

    application: DeletedApplication
    operation: Literal["DELETE"] | None = None

    @property
    def name(self) -> str:
        """Name of the Application."""
        return self.application.name

    @property
    def namespace(self) -> str:
        """Namespace of the Application."""
        return self.application.namespace


class Request(BaseModel):
    """What every request has; the name is shared with Applications of the namespace."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)

    name: Subdomain
    namespace: Label63 = "default"


class RequestedComponent(Component):
    """A component of a request: the platform's own form, so it refuses what it does not know."""

    model_config = ConfigDict(extra="forbid")


class ComponentsRequest(Request):
    """The whole desired state of a name, as a list of components."""

    requested_by: Line | None = Field(default=None, alias="requestedBy")
    components: list[RequestedComponent] = Field(max_length=MAX_COMPONENTS)
    app_container: Label63 | None = Field(default=None, alias="appContainer")

    _no_double_names = field_validator("components")(refuse_double_names)


class MicroserviceRequest(Request):
    """The guided form: one service with the usual infrastructure."""

    kind: Literal["microservice"]
    name: GuidedName
    requested_by: Line | None = Field(default=None, alias="requestedBy")
    language: Language
    framework: Framework | None = None
    database: Literal["postgres", "none"] = "none"
    cache: Literal["redis", "none"] = "none"
    realtime: Line | None = None
    app_container: Label63 | None = Field(default=None, alias="appContainer")
    target_vcluster: Label63 | None = Field(default=None, alias="targetVCluster")
    expose_api: bool | None = Field(default=None, alias="exposeApi")


class VClusterRequest(Request):
    """The guided form: one virtual cluster."""

    kind: Literal["vcluster"]
    name: Label63
    requested_by: Line | None = Field(default=None, alias="requestedBy")
    size: Size = "medium"
    app_container: Label63 | None = Field(default=None, alias="appContainer")


ProvisioningRequested: TypeAlias = ComponentsRequest | MicroserviceRequest | VClusterRequest


class RemovalRequested(Request):
    """Remove everything under a name, or the named components.

    `deletion_policy` decides about what is retained by default: `delete` tears it down, as does a list of components.
    """

    reason: Line | None = None
    components: Annotated[list[Label63], Field(max_length=MAX_COMPONENTS), NullAsList] = Field(default_factory=list)
    deletion_policy: Literal["retain", "delete"] | None = Field(default=None, alias="deletionPolicy")


class RetryRequested(Request):
    """Run again what did not succeed; with `reconcile` also what did."""

    reason: Line | None = None
    components: Annotated[list[Label63], Field(max_length=MAX_COMPONENTS), NullAsList] = Field(default_factory=list)
    reconcile: bool = False


EventData: TypeAlias = (
    ApplicationChanged
    | ApplicationDeleted
    | ComponentsRequest
    | MicroserviceRequest
    | VClusterRequest
    | RemovalRequested
    | RetryRequested
)

GUIDED: Final[Mapping[str, type[MicroserviceRequest | VClusterRequest]]] = MappingProxyType(
    {"microservice": MicroserviceRequest, "vcluster": VClusterRequest}
)
MODELS: Final[Mapping[InboundType, tuple[type[BaseModel], ...]]] = MappingProxyType(
    {
        InboundType.APPLICATION_CHANGED: (ApplicationChanged,),
        InboundType.APPLICATION_DELETED: (ApplicationDeleted,),
        InboundType.PROVISIONING_REQUESTED: (ComponentsRequest, MicroserviceRequest, VClusterRequest),
        InboundType.REMOVAL_REQUESTED: (RemovalRequested,),
        InboundType.RETRY_REQUESTED: (RetryRequested,),
    }
)


def parse_data(event_type: str, data: object, path: str = "$.data") -> EventData:
    """Read the data of an inbound event.

    Args:
        event_type: CloudEvent type; one of `InboundType`.
        data: The parsed JSON.
        path: JSON path of `data` within the message.

    Raises:
        ContractViolation: `unknown-type` (path `$.type`), or what is wrong in the data.
    """
    models = MODELS.get(event_type)  # type: ignore[call-overload]  # a StrEnum key is found by its plain string
    if models is None:
        guess = did_you_mean(event_type, list(InboundType))
        raise ContractViolation(
            "unknown-type",
            "$.type",
            f"{quote(event_type)} is no event type of this worker",
            f"use {guess}" if guess else f"use one of {', '.join(InboundType)}",
        )
    model: type[Any] = models[0]
    if not isinstance(data, Mapping):
        raise ContractViolation(
            "missing-field" if data is None else "wrong-type",
            path,
            "data is missing" if data is None else f"data is {quote(data)}, expected is an object",
            "send the event's data as a JSON object",
        )
    if event_type == InboundType.PROVISIONING_REQUESTED and "kind" in data:
        kind = data["kind"]
        found = GUIDED.get(kind) if isinstance(kind, str) else None
        if found is None:
            raise ContractViolation(
                "not-allowed",
                f"{path}.kind",
                f"{quote(kind)} is no guided form",
                f"use one of {', '.join(GUIDED)}, or leave kind out and list components",
            )
        model = found
    try:
        parsed: EventData = model.model_validate(data)
    except ValidationError as error:
        known = [field.alias or name for one in (model, RequestedComponent) for name, field in one.model_fields.items()]
        raise from_validation_error(error, data, path, known, _below_properties) from error
    return parsed


def expand(request: ComponentsRequest | MicroserviceRequest | VClusterRequest) -> list[Component]:
    """Return the components that a request stands for.

    A microservice becomes `<name>` (webservice), `<name>-db` (postgresql) and `<name>-cache` (redis), with references.
    """
    if isinstance(request, ComponentsRequest):
        return list(request.components)
    if isinstance(request, VClusterRequest):
        return [Component(name=request.name, type="vcluster", properties={"size": request.size})]
    target = {"targetEnvironment": request.target_vcluster} if request.target_vcluster else {}
    service: dict[str, Any] = {"language": request.language}
    optional = {"framework": request.framework, "realtime": request.realtime, "exposeApi": request.expose_api}
    service |= {name: value for name, value in optional.items() if value is not None} | target
    components = []
    if request.database != "none":
        service["database"] = f"{request.name}-db"
        components.append(Component(name=f"{request.name}-db", type="postgresql", properties=dict(target)))
    if request.cache != "none":
        service["cache"] = f"{request.name}-cache"
        components.append(Component(name=f"{request.name}-cache", type="redis", properties=dict(target)))
    return [Component(name=request.name, type="webservice", properties=service), *components]


def from_claim(document: Mapping[str, Any]) -> MicroserviceRequest:
    """Read a file of kind ApplicationClaim as the guided form of a provisioning request.

    The name may stand in `spec.name` or `metadata.name`; fields that the guided form does not have are passed over.

    Raises:
        ContractViolation: The document is no ApplicationClaim, or its spec is no guided request.
    """
    if document.get("kind") != "ApplicationClaim":
        raise ContractViolation(
            "not-allowed",
            "$.kind",
            f"{quote(document.get('kind'))} cannot be published",
            "give an Application, an ApplicationClaim or a CloudEvent",
        )
    metadata, spec = document.get("metadata") or {}, document.get("spec")
    for name, part in (("metadata", metadata), ("spec", spec)):
        if not isinstance(part, Mapping):
            raise ContractViolation(
                "missing-field" if part is None else "wrong-type",
                f"$.{name}",
                f"{name} of the claim is {'missing' if part is None else 'no object'}",
                f"write {name} as an object",
            )
    assert isinstance(spec, Mapping)  # noqa: S101 - for the type checker; the loop above refused everything else
    known = {field.alias or name for name, field in MicroserviceRequest.model_fields.items()}
    data: dict[str, Any] = {key: value for key, value in spec.items() if key in known and value is not None}
    data["kind"] = "microservice"
    if "name" not in data and metadata.get("name") is not None:
        data["name"] = metadata["name"]
    namespace = metadata.get("namespace") or spec.get("namespace")
    if namespace is not None:
        data["namespace"] = namespace
    try:
        return MicroserviceRequest.model_validate(data)
    except ValidationError as error:
        raise from_validation_error(error, data, "$.spec") from error


def _below_properties(location: tuple[int | str, ...]) -> bool:
    return "properties" in location
