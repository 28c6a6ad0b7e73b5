"""The data of the status events that the worker publishes: what became of an event, and of the run that it led to.

One shape for all eight types, because a reader that follows one event wants to read them all alike; the types differ
in what must be there. Nothing in it is secret: values are names, words and messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from contracts.names import OutboundType

Disposition: TypeAlias = Literal["accepted", "unchanged", "superseded", "rejected"]
Action: TypeAlias = Literal["create", "change", "remove", "retain"]


class _Out(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True, defer_build=True)


class ApplicationRef(_Out):
    """What the event was about; of an unreadable event as far as its subject says."""

    namespace: str
    name: str
    uid: str | None = None


class OrderRef(_Out):
    """The place of the event among all events of its name; the later one wins."""

    incarnation: str = Field(description="identity of the event stream")
    sequence: int = Field(ge=0, description="place in the event stream")
    uid: str | None = None
    created: str | None = Field(default=None, description="creationTimestamp of the Application")
    generation: int | None = Field(default=None, ge=0)
    resource_version: int | None = Field(default=None, ge=0, alias="resourceVersion")
    deleted: bool = False


class RunRef(_Out):
    """The Workflow that carries the event out; of one that is history only the name may be known."""

    name: str
    attempt: int | None = Field(default=None, ge=1)
    phase: Literal["intended", "confirmed", "running", "succeeded", "failed", "superseded"] | None = None


class ComponentState(_Out):
    """One component that the plan touches."""

    name: str
    type: str
    pattern: Literal[1, 2, 3]
    action: Action
    state: str
    message: str | None = None
    outputs: dict[str, str] = Field(default_factory=dict, description="names and addresses, such as connection_secret")


class SkippedComponent(_Out):
    """A component of an Application that is not this platform's business."""

    component: str
    type: str
    reason: str


class Problem(_Out):
    """Why an event was rejected, or a run failed: what, where, why, and the fix."""

    component: str | None = None
    path: str | None = Field(default=None, description="JSON path within the event")
    code: str = Field(description="stable kebab-case identifier")
    message: str
    fix: str | None = None


class CauseRef(_Out):
    """The event that this is about; a legacy event has no id."""

    id: str | None = None
    source: str | None = None


class StatusData(_Out):
    """What all eight types have."""

    application: ApplicationRef
    order: OrderRef | None = None
    disposition: Disposition = Field(description="what became of the event; events with a run were accepted")
    run: RunRef | None = None
    components: list[ComponentState] = Field(default_factory=list)
    unchanged: list[str] = Field(default_factory=list, description="components that needed nothing")
    skipped: list[SkippedComponent] = Field(default_factory=list)
    errors: list[Problem] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    cause: CauseRef

    def to_json(self) -> dict[str, Any]:
        """Return the data as it goes on the wire: without what is null."""
        return self.model_dump(by_alias=True, exclude_none=True)


class Accepted(StatusData):
    """A run was started for the event."""

    disposition: Literal["accepted"]
    order: OrderRef
    run: RunRef


class Unchanged(StatusData):
    """Everything was already as the event wants it, or the message asked for nothing (a dry run)."""

    disposition: Literal["unchanged"]


class Superseded(StatusData):
    """A newer event took over, before or (with a run) after this one was accepted."""

    disposition: Literal["superseded", "accepted"]


class Rejected(StatusData):
    """The event cannot be carried out; it is a dead letter too."""

    disposition: Literal["rejected"]
    errors: list[Problem] = Field(min_length=1)


class Running(StatusData):
    """The run has begun its first step."""

    disposition: Literal["accepted"]
    run: RunRef


class Succeeded(StatusData):
    """The run ended and every component is as wanted."""

    disposition: Literal["accepted"]
    run: RunRef


class Failed(StatusData):
    """The run ended without reaching what was wanted; `errors` names the components."""

    disposition: Literal["accepted"]
    run: RunRef
    errors: list[Problem] = Field(min_length=1)


class Deleted(StatusData):
    """Nothing of the application is left but what is retained."""

    disposition: Literal["accepted", "unchanged"]


STATUS: Final[Mapping[OutboundType, type[StatusData]]] = MappingProxyType(
    {
        OutboundType.ACCEPTED: Accepted,
        OutboundType.UNCHANGED: Unchanged,
        OutboundType.SUPERSEDED: Superseded,
        OutboundType.REJECTED: Rejected,
        OutboundType.RUNNING: Running,
        OutboundType.SUCCEEDED: Succeeded,
        OutboundType.FAILED: Failed,
        OutboundType.DELETED: Deleted,
    }
)
