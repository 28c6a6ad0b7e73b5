"""From a message to an event of the domain: what it is about, what it wants, and its place among the others.

The contract (``contracts.inbound``) reads bytes; here its models become the domain's words, so that nothing behind this
page knows how events look on the wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from contracts import cloudevents, inbound
from contracts.application import AnyApplication, Component, DeletedApplication
from contracts.events import (
    ApplicationChanged,
    ApplicationDeleted,
    ComponentsRequest,
    EventData,
    MicroserviceRequest,
    RemovalRequested,
    RetryRequested,
    VClusterRequest,
    expand,
    parse_data,
)
from contracts.inbound import InboundEvent
from contracts.legacy import Hint
from contracts.names import Annotation, InboundType, Label, event_key, parse_subject
from contracts.violations import ContractViolation, without_user
from worker.domain.events import (
    AppKey,
    DesiredComponent,
    Event,
    EventKind,
    InboundMessage,
    Order,
    Settings,
)
from worker.domain.record import Cause
from worker.errors import Rejected

#: The host cluster in KubeVela's topology policies.
_HOST = "local"
#: Who may have written an Application; templates know these words only.
_SOURCES = frozenset({"api-driven", "oam-driven", "analyzer-driven"})
_REVIEW_SOURCE = "urn:kubernetes:admission-review"


@dataclass(frozen=True, slots=True)
class Review:
    """An AdmissionReview came in: somebody must look at the Application before anything can be said.

    Attributes:
        hint: What the review said.
        message: The message that it came in.
    """

    hint: Hint
    message: InboundMessage

    @property
    def app(self) -> AppKey:
        """The application that may have changed."""
        return AppKey(self.hint.namespace, self.hint.name)


def decode(message: InboundMessage) -> Event | Review:
    """Read one message.

    Raises:
        Rejected: The message breaks the contract; path and fix say where and how.
    """
    try:
        subject = parse_subject(message.subject)
        read = inbound.decode(message.headers, message.body)
        inbound.check_namespace(subject, read)
    except ContractViolation as violation:
        raise Rejected.from_violation(violation) from violation
    if isinstance(read, Hint):
        return Review(read, message)
    return _event(read, message)


def decode_found(document: Mapping[str, Any], review: Review) -> Event:
    """Read the Application that was found where an AdmissionReview pointed.

    Raises:
        Rejected: The Application breaks the contract.
    """
    return _from_document(InboundType.APPLICATION_CHANGED, document, review)


def decode_missing(review: Review) -> Event | None:
    """Return the deletion that a review means whose Application is gone; ``None`` if nobody knows what was there."""
    old = review.hint.old_object
    if old is None:
        return None
    data = ApplicationDeleted(application=old, operation="DELETE")
    return _event(_inbound(InboundType.APPLICATION_DELETED, data), review.message)


def cause_of_message(message: InboundMessage) -> tuple[AppKey, Cause]:
    """Return how a message is called whose content may be unreadable: after its subject, and its id if it has one."""
    try:
        subject = parse_subject(message.subject)
        app = AppKey(subject.namespace, subject.name)
    except ContractViolation:
        app = AppKey("unknown", "unknown")
    event_id, source = None, ""
    try:
        event = cloudevents.read(message.headers, message.body)
        if isinstance(event, cloudevents.CloudEvent):
            event_id, source = event.id, without_user(event.source)
    except ContractViolation:
        pass  # it is being rejected for exactly this; its place in the stream names it
    delivery = message.delivery
    key = event_key(event_id, delivery.stream, delivery.sequence)
    return app, Cause(event_id or f"{delivery.stream}:{delivery.sequence}", source, key, delivery.key)


def _from_document(kind: InboundType, document: Mapping[str, Any], review: Review) -> Event:
    try:
        data = parse_data(kind, {"application": document})
    except ContractViolation as violation:
        raise Rejected.from_violation(violation) from violation
    return _event(_inbound(kind, data), review.message)


def _inbound(kind: InboundType, data: EventData) -> InboundEvent:
    return InboundEvent(kind, None, _REVIEW_SOURCE, data)


def _event(read: InboundEvent, message: InboundMessage) -> Event:
    delivery = message.delivery
    data = read.data
    fields: dict[str, Any] = {}
    if isinstance(data, ApplicationChanged | ApplicationDeleted):
        fields = {**_application(data.application, message), "path": _component_path(read)}
    elif isinstance(data, ComponentsRequest | MicroserviceRequest | VClusterRequest):
        fields = {
            "kind": EventKind.REQUESTED,
            "components": _components(expand(data)),
            "settings": Settings(source="api-driven", app_container=data.app_container or ""),
            "path": "$.data.components",
        }
    elif isinstance(data, RemovalRequested):
        delete = ("*",) if data.deletion_policy == "delete" else ()
        fields = {
            "kind": EventKind.REMOVAL,
            "only": tuple(data.components),
            "settings": Settings(source="api-driven", delete=delete),
        }
    elif isinstance(data, RetryRequested):
        fields = {"kind": EventKind.RETRY, "reconcile": data.reconcile, "only": tuple(data.components)}
    fields.setdefault("order", Order(delivery.incarnation, delivery.sequence))
    return Event(
        id=read.id if read.id is not None else f"{delivery.stream}:{delivery.sequence}",
        key=event_key(read.id, delivery.stream, delivery.sequence),
        source=read.source,
        app=AppKey(data.namespace, data.name),
        delivery=delivery,
        traceparent=read.traceparent or "",
        tracestate=read.tracestate or "",
        **fields,
    )


def _application(application: AnyApplication, message: InboundMessage) -> dict[str, Any]:
    meta = application.metadata
    deleted = isinstance(application, DeletedApplication) or meta.deletion_timestamp is not None
    order = Order(
        message.delivery.incarnation,
        message.delivery.sequence,
        uid=meta.uid or "",
        created=str(meta.creation_timestamp or ""),
        generation=meta.generation or 0,
        resource_version=int(meta.resource_version or 0),
        deleted=deleted,
    )
    return {
        "kind": EventKind.DELETED if deleted else EventKind.CHANGED,
        "order": order,
        "components": _components(application.components),
        "settings": _settings(application),
    }


def _component_path(read: InboundEvent) -> str:
    """Where the components stand in the message: the older envelopes have no ``data``."""
    if read.source.startswith("urn:argo-events"):
        return "$.body.spec.components"
    if read.source == _REVIEW_SOURCE:
        return "$.request.object.spec.components"
    return "$.data.application.spec.components"


def _settings(application: AnyApplication) -> Settings:
    annotations, labels = application.metadata.annotations, application.metadata.labels
    policy = annotations.get(Annotation.DELETION_POLICY, "").strip()
    clusters = application.clusters
    cluster = clusters[0] if clusters else ""
    source = annotations.get(Annotation.SOURCE, "").strip().lower()
    return Settings(
        source=source if source in _SOURCES else "oam-driven",
        app_container=labels.get(Label.APP_CONTAINER, ""),
        github_owner=labels.get(Label.GITHUB_OWNER, ""),
        cluster="" if cluster == _HOST else cluster,
        delete=("*",) if policy.lower() == "delete" else _names(policy),
        allow_empty=annotations.get(Annotation.ALLOW_EMPTY, "").strip().lower() == "true",
    )


def _names(policy: str) -> tuple[str, ...]:
    """The components that a deletion policy names; the words for the default name none."""
    if policy.lower() in {"", "retain", "orphan"}:
        return ()
    return tuple(name.strip() for name in policy.split(",") if name.strip())


def _components(components: Iterable[Component]) -> tuple[DesiredComponent, ...]:
    return tuple(
        DesiredComponent(
            c.name,
            c.type,
            c.properties,
            tuple(c.depends_on),
            tuple(i.source for i in c.inputs),
            tuple(o.name for o in c.outputs),
        )
        for c in components
    )
