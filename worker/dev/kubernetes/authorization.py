"""Who may: RBAC, evaluated over the Role and RoleBinding objects in the store.

Evaluating the real objects (instead of an own rule table) lets the same fixture set permissions on this API and on a
cluster, and lets the worker's shipped roles be tried in dev mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.dev.kubernetes import status
from worker.dev.kubernetes.registry import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.dev.kubernetes.authentication import Identity
    from worker.dev.kubernetes.call import Call
    from worker.dev.kubernetes.objects import JsonObject
    from worker.dev.kubernetes.store import Store


def _listed(values: list[str] | None, wanted: str) -> bool:
    return bool(values) and ("*" in values or wanted in values)  # type: ignore[operator]


def _plural(call: Call) -> str:
    return f"{call.resource.plural}/{call.subresource}" if call.subresource else call.resource.plural


def _path_name(call: Call) -> str:
    """A create has no name yet when permission is asked."""
    return "" if call.verb == "create" and not call.subresource else call.name


def not_permitted(call: Call) -> status.ApiError:
    """Return the 403 of RBAC for a call, in the words of a real server."""
    where = f'in the namespace "{call.namespace}"' if call.namespace else "at the cluster scope"
    who, group = call.identity.user, call.resource.group
    why = f'User "{who}" cannot {call.verb} resource "{_plural(call)}" in API group "{group}" {where}'
    return status.forbidden(call.resource, _path_name(call), why)


class Authorizer:
    """Decides from the roles and bindings that are stored at the moment of the request."""

    def __init__(self, store: Store) -> None:
        """Decide over the objects of a store."""
        self._store = store

    def check(self, call: Call) -> None:
        """Let a call pass or refuse it.

        Raises:
            ApiError: 403 in the words of a real server.
        """
        resource = call.resource
        plural = _plural(call)
        path_name = _path_name(call)
        if self.allows(call.identity, call.verb, resource.group, plural, namespace=call.namespace, name=path_name):
            return
        raise not_permitted(call)

    def allows(
        self, identity: Identity, verb: str, group: str, plural: str, *, namespace: str | None, name: str = ""
    ) -> bool:
        """Tell whether an identity may use a verb on a resource (``plural`` or ``plural/subresource``)."""
        if identity.is_admin:
            return True
        return any(
            _listed(rule.get("verbs"), verb)
            and _listed(rule.get("apiGroups"), group)
            and _listed(rule.get("resources"), plural)
            and (not rule.get("resourceNames") or name in rule["resourceNames"])
            for rule in self._rules(identity, namespace)
        )

    def _rules(self, identity: Identity, namespace: str | None) -> Iterator[JsonObject]:
        for binding in self._store.open(CLUSTER_ROLE_BINDINGS.key).objects.values():
            yield from self._bound(binding.value(), identity, "")
        if namespace:
            for binding in self._store.open(ROLE_BINDINGS.key).select(namespace):
                yield from self._bound(binding.value(), identity, namespace)

    def _bound(self, binding: JsonObject, identity: Identity, namespace: str) -> Iterator[JsonObject]:
        if not any(_is_subject(subject, identity) for subject in binding.get("subjects") or ()):
            return
        reference = binding["roleRef"]
        key, where = (ROLES.key, namespace) if reference["kind"] == "Role" else (CLUSTER_ROLES.key, "")
        role = self._store.get(key, where, reference["name"])
        if role is not None:
            yield from role.value().get("rules") or ()


def _is_subject(subject: JsonObject, identity: Identity) -> bool:
    kind, name = subject.get("kind"), subject.get("name")
    if kind == "ServiceAccount":
        return identity.user == f"system:serviceaccount:{subject.get('namespace', '')}:{name}"
    return name == identity.user if kind == "User" else name in identity.groups
