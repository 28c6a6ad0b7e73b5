"""Events for crash tests: one small application in many versions, with the Kubernetes metadata that orders them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.names import InboundType

SIZES = ("small", "medium", "large")


#: A component as a test writes it: the size of a database, or its whole definition but for the name.
Part = str | Mapping[str, Any]


def changed(
    name: str,
    generation: int,
    components: Mapping[str, Part] | None = None,
    *,
    uid: str = "",
    namespace: str = "team-a",
    **more: Any,
) -> dict[str, Any]:
    """Return the event that ``name`` has reached ``generation``.

    Args:
        components: By name; by default one database, whose size follows from the generation.
        uid: Of the Application; by default one per name.
        more: Metadata fields, for example ``annotations``.
    """
    wanted = components if components is not None else {"db": SIZES[generation % 3]}
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": uid or f"uid-{namespace}-{name}",
        "generation": generation,
        "resourceVersion": str(1000 + generation),
        "creationTimestamp": "2026-01-01T00:00:00Z",
        **more,
    }
    specs = [{"name": component, **_definition(part)} for component, part in wanted.items()]
    return _event("changed", name, generation, metadata, specs)


def deleted(name: str, generation: int, *, uid: str = "", namespace: str = "team-a", **more: Any) -> dict[str, Any]:
    """Return the event that ``name`` was deleted at ``generation``."""
    event = changed(name, generation, {}, uid=uid, namespace=namespace, **more)
    return {**event, "id": f"{event['id']}-deleted", "type": "io.platform.oam.application.deleted.v1"}


def retry(name: str, number: int, *, namespace: str = "team-a") -> dict[str, Any]:
    """Return the request to run again what did not succeed; ``number`` tells one request from another."""
    return {
        "specversion": "1.0",
        "id": f"{namespace}-{name}-retry-{number}",
        "source": "tests/crash",
        "type": InboundType.RETRY_REQUESTED.value,
        "datacontenttype": "application/json",
        "data": {"name": name, "namespace": namespace},
    }


def _definition(part: Part) -> Mapping[str, Any]:
    return {"type": "postgresql", "properties": {"size": part}} if isinstance(part, str) else part


def _event(kind: str, name: str, generation: int, metadata: dict[str, Any], components: list[Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{metadata['namespace']}-{name}-{metadata['uid']}-{generation}",
        "source": "tests/crash",
        "type": f"io.platform.oam.application.{kind}.v1",
        "datacontenttype": "application/json",
        "data": {
            "application": {
                "apiVersion": "core.oam.dev/v1beta1",
                "kind": "Application",
                "metadata": metadata,
                "spec": {"components": components},
            }
        },
    }
