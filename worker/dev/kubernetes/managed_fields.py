"""Who set which field: ``metadata.managedFields``, kept by updates and decided on by server-side apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.dev.kubernetes.objects import JsonObject
    from worker.dev.kubernetes.registry import Resource


def track_update(resource: Resource, old: JsonObject | None, new: JsonObject, manager: str, subresource: str) -> None:
    """Write the managers of an object after a create, update or patch (thin for now)."""


def apply(
    resource: Resource, live: JsonObject | None, intent: JsonObject, manager: str, subresource: str, *, force: bool
) -> JsonObject:
    """Apply (thin for now)."""
    raise NotImplementedError
