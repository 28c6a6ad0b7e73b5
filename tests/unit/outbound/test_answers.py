"""Every row of the verdict table (contract tables, section 4), in the words of a real kube-apiserver v1.36."""

from __future__ import annotations

import json
import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from worker.errors import Deferred, LostRace, Misconfigured, Rejected, Unavailable, WorkerError
from worker.outbound.answers import Operation, Verdict, error, error_of_exception, judge, read_answer

WF = "workflows.argoproj.io"
RBAC = (
    f'{WF} is forbidden: User "system:serviceaccount:argo:worker" cannot create resource "workflows" in API group '
    '"argoproj.io" in the namespace "argo"'
)
QUOTA = (
    f'{WF} "shop-1" is forbidden: exceeded quota: q, requested: count/{WF}=1, used: count/{WF}=1, limited: count/{WF}=1'
)
POLICY = f"{WF} \"shop-1\" is forbidden: ValidatingAdmissionPolicy 'deny' with binding 'deny' denied request: no names"
WEBHOOK = 'admission webhook "check.example.com" denied the request: no such team'
TERMINATING = (
    f'{WF} "shop-1" is forbidden: unable to create new content in namespace argo because it is being terminated'
)
NO_NAMESPACE = 'namespaces "argo" not found'
NO_OBJECT = f'{WF} "shop-1" not found'

ALL = tuple(Operation)
OBJECT = (Operation.GET, Operation.START, Operation.STOP)
CREATE = (Operation.CREATE,)
NOT_START = tuple(operation for operation in Operation if operation is not Operation.START)

