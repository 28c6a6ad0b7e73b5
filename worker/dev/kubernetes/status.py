"""Every refusal that the API can give, as the ``Status`` object a real kube-apiserver sends.

Clients decide on code, reason and cause (design: "Errors carry exactly one verdict"), so the wording and the fields
here are those of k8s.io/apimachinery ``api/errors`` 1.36, verified by the shared API suite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.dev.kubernetes.objects import JsonObject, encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from worker.dev.kubernetes.registry import Resource

BODY_LIMIT = 3 * 1024 * 1024
"""Bytes of a request body that a kube-apiserver reads before it answers 413."""

STORAGE_LIMIT = 1536 * 1024
"""Bytes of one etcd request (``--max-request-bytes``); a larger object is answered with a 500 that has no reason."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that was refused: path, machine-readable reason, message."""

    field: str
    reason: str
    message: str


class ApiError(Exception):
    """An answer that is not a success.

    Attributes:
        code: HTTP status code.
        reason: machine-readable ``reason`` of the Status; empty means the field is absent.
        message: text for people.
        details: the Status' ``details``, or None when absent.
        headers: extra response headers (Retry-After).
        text: when set, the body is this plain text instead of a Status (429 of priority and fairness, unknown paths).
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: JsonObject | None = None,
        headers: Mapping[str, str] | None = None,
        text: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.headers = dict(headers or {})
        self.text = text

    def status(self) -> JsonObject:
        """Return the ``Status`` object of this refusal."""
        status: JsonObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status

    def body(self) -> bytes:
        """Return the response body: a Status as JSON, or plain text."""
        return self.text.encode() if self.text is not None else encode(self.status())

    @property
    def content_type(self) -> str:
        """Media type of ``body()``."""
        return "text/plain; charset=utf-8" if self.text is not None else "application/json"


def _details(resource: Resource, name: str, causes: Sequence[Cause] = (), *, kind: str | None = None) -> JsonObject:
    details: JsonObject = {}
    if name:
        details["name"] = name
    if resource.group:
        details["group"] = resource.group
    details["kind"] = kind or resource.plural
    if causes:
        details["causes"] = [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]
    return details


def _named(resource: Resource, name: str) -> str:
    return f'{resource.qualified} "{name}"'


def not_found(resource: Resource, name: str) -> ApiError:
    """404: no object of that name."""
    return ApiError(404, "NotFound", f"{_named(resource, name)} not found", details=_details(resource, name))


def unknown_path() -> ApiError:
    """404 of a path that no resource serves: plain text, no Status."""
    return ApiError(404, "NotFound", "404 page not found", text="404 page not found\n")


def already_exists(resource: Resource, name: str) -> ApiError:
    """409 AlreadyExists: a create met an object of the same name."""
    return ApiError(409, "AlreadyExists", f"{_named(resource, name)} already exists", details=_details(resource, name))


def precondition_failed(resource: Resource, name: str, why: str) -> ApiError:
    """409 Conflict of a delete: its precondition (uid, resourceVersion) does not hold."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    message = f'Operation cannot be fulfilled on {kind} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=_details(resource, name, kind=resource.kind))


def conflict(resource: Resource, name: str, why: str | None = None) -> ApiError:
    """409 Conflict: the object was changed since it was read."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f"Operation cannot be fulfilled on {_named(resource, name)}: {why}"
    return ApiError(409, "Conflict", message, details=_details(resource, name))


def invalid(resource: Resource, name: str, causes: Sequence[Cause], *, by_plural: bool = False) -> ApiError:
    """422 Invalid: the object breaks its schema; one cause per field.

    The storage layer's own refusals name the resource by plural, all others by kind.
    """
    parts = [f"{c.field}: {c.message}" for c in causes]
    text = parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
    word = resource.plural if by_plural else resource.kind
    kind = f"{word}.{resource.group}" if resource.group else word
    return ApiError(
        422,
        "Invalid",
        f'{kind} "{name}" is invalid: {text}',
        details=_details(resource, name, causes, kind=word),
    )


def invalid_options(kind: str, cause: Cause) -> ApiError:
    """422: a query parameter breaks its rules; ``kind`` is the options type, such as ``PatchOptions``."""
    return ApiError(
        422,
        "Invalid",
        f'{kind}.meta.k8s.io "" is invalid: {cause.field}: {cause.message}',
        details={
            "group": "meta.k8s.io",
            "kind": kind,
            "causes": [{"reason": cause.reason, "message": cause.message, "field": cause.field}],
        },
    )


def patch_failed() -> ApiError:
    """422: a JSON patch could not be carried out (test failed, path missing)."""
    message = "the server rejected our request due to an error in our request"
    return ApiError(422, "Invalid", message, details={})


def bad_request(message: str) -> ApiError:
    """400 BadRequest."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """401: the bearer token is unknown."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(resource: Resource, name: str, why: str) -> ApiError:
    """403 with the reason given by an authorizer, quota or admission policy."""
    subject = _named(resource, name) if name else resource.qualified
    return ApiError(403, "Forbidden", f"{subject} is forbidden: {why}", details=_details(resource, name))


def method_not_allowed() -> ApiError:
    """405: the resource has no such verb."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, details={})


def expired(message: str) -> ApiError:
    """410: a resourceVersion or continue token is older than the server remembers."""
    return ApiError(410, "Expired", message)


def body_too_large() -> ApiError:
    """413: the request body is larger than the server reads."""
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {BODY_LIMIT}")


def storage_refused() -> ApiError:
    """500 without reason: etcd does not take objects of this size."""
    return ApiError(500, "", "etcdserver: request is too large")


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    """415: the Content-Type is none of those that the verb accepts."""
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted)
    return ApiError(415, "UnsupportedMediaType", message)


def too_many_requests() -> ApiError:
    """429 of priority and fairness: plain text and Retry-After, no Status."""
    text = "Too many requests, please try again later.\n"
    return ApiError(429, "TooManyRequests", text.strip(), headers={"Retry-After": "1"}, text=text)


def success(resource: Resource, name: str, uid: str) -> JsonObject:
    """Return the Status that a completed delete is answered with."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {**_details(resource, name), "uid": uid},
    }
