"""What arrives: one delivery of one event about one application, and how two of them are ordered.

Order never comes from the order of delivery alone: a redelivered or late event must not undo a newer one. Where
Kubernetes metadata exists it decides (uid, generation, resourceVersion); the stream's own position is the last resort.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class AppKey:
    """The name under which everything about one application is recorded."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class EventKind(StrEnum):
    """What the sender wants."""

    CHANGED = "changed"
    """An OAM Application was created or updated; carries the whole desired state."""
    DELETED = "deleted"
    """An OAM Application was deleted; terminal for its uid."""
    REQUESTED = "requested"
    """Somebody asks for components without an Application; carries the whole desired state of its name."""
    REMOVAL = "removal"
    """Somebody asks that a request's components (all, or those named) go away."""
    RETRY = "retry"
    """Run again what the record says is not applied, without a new desired state."""


class OwnerKind(StrEnum):
    """Who manages a name: an Application or requests, never both."""

    APPLICATION = "application"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a message stands in its stream.

    Attributes:
        stream: Name of the stream.
        incarnation: Creation time of the stream in RFC 3339; a recreated stream counts from 1 again and is newer.
        sequence: Position in the stream, from 1.
        timestamp: When the server stored the message, in seconds since the epoch.
        delivered: How often the message was delivered, from 1. Not reliable across a crash of the server.
    """

    stream: str
    incarnation: str
    sequence: int
    timestamp: float = 0.0
    delivered: int = 1

    @property
    def key(self) -> str:
        """Identity of the message, the same for each redelivery of it."""
        return f"{self.incarnation}:{self.sequence}"


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """A message as it came, before anybody has looked into it."""

    subject: str
    headers: Mapping[str, str]
    body: bytes
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Order:
    """The place of an event among all events of its name.

    Attributes:
        incarnation, sequence: The place in the stream; always there.
        uid: Kubernetes uid of the Application, ``""`` without Kubernetes metadata.
        created: ``metadata.creationTimestamp`` in RFC 3339, ``""`` if unknown.
        generation: ``metadata.generation``, 0 if unknown.
        resource_version: ``metadata.resourceVersion`` as an integer, 0 if unknown.
        deleted: The event says that the uid is gone: last and terminal for that uid.
    """

    incarnation: str
    sequence: int
    uid: str = ""
    created: str = ""
    generation: int = 0
    resource_version: int = 0
    deleted: bool = False

    def newer_than(self, other: Order) -> bool:
        """Tell whether this event supersedes ``other``."""
        if self.uid and self.uid == other.uid:
            return self._within_uid() > other._within_uid()
        if self.uid and other.uid and (self.created, self.resource_version) != (other.created, other.resource_version):
            if self.created and other.created and self.created != other.created:
                return self.created > other.created
            if self.resource_version and other.resource_version:
                return self.resource_version > other.resource_version
        return self._in_stream() > other._in_stream()

    def _within_uid(self) -> tuple[bool, int, int, str, int]:
        return (self.deleted, self.generation, self.resource_version, self.incarnation, self.sequence)

    def _in_stream(self) -> tuple[str, int]:
        return (self.incarnation, self.sequence)

    @property
    def number(self) -> int:
        """The number that people see in names: the generation, or the stream's sequence without one."""
        return self.generation or self.sequence


@dataclass(frozen=True, slots=True)
class DesiredComponent:
    """A component as the sender wrote it: names are checked, properties are not yet."""

    name: str
    type: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    inputs_from: tuple[str, ...] = ()
    """Names that KubeVela's ``inputs[].from`` wants, matched with other components' ``outputs``."""
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """What labels, annotations and policies of the Application say about all of its components.

    Attributes:
        source: Who wrote the Application: ``api-driven``, ``oam-driven`` or ``analyzer-driven``.
        app_container: Monorepo that its services share (label ``app-container``).
        github_owner: Owner of its repositories (label ``github-owner``).
        cluster: Target of components that name none (topology policy); ``""`` is the host.
        delete: Names of components that a removal really tears down although their type is retained by default;
            ``("*",)`` for all.
        allow_empty: An update may remove every component.
    """

    source: str = "oam-driven"
    app_container: str = ""
    github_owner: str = ""
    cluster: str = ""
    delete: tuple[str, ...] = ()
    allow_empty: bool = False

    def deletes(self, component: str) -> bool:
        """Tell whether the sender asked that removing ``component`` deletes its data too."""
        return "*" in self.delete or component in self.delete


@dataclass(frozen=True, slots=True)
class Event:
    """One event about one application, decoded and named, not yet judged.

    Attributes:
        id: CloudEvent id; for messages without one ``<stream>:<sequence>``.
        key: Short hash of the id: the last token of the subjects of its status events.
        source: CloudEvent source.
        components: The desired state (``CHANGED``, ``REQUESTED``); for ``DELETED`` what the deleted body said.
        path: JSON path of the component list inside the message, for errors.
        only: For ``REMOVAL``: names of the components to remove; for ``RETRY`` of those to reconcile; empty means all.
        reconcile: For ``RETRY``: run also what is applied.
        traceparent, tracestate: W3C trace context of the sender.
    """

    id: str
    key: str
    source: str
    kind: EventKind
    app: AppKey
    order: Order
    delivery: Delivery
    components: tuple[DesiredComponent, ...] = ()
    settings: Settings = field(default_factory=Settings)
    path: str = "$.data.application.spec.components"
    only: tuple[str, ...] = ()
    reconcile: bool = False
    traceparent: str = ""
    tracestate: str = ""

    @property
    def owner(self) -> OwnerKind:
        """Which kind of owner sends such events."""
        if self.kind in {EventKind.CHANGED, EventKind.DELETED}:
            return OwnerKind.APPLICATION
        return OwnerKind.REQUEST
