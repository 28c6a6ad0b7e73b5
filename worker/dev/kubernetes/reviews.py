"""Objects that are asked, not stored: SelfSubjectAccessReview and the token of a service account."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from worker.dev.kubernetes import status
from worker.dev.kubernetes.authentication import Identity, Tokens, service_account
from worker.dev.kubernetes.registry import SERVICE_ACCOUNTS

if TYPE_CHECKING:
    from worker.dev.kubernetes.authorization import Authorizer
    from worker.dev.kubernetes.call import Call
    from worker.dev.kubernetes.objects import JsonObject
    from worker.dev.kubernetes.store import Store

ACCESS_REVIEW_PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def access_review(authorizer: Authorizer, identity: Identity, review: JsonObject) -> JsonObject:
    """Answer whether the caller may do what the review asks.

    Raises:
        ApiError: 400 when it asks about no resource.
    """
    asked = (review.get("spec") or {}).get("resourceAttributes")
    if not isinstance(asked, dict):
        raise status.bad_request("spec.resourceAttributes: exactly one of nonResourceAttributes or resourceAttributes")
    plural = asked.get("resource", "")
    if asked.get("subresource"):
        plural = f"{plural}/{asked['subresource']}"
    allowed = authorizer.allows(
        identity,
        asked.get("verb", ""),
        asked.get("group", ""),
        plural,
        namespace=asked.get("namespace"),
        name=asked.get("name", ""),
    )
    return {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": review["spec"],
        "status": {"allowed": allowed},
    }


def token_request(tokens: Tokens, store: Store, call: Call, request: JsonObject) -> JsonObject:
    """Issue a token for a service account; it is valid until it is revoked, whatever expiry is asked for.

    Raises:
        ApiError: 404 when there is no such service account.
    """
    if store.get(SERVICE_ACCOUNTS.key, *call.place) is None:
        raise status.not_found(SERVICE_ACCOUNTS, call.name)
    token = tokens.issue(service_account(call.namespace or "", call.name))
    seconds = int((request.get("spec") or {}).get("expirationSeconds") or 3600)
    expires = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": call.name, "namespace": call.namespace},
        "spec": {"audiences": ["https://kubernetes.default.svc"], "expirationSeconds": seconds},
        "status": {"token": token, "expirationTimestamp": expires.strftime("%Y-%m-%dT%H:%M:%SZ")},
    }