#: code, reason, message, details.kind, operations, verdict
TABLE: list[tuple[int, str, str, str, tuple[Operation, ...], Verdict]] = [
    (200, "", "", "", ALL, Verdict.OK),
    (201, "", "", "", CREATE, Verdict.OK),
    (409, "AlreadyExists", f'{WF} "shop-1" already exists', "workflows", CREATE, Verdict.EXISTS),
    (409, "Conflict", "the object has been modified", "workflows", ALL, Verdict.LOOK_AGAIN),
    (409, "", "who knows", "", ALL, Verdict.UNKNOWN),
    (
        422,
        "Invalid",
        "the server rejected our request due to an error in our request",
        "",
        (Operation.START,),
        Verdict.REFUSED,
    ),
    (422, "Invalid", "spec.entrypoint in body must be of type string", "Workflow", NOT_START, Verdict.PERMANENT),
    (429, "TooManyRequests", "too many requests, please try again later", "", ALL, Verdict.UNAVAILABLE),
    (500, "InternalError", "Internal error occurred: etcdserver: request timed out", "", ALL, Verdict.UNAVAILABLE),
    (500, "InternalError", 'failed calling webhook "x": context deadline exceeded', "", ALL, Verdict.UNAVAILABLE),
    (500, "", "etcdserver: mvcc: database space exceeded", "", ALL, Verdict.UNAVAILABLE),
    (502, "", "bad gateway", "", ALL, Verdict.UNAVAILABLE),
    (503, "ServiceUnavailable", "the server is currently unable to handle the request", "", ALL, Verdict.UNAVAILABLE),
    (504, "Timeout", "Timeout: request did not complete within the allotted timeout", "", ALL, Verdict.UNAVAILABLE),
    (401, "Unauthorized", "Unauthorized", "", ALL, Verdict.UNAVAILABLE),
    (408, "", "timeout", "", ALL, Verdict.UNAVAILABLE),
    (500, "", "etcdserver: request is too large", "", CREATE, Verdict.PERMANENT),
    (500, "", "rpc error: trying to send message larger than max (2147483 vs. 2097152)", "", CREATE, Verdict.PERMANENT),
    (413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728", "", CREATE, Verdict.PERMANENT),
    (400, "BadRequest", "the object provided is unrecognized", "", ALL, Verdict.PERMANENT),
    (403, "Forbidden", QUOTA, "workflows", CREATE, Verdict.DEFERRED),
    (403, "Forbidden", POLICY, "workflows", CREATE, Verdict.PERMANENT),
    (403, "Forbidden", WEBHOOK, "", CREATE, Verdict.PERMANENT),
    (400, "", WEBHOOK, "", CREATE, Verdict.PERMANENT),
    (401, "Unauthorized", POLICY, "workflows", CREATE, Verdict.PERMANENT),
    (413, "RequestEntityTooLarge", POLICY, "workflows", CREATE, Verdict.PERMANENT),
    (422, "Invalid", POLICY, "workflows", CREATE, Verdict.PERMANENT),
    (403, "Forbidden", RBAC, "workflows", ALL, Verdict.MISCONFIGURED),
    (403, "Forbidden", TERMINATING, "workflows", CREATE, Verdict.MISCONFIGURED),
    (403, "Forbidden", f'{WF} "shop-1" is forbidden: something new', "workflows", ALL, Verdict.UNKNOWN),
    (404, "NotFound", NO_NAMESPACE, "namespaces", ALL, Verdict.MISCONFIGURED),
    (404, "NotFound", "the server could not find the requested resource", "", ALL, Verdict.MISCONFIGURED),
    (404, "NotFound", NO_OBJECT, "workflows", OBJECT, Verdict.ABSENT),
    (404, "NotFound", NO_OBJECT, "workflows", CREATE, Verdict.MISCONFIGURED),
    (410, "Expired", "too old resource version", "", (Operation.LIST, Operation.WATCH), Verdict.EXPIRED),
    (410, "Gone", "gone", "", OBJECT, Verdict.UNKNOWN),
    (418, "", "I'm a teapot", "", ALL, Verdict.UNKNOWN),
    (302, "", "found elsewhere", "", ALL, Verdict.UNKNOWN),
]

#: What each verdict raises where it is no result.
ERRORS: dict[Verdict, type[WorkerError]] = {
    Verdict.UNAVAILABLE: Unavailable,
    Verdict.MISCONFIGURED: Misconfigured,
    Verdict.DEFERRED: Deferred,
    Verdict.LOOK_AGAIN: LostRace,
    Verdict.PERMANENT: Rejected,
    Verdict.UNKNOWN: WorkerError,
}


def status(code: int, reason: str, message: str, kind: str = "", **details: Any) -> bytes:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": {"kind": kind, **details},
        "code": code,
    }
    return json.dumps(body).encode()


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(("code", "reason", "message", "kind", "operations", "verdict"), TABLE)
def test_each_answer_has_one_verdict(
    code: int, reason: str, message: str, kind: str, operations: tuple[Operation, ...], verdict: Verdict
) -> None:
    answer = read_answer(code, JSON, status(code, reason, message, kind))
    for operation in operations:
        assert judge(answer, operation) is verdict, operation
        if verdict in ERRORS:
            raised = error(answer, operation, "Workflow argo/shop-1")
            assert type(raised) is ERRORS[verdict]


def test_the_table_has_every_verdict() -> None:
    assert {row[-1] for row in TABLE} == set(Verdict)


@pytest.mark.parametrize("operation", ALL)
def test_no_other_code_is_taken_for_success(operation: Operation) -> None:
    for code in (*range(100, 200), *range(202, 600)):
        answer = read_answer(code, {}, b"anything")
        assert judge(answer, operation) is not Verdict.OK
        assert isinstance(error(answer, operation, "x"), WorkerError)


def test_429_is_plain_text_and_its_retry_after_is_honoured() -> None:
    answer = read_answer(
        429,
        {"Content-Type": "text/plain; charset=utf-8", "Retry-After": "7"},
        b"Too many requests, please try again later.\n",
    )
    raised = error(answer, Operation.CREATE, "Workflow argo/x")
    assert isinstance(raised, Unavailable)
    assert raised.retry_after == 7
    assert "Too many requests" in str(raised)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("1", 1.0),
        ("0", None),
        ("-5", None),
        ("1.5", 1.5),
        ("Thu, 01 Jan 1970 00:01:30 GMT", 90.0),
        ("999999999", 300.0),
        ("nan", None),
        ("inf", 300.0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    assert read_answer(503, {"Retry-After": header}, b"", now=0.0).retry_after == seconds


def test_retry_after_may_stand_in_the_status() -> None:
    body = status(504, "Timeout", "wait", retryAfterSeconds=3)
    assert read_answer(504, JSON, body).retry_after == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"<html>nginx</html>",
        b"[]",
        b"null",
        b'{"kind":"Status"}',
        b'{"kind":"Status","message":null,"details":null}',
        b'{"kind":"Status","message":5,"reason":[],"details":{"causes":[1,{}, {"message":2}],"retryAfterSeconds":"x"}}',
        b"[" * 100_000,
        b'{"kind":"Status","message":"' + b"x" * 100_000 + b'"}',
    ],
)
def test_a_strange_body_is_read_all_the_same(body: bytes) -> None:
    for code in (403, 404, 409, 422, 500):
        assert isinstance(error(read_answer(code, JSON, body), Operation.CREATE, "x"), WorkerError)


