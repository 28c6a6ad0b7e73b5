"""Who calls: bearer tokens and the identities behind them.

A table instead of signatures: dev mode runs on loopback, but 401 and 403 must be as provocable as on a cluster.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from worker.dev.kubernetes import status

ADMIN_GROUP = "system:masters"


@dataclass(frozen=True, slots=True)
class Identity:
    """A user and its groups, as RBAC subjects name them."""

    user: str
    groups: tuple[str, ...] = ()

    @property
    def is_admin(self) -> bool:
        """Whether authorization is skipped."""
        return ADMIN_GROUP in self.groups


ANONYMOUS = Identity("system:anonymous", ("system:unauthenticated",))


def service_account(namespace: str, name: str) -> Identity:
    """Return the identity of a service account."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return Identity(f"system:serviceaccount:{namespace}:{name}", groups)


class Tokens:
    """The bearer tokens that are valid now."""

    def __init__(self) -> None:
        """Start with one fresh token of an administrator."""
        self._identities: dict[str, Identity] = {}
        self.admin = self.issue(Identity("admin", (ADMIN_GROUP, "system:authenticated")))

    def issue(self, identity: Identity, token: str | None = None) -> str:
        """Make a token valid for an identity; without one a random token is made."""
        token = token or secrets.token_urlsafe(32)
        self._identities[token] = identity
        return token

    def revoke(self, token: str) -> None:
        """Make a token invalid; the next request with it is answered 401."""
        self._identities.pop(token, None)

    def identify(self, authorization: str | None) -> Identity:
        """Return who an ``Authorization`` header stands for.

        Raises:
            ApiError: 401 for a header that is not a valid bearer token.
        """
        if authorization is None:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        identity = self._identities.get(token) if scheme.lower() == "bearer" else None
        if identity is None:
            raise status.unauthorized()
        return identity
