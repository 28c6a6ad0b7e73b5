"""Every step is tried again for what passes by itself, for a bounded time, and not for what the API server refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workflows.rehearsal import TEMPLATES
from worker.dev.argo.durations import seconds
from worker.dev.argo.handover import Ended
from worker.dev.argo.retries import Retries

LEAVES = [
    pytest.param(template, id=f"{name}-{template['name']}")
    for name, body in TEMPLATES.items()
    for template in body["spec"]["templates"]
    if "resource" in template
]
(ACTING,) = {
    template["retryStrategy"]["expression"]
    for body in TEMPLATES.values()
    for template in body["spec"]["templates"]
    if "expression" in template.get("retryStrategy", {})
}
POD = "main: Error (exit code 64): no more retries "


@pytest.mark.parametrize("template", LEAVES)
def test_a_step_has_an_end_and_a_second_chance(template: dict[str, Any]) -> None:
    strategy = template["retryStrategy"]
    assert strategy["limit"] == "4"
    assert seconds(strategy["backoff"]["maxDuration"]) <= 300
    assert seconds(template["activeDeadlineSeconds"]) <= 2400
    # A wait that failed has used up its deadline; what acts is told apart by its message.
    waits = "successCondition" in template["resource"]
    assert strategy["retryPolicy"] == ("OnError" if waits else "Always")
    assert ("expression" in strategy) is not waits


def again(message: str, phase: str = "Failed") -> bool:
    strategy = Retries.of({"limit": "4", "retryPolicy": "Always", "expression": ACTING})
    return strategy.refusal(Ended(phase, message), 1) is None


@pytest.mark.parametrize(
    "message",
    [
        "Unable to connect to the server: dial tcp 10.0.0.1:443: connect: connection refused",
        "read tcp 10.0.0.2:1->10.0.0.1:443: read: connection reset by peer",
        "http2: client connection lost",
        "Unable to connect to the server: net/http: TLS handshake timeout",
        "dial tcp 10.0.0.1:443: i/o timeout",
        "dial tcp 10.0.0.1:443: connect: connection timed out",
        "context deadline exceeded",
        "unexpected EOF",
        "Error from server (Timeout): the server was unable to return a response in the time allotted",
        "Error from server (ServiceUnavailable): the server is currently unable to handle the request",
        "Error from server (TooManyRequests): the server has received too many requests and has asked us to try again",
        "Error from server (InternalError): Internal error occurred: failed calling webhook",
        "rpc error: etcdserver: leader changed",
        'Error from server (Forbidden): infrastructureclaims "x" is forbidden: exceeded quota: claims, requested: 1',
    ],
)
def test_what_passes_by_itself_is_tried_again(message: str) -> None:
    assert again(POD + message)


@pytest.mark.parametrize(
    "message",
    [
        'The InfrastructureClaim "x" is invalid: spec.size: Unsupported value: "enormous"',
        'The InfrastructureClaim "timeout" is invalid: spec.connectionSecretRef.name: Invalid value: "x-connection"',
        'The ApplicationClaim "EOF" is invalid: spec.name: Invalid value: "etcdserver exceeded quota"',
        'Error from server (Forbidden): infrastructureclaims "x" is forbidden: User "y" cannot patch resource',
        'Apply failed with 1 conflict: conflict with "kubectl" using v1: .spec.connectionSecretRef.name',
        'error: no matches for kind "ServiceMonitor" in version "monitoring.coreos.com/v1"',
        'Error from server (NotFound): namespaces "shop" not found',
        "failure condition 'metadata.name' evaluated true",
    ],
)
def test_what_is_refused_fails_at_once(message: str) -> None:
    assert not again(POD + message)


def test_a_pod_that_never_ran_is_tried_again() -> None:
    assert again("pod deleted", phase="Error")
