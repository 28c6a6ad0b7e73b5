"""The three envelopes that senders used before there were CloudEvents; they keep working.

Argo Events' resource payload and the sensor's body carry the whole object and are events. An AdmissionReview is only a
hint: it has no uid and generation on CREATE, the old generation on UPDATE, and the change may still be refused. So the
worker reads the Application itself and treats what it reads as the event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from contracts import strict_json
from contracts.application import DeletedApplication, Lenient
from contracts.events import ApplicationChanged, ApplicationDeleted, parse_data
from contracts.fields import Label63, Subdomain
from contracts.names import InboundType
from contracts.violations import ContractViolation, from_validation_error, one_of, quote

_OPERATIONS: Final[Mapping[str, Literal["ADD", "UPDATE", "DELETE"]]] = {
    "ADD": "ADD",
    "CREATE": "ADD",
    "UPDATE": "UPDATE",
    "DELETE": "DELETE",
}


@dataclass(frozen=True, slots=True)
class LegacyEvent:
    """A legacy payload in the terms of the contract; it has no id, so its place in the stream stands for one."""

    type: InboundType
    source: str
    data: ApplicationChanged | ApplicationDeleted


@dataclass(frozen=True, slots=True)
class Hint:
    """An AdmissionReview: something may have happened to this Application; read it and see."""

    namespace: str
    name: str
    operation: Literal["CREATE", "UPDATE", "DELETE"]
    dry_run: bool
    old_object: DeletedApplication | None


def is_legacy(document: object) -> bool:
    """Tell whether a parsed message has the shape of one of the three envelopes."""
    return isinstance(document, Mapping) and (
        document.get("kind") == "AdmissionReview"
        or ("body" in document and ("type" in document or "operation" in document))
    )


def convert(document: Mapping[str, Any]) -> LegacyEvent | Hint:
    """Read one of the three envelopes (see `is_legacy`).

    Raises:
        ContractViolation: What is wrong, with its path within the envelope.
    """
    if document.get("kind") == "AdmissionReview":
        return _hint(document)
    # A sensor may forward Argo Events' whole payload; `operation` is the one that it set itself.
    key = "operation" if "operation" in document else "type"
    operation = _operation(document[key], f"$.{key}")
    for name, expected in (("group", "core.oam.dev"), ("resource", "applications")):
        if name in document and document[name] != expected:
            raise ContractViolation(
                "not-allowed",
                f"$.{name}",
                f"{quote(document[name])} is not watched by this worker",
                f"forward {expected} only",
            )
    body = document["body"]
    if isinstance(body, str):
        try:
            body = strict_json.loads(body.encode("utf-8", "surrogatepass"))
        except ContractViolation as violation:
            raise violation.under("$.body") from violation
    deleting = operation == "DELETE" or _is_going(body)
    event_type = InboundType.APPLICATION_DELETED if deleting else InboundType.APPLICATION_CHANGED
    try:
        data = parse_data(event_type, {"application": body}, "$")
    except ContractViolation as violation:
        path = "$.body" + violation.path.removeprefix("$.application")
        raise ContractViolation(violation.code, path, violation.message, violation.fix) from violation
    assert isinstance(data, ApplicationChanged | ApplicationDeleted)  # noqa: S101 - the two types asked for above
    source = "urn:argo-events:resource" if key == "type" else "urn:argo-events:sensor"
    return LegacyEvent(event_type, source, data.model_copy(update={"operation": "DELETE" if deleting else operation}))


def _operation(value: object, path: str) -> Literal["ADD", "UPDATE", "DELETE"]:
    operation = _OPERATIONS.get(value) if isinstance(value, str) else None
    if operation is None:
        raise ContractViolation("not-allowed", path, f"{quote(value)} is no operation", one_of(value, _OPERATIONS))
    return operation


def _is_going(body: object) -> bool:
    metadata = body.get("metadata") if isinstance(body, Mapping) else None
    return isinstance(metadata, Mapping) and metadata.get("deletionTimestamp") is not None


def _hint(review: Mapping[str, Any]) -> Hint:
    try:
        request = _Review.model_validate(review).request
    except ValidationError as error:
        raise from_validation_error(error, review) from error
    metadata = _metadata(request.object) or _metadata(review["request"].get("oldObject"))
    given = {"name": request.name or metadata.get("name"), "namespace": request.namespace or metadata.get("namespace")}
    given = {key: value for key, value in given.items() if value is not None}
    try:
        named = _Named.model_validate(given)
    except ValidationError as error:
        raise from_validation_error(error, given, "$.request") from error
    return Hint(named.namespace, named.name, request.operation, request.dry_run, request.old_object)


def _metadata(document: object) -> Mapping[str, Any]:
    metadata = document.get("metadata") if isinstance(document, Mapping) else None
    return metadata if isinstance(metadata, Mapping) else {}


class _Kind(Lenient):
    group: Literal["core.oam.dev"]
    kind: Literal["Application"]


class _Request(Lenient):
    operation: Literal["CREATE", "UPDATE", "DELETE"]
    kind: _Kind
    name: str | None = None
    namespace: str | None = None
    dry_run: bool = Field(default=False, alias="dryRun")
    object: dict[str, Any] | None = None
    old_object: DeletedApplication | None = Field(default=None, alias="oldObject")


class _Review(Lenient):
    request: _Request


class _Named(Lenient):
    """What the worker will read; it goes into a URL, so it must be a name."""

    name: Subdomain
    namespace: Label63 = "default"
