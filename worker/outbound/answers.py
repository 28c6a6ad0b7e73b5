"""The Kubernetes API's answers, each mapped once to one verdict.

The API server says several things with one status code (403 is RBAC, a quota or a policy; 409 a duplicate or a
conflict; 500 a fault or a body that is too large), so the verdict is taken on code, reason, message and causes
together. Pure: the table of ``tests/unit/outbound/test_answers.py`` has every row, and the API suite provokes each of
them on a real server.
"""

from __future__ import annotations

import json
import re
import ssl
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from worker.errors import Deferred, LostRace, Misconfigured, Rejected, Unavailable, WorkerError, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM = "kubernetes"
#: A body that is longer than this is not an error that somebody wrote for us; it is not parsed.
_MAX_ERROR_BODY = 64 * 1024
#: Server-sent waits are capped: a broken proxy must not put the worker to sleep for a day.
_MAX_RETRY_AFTER = 300.0

_TOO_LARGE = ("request is too large", "larger than max", "Request entity too large")
_POLICY = re.compile(r"denied the request|ValidatingAdmissionPolicy|denied request:")
_RBAC = re.compile(r"\bcannot [a-z]+ resource\b|\bcannot [a-z]+ path\b")


class Operation(StrEnum):
    """What was asked; some answers mean different things to different questions."""

    CREATE = "create"
    GET = "get"
    LIST = "list"
    WATCH = "watch"
    START = "start"
    STOP = "stop"


