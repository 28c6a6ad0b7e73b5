"""What one HTTP request asks of the API: the verb, the resource and the identity, taken from path, query and headers.

The same words are what authorization decides on, what fault rules match, and what the request log records.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from worker.dev.kubernetes import status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.dev.kubernetes.authentication import Identity
    from worker.dev.kubernetes.registry import Registry, Resource

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "HEAD": "get"}
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
_TRUE = frozenset({"1", "true", "True"})


@dataclass(frozen=True, slots=True)
class Target:
    """The place a path names; ``namespace`` is None for cluster-wide paths."""

    group: str
    version: str
    plural: str
    namespace: str | None
    name: str
    subresource: str

    @classmethod
    def of(cls, path: str) -> Target | None:
        """Parse a path below ``/api`` or ``/apis``; None when it names no resource."""
        parts = path.strip("/").split("/")
        if parts[0] == "api":
            group, rest = "", parts[1:]
        elif parts[0] == "apis":
            group, rest = (parts[1] if len(parts) > 1 else ""), parts[2:]
        else:
            return None
        if len(rest) < 2:  # noqa: PLR2004 - a version and a resource at least
            return None
        version, *rest = rest
        namespace: str | None = None
        if rest[0] == "namespaces" and len(rest) > 2 and not (len(rest) == 3 and rest[2] in _NAMESPACE_SUBRESOURCES):  # noqa: PLR2004 - namespaces/NAME/RESOURCE
            namespace, rest = rest[1], rest[2:]
        if len(rest) > 3:  # noqa: PLR2004 - RESOURCE/NAME/SUBRESOURCE
            return None
        plural, name, subresource = (*rest, "", "")[:3]
        return cls(group, version, plural, namespace, name, subresource)


@dataclass(slots=True)
class Call:
    """One request to a resource.

    Attributes:
        verb: as in RBAC rules: get, list, watch, create, update, patch, delete, deletecollection.
        namespace: of the path; None for cluster-scoped resources and for lists over all namespaces.
        name: of the path; for a create the name in the body, once that is read.
        committed: whether a write of this call reached the store, whatever the client got to see.
    """

    verb: str
    resource: Resource
    namespace: str | None
    name: str
    subresource: str
    query: Mapping[str, str]
    identity: Identity
    path: str = ""
    user_agent: str = ""
    content_type: str = "application/json"
    committed: bool = False
    warnings: list[str] = field(default_factory=list)

    @property
    def dry_run(self) -> bool:
        """Whether nothing may be stored.

        Raises:
            ApiError: 422 for a value other than ``All``.
        """
        value = self.query.get("dryRun", "")
        if value not in {"", "All"}:
            message = f'Unsupported value: ["{value}"]: supported values: "All"'
            cause = status.Cause("dryRun", "FieldValueNotSupported", message)
            raise status.invalid_options(f"{self.verb.capitalize()}Options", cause)
        return value == "All"

    @property
    def manager(self) -> str:
        """Field manager: the query parameter, else the user agent up to its first slash."""
        return self.query.get("fieldManager") or self.user_agent.partition("/")[0] or "unknown"

    def flag(self, name: str) -> bool:
        """Tell whether a boolean query parameter is set."""
        return self.query.get(name, "") in _TRUE

    @property
    def place(self) -> tuple[str, str]:
        """Namespace and name as the store keys them."""
        return (self.namespace or "", self.name)


def verb_of(method: str, target: Target, query: Mapping[str, str]) -> str:
    """Return the RBAC verb of a method on a target, or "" when the method has none."""
    verb = _VERBS.get(method, "")
    if verb == "get" and query.get("watch", "") in _TRUE:
        return "watch"
    if not target.name:
        return {"get": "list", "delete": "deletecollection"}.get(verb, verb)
    return verb


def resolve(registry: Registry, target: Target) -> Resource:
    """Return the resource that serves a target.

    Raises:
        ApiError: 404 in plain text when nothing is served there.
    """
    resource = registry.find(target.group, target.version, target.plural)
    if resource is None or (target.namespace is not None and not resource.namespaced):
        raise status.unknown_path()
    return resource