def test_a_403_of_something_in_between_is_not_the_events_fault() -> None:
    answer = read_answer(403, {"Content-Type": "text/html"}, b"<h1>Forbidden by proxy</h1>")
    assert judge(answer, Operation.CREATE) is Verdict.MISCONFIGURED


def test_configuration_errors_say_what_to_do() -> None:
    fixes = {}
    for message, kind in ((RBAC, "workflows"), (TERMINATING, "workflows"), (NO_NAMESPACE, "namespaces"), ("?", "")):
        code = 403 if "forbidden" in message else 404
        raised = error(read_answer(code, JSON, status(code, "", message, kind)), Operation.CREATE, "x")
        assert isinstance(raised, Misconfigured)
        fixes[message] = raised.fix
    assert "Role" in fixes[RBAC]
    assert "deleted" in fixes[TERMINATING]
    assert "WORKFLOW_NAMESPACE" in fixes[NO_NAMESPACE]
    assert "CRD" in fixes["?"]


def test_a_refusal_names_the_causes_and_keeps_the_policys_words() -> None:
    causes = [{"reason": "FieldValueInvalid", "message": "must be of type string", "field": "spec.entrypoint"}]
    invalid = error(read_answer(422, JSON, status(422, "Invalid", "bad", causes=causes)), Operation.CREATE, "x")
    assert isinstance(invalid, Rejected)
    assert invalid.code == "workflow-invalid"
    assert "FieldValueInvalid: spec.entrypoint: must be of type string" in invalid.message

    denied = error(read_answer(403, JSON, status(403, "Forbidden", POLICY)), Operation.CREATE, "x")
    assert isinstance(denied, Rejected)
    assert denied.code == "denied-by-policy"
    assert "no names" in denied.message

    large = error(read_answer(413, JSON, status(413, "", "Request entity too large")), Operation.CREATE, "x")
    assert isinstance(large, Rejected)
    assert large.code == "workflow-too-large"


def _connector(os_error: OSError) -> aiohttp.ClientConnectorError:
    key = SimpleNamespace(host="h", port=1, ssl=True, is_ssl=True)
    return aiohttp.ClientConnectorError(key, os_error)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "failure",
    [
        TimeoutError(),
        aiohttp.ServerTimeoutError(),
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientOSError(104, "reset"),
        aiohttp.ClientPayloadError("truncated"),
        _connector(ConnectionRefusedError(111, "refused")),
        ConnectionResetError(),
        ssl.SSLError("handshake"),
        OSError("no route"),
    ],
)
def test_no_answer_is_unavailable(failure: Exception) -> None:
    raised = error_of_exception(failure, Operation.CREATE, "Workflow argo/x")
    assert type(raised) is Unavailable
    assert raised.system == "kubernetes"
    assert "Workflow argo/x" in str(raised)


def test_a_certificate_that_does_not_verify_stays_wrong() -> None:
    key = SimpleNamespace(host="h", port=1, ssl=True, is_ssl=True)
    wrapped = aiohttp.ClientConnectorCertificateError(key, ssl.SSLCertVerificationError("unknown CA"))  # type: ignore[arg-type]
    for failure in (wrapped, ssl.SSLCertVerificationError("unknown CA")):
        raised = error_of_exception(failure, Operation.GET, "x")
        assert type(raised) is Misconfigured
        assert "certificate authority" in raised.fix