class Verdict(StrEnum):
    """What an answer means for the event in hand."""

    OK = "ok"
    EXISTS = "exists"
    """409 AlreadyExists: the caller looks at what is there."""
    LOOK_AGAIN = "look-again"
    """409 Conflict: somebody wrote at the same time."""
    REFUSED = "refused"
    """422 on the start patch: the run was stopped, or is released already."""
    ABSENT = "absent"
    """404 of the very object."""
    EXPIRED = "expired"
    """410: the resourceVersion is too old to list or watch from."""
    UNAVAILABLE = "unavailable"
    DEFERRED = "deferred"
    PERMANENT = "permanent"
    MISCONFIGURED = "misconfigured"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said.

    Attributes:
        status: HTTP status code.
        reason: ``reason`` of the Status object, ``""`` without one.
        message: ``message`` of the Status object, else the beginning of the body.
        causes: ``reason: field: message`` of each cause in the Status object.
        kind: ``details.kind`` of the Status object: the resource that the answer speaks of.
        is_status: The body was a Kubernetes Status object; a proxy in between does not write those.
        retry_after: Seconds of the ``Retry-After`` header, or ``None``.
    """

    status: int
    reason: str = ""
    message: str = ""
    causes: tuple[str, ...] = ()
    kind: str = ""
    is_status: bool = False
    retry_after: float | None = None


def read_answer(status: int, headers: Mapping[str, str], body: bytes, *, now: float = 0.0) -> Answer:
    """Read an error answer; never raises, whatever a server or proxy put into it.

    Args:
        status: HTTP status code.
        headers: Response headers, case-insensitive.
        body: The whole body; only a JSON Status object is looked into.
        now: Seconds since the epoch, for a ``Retry-After`` that is a date.
    """
    retry_after = _retry_after(headers.get("Retry-After"), now)
    found: Any = None
    if len(body) <= _MAX_ERROR_BODY and "json" in headers.get("Content-Type", ""):
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = None
    if not isinstance(found, dict) or found.get("kind") != "Status":
        text = shorten(body[:2048].decode("utf-8", "replace"))
        return Answer(status, message=text or "no text", retry_after=retry_after)
    details = found.get("details")
    details = details if isinstance(details, dict) else {}
    if retry_after is None and isinstance(details.get("retryAfterSeconds"), int):
        retry_after = min(float(details["retryAfterSeconds"]), _MAX_RETRY_AFTER)
    causes = details.get("causes")
    return Answer(
        status,
        reason=str(found.get("reason") or ""),
        message=str(found.get("message") or "no text"),
        causes=tuple(
            ": ".join(str(cause[key]) for key in ("reason", "field", "message") if cause.get(key))
            for cause in (causes if isinstance(causes, list) else ())
            if isinstance(cause, dict)
        ),
        kind=str(details.get("kind") or ""),
        is_status=True,
        retry_after=retry_after,
    )


def judge(answer: Answer, operation: Operation) -> Verdict:
    """Return the one verdict on an answer (contract tables, section 4)."""
    status = answer.status
    if status in {HTTPStatus.OK, HTTPStatus.CREATED}:
        return Verdict.OK
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Verdict.PERMANENT if _says_too_large(answer) else Verdict.UNAVAILABLE
    if status != HTTPStatus.TOO_MANY_REQUESTS and _POLICY.search(answer.message):
        # A policy chooses the code of its refusals (401, 403, 413, 422, …), so its words count more than the code.
        return Verdict.PERMANENT
    return _CLIENT_ERRORS.get(status, _unknown)(answer, operation)


def error(answer: Answer, operation: Operation, what: str) -> WorkerError:
    """Return the error to raise for an answer that is not a result of ``operation``.

    Args:
        answer: What the server said.
        operation: What was asked.
        what: The object or collection concerned, for people: ``Workflow argo/shop-3-1-…``.
    """
    code = f"{answer.status} {answer.reason}".strip()
    text = f"{operation.value} {what}: {code}: {shorten(answer.message)}"
    verdict = judge(answer, operation)
    match verdict:
        case Verdict.UNAVAILABLE:
            return Unavailable(SYSTEM, text, retry_after=answer.retry_after)
        case Verdict.MISCONFIGURED:
            return Misconfigured(SYSTEM, text, fix=_fix(answer))
        case Verdict.DEFERRED:
            return Deferred("namespace-quota", text, delay=answer.retry_after)
        case Verdict.LOOK_AGAIN:
            return LostRace(what)
        case Verdict.PERMANENT:
            return _rejected(answer, text)
        case _:
            return WorkerError(f"the Kubernetes API gave an answer without a known meaning: {text}")


def error_of_exception(failure: BaseException, operation: Operation, what: str) -> WorkerError:
    """Return the error for a call that got no answer at all.

    A certificate that does not verify stays wrong until somebody changes it; everything else may work the next time.
    """
    text = f"{operation.value} {what}: {type(failure).__name__}{': ' + str(failure) if str(failure) else ''}"
    certificate = isinstance(failure, ssl.SSLCertVerificationError) or isinstance(
        getattr(failure, "certificate_error", None), ssl.CertificateError
    )
    if certificate:
        return Misconfigured(
            SYSTEM, text, fix="give the worker the certificate authority that signed the API server's certificate"
        )
    if isinstance(failure, TimeoutError):
        text = f"{operation.value} {what}: no answer in time"
    return Unavailable(SYSTEM, text)


def _unknown(_: Answer, __: Operation) -> Verdict:
    return Verdict.UNKNOWN


def _invalid(_: Answer, operation: Operation) -> Verdict:
    return Verdict.REFUSED if operation is Operation.START else Verdict.PERMANENT


def _forbidden(answer: Answer, _: Operation) -> Verdict:
    message = answer.message
    if "exceeded quota" in message:
        return Verdict.DEFERRED
    if _RBAC.search(message) or "being terminated" in message or not answer.is_status:
        return Verdict.MISCONFIGURED
    return Verdict.UNKNOWN


def _not_found(answer: Answer, operation: Operation) -> Verdict:
    names_an_object = answer.is_status and answer.kind not in {"", "namespaces"}
    if names_an_object and operation in {Operation.GET, Operation.START, Operation.STOP}:
        return Verdict.ABSENT
    return Verdict.MISCONFIGURED


def _conflict(answer: Answer, operation: Operation) -> Verdict:
    if answer.reason == "AlreadyExists":
        return Verdict.EXISTS if operation is Operation.CREATE else Verdict.UNKNOWN
    return Verdict.LOOK_AGAIN if answer.reason == "Conflict" else Verdict.UNKNOWN


_CLIENT_ERRORS = {
    400: lambda *_: Verdict.PERMANENT,
    401: lambda *_: Verdict.UNAVAILABLE,
    403: _forbidden,
    404: _not_found,
    408: lambda *_: Verdict.UNAVAILABLE,
    409: _conflict,
    410: lambda _, operation: Verdict.EXPIRED if operation in {Operation.LIST, Operation.WATCH} else Verdict.UNKNOWN,
    413: lambda *_: Verdict.PERMANENT,
    422: _invalid,
    429: lambda *_: Verdict.UNAVAILABLE,
}


def _says_too_large(answer: Answer) -> bool:
    return answer.status == HTTPStatus.INTERNAL_SERVER_ERROR and any(words in answer.message for words in _TOO_LARGE)


def _rejected(answer: Answer, text: str) -> Rejected:
    if _POLICY.search(answer.message):
        return Rejected(
            "denied-by-policy",
            f"an admission policy of the cluster refused the Workflow: {shorten(answer.message)}",
            fix="change the components that the policy names, or ask its owner",
        )
    if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or _says_too_large(answer):
        return Rejected(
            "workflow-too-large",
            f"the API server refused the Workflow for its size ({answer.status})",
            fix="split the application, or shorten its components' properties",
        )
    causes = f" ({shorten('; '.join(answer.causes))})" if answer.causes else ""
    return Rejected(
        "workflow-invalid",
        f"the API server refused the Workflow: {text}{causes}",
        fix="compare the installed Workflow CRD with the Argo version that this worker supports",
    )


def _fix(answer: Answer) -> str:
    if answer.status == HTTPStatus.FORBIDDEN and "being terminated" in answer.message:
        return "the Workflows' namespace is being deleted: create it again, or set WORKFLOW_NAMESPACE"
    if answer.status == HTTPStatus.FORBIDDEN:
        return "give the worker's ServiceAccount the Role that allows create, get, list, watch and patch on workflows"
    if answer.kind == "namespaces":
        return "create the namespace, or set WORKFLOW_NAMESPACE to the one where Workflows live"
    return "install the Argo Workflows CRDs, or check that KUBECONFIG names the cluster that has them"


def _retry_after(text: str | None, now: float) -> float | None:
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return min(seconds, _MAX_RETRY_AFTER) if seconds > 0 else None
