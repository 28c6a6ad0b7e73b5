"""When the Deployment of a claim counts as ready: the query in the Composition, evaluated by a real API server.

The provider evaluates it with the same CEL; here a ValidatingAdmissionPolicy does, on changes of a Deployment's status.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.platform import goldens
from tests.platform.goldens import Layout
from tests.support.control_plane_api import MERGE_PATCH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.control_plane_api import ControlPlaneApi

pytestmark = pytest.mark.cluster

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
PATIENCE = 20.0
#: Answers in a row that must agree: admission reads its configuration from a cache.
SETTLED = 3


def condition(kind: str, status: str) -> dict[str, str]:
    return {"type": kind, "status": status, "reason": "Test", "message": ""}


AVAILABLE = condition("Available", "True")
NOT_AVAILABLE = {"observedGeneration": 1, "conditions": [condition("Available", "False")]}


class Deployment:
    """A Deployment of generation 1, whose status only becomes what the query calls ready."""

    def __init__(self, api: ControlPlaneApi, namespace: str) -> None:
        self._api = api
        made = goldens.objects(goldens.rendered(Layout(), "minimal"))["deployment"]
        self.query: str = made["spec"]["readiness"]["celQuery"]
        manifest = made["spec"]["forProvider"]["manifest"]
        manifest["metadata"]["namespace"] = namespace
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        api.expect(201, "POST", path, manifest)
        self._status = f"{path}/{manifest['metadata']['name']}/status?dryRun=All"

    def ready(self, status: dict[str, Any]) -> bool:
        answer = self._api.request("PATCH", self._status, {"status": status}, content_type=MERGE_PATCH)
        assert answer.status in {200, 422}, answer.message
        assert answer.status == 200 or "failed expression" in answer.message, answer.message
        return answer.status == 200


@pytest.fixture(scope="module")
def deployment(control_plane: ControlPlaneApi) -> Iterator[Deployment]:
    api, namespace, name = control_plane, control_plane.namespace("readiness"), f"readiness-{secrets.token_hex(4)}"
    found = Deployment(api, namespace)
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments/status"]}
    policy = {
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [rule],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            },
            "validations": [{"expression": found.query}],
        },
    }
    binding = {"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}}
    api.expect(201, "POST", f"{ADMISSION}/validatingadmissionpolicies", policy)
    api.expect(201, "POST", f"{ADMISSION}/validatingadmissionpolicybindings", binding)
    try:
        _wait_until_active(found)
        yield found
    finally:
        api.expect(200, "DELETE", f"{ADMISSION}/validatingadmissionpolicybindings/{name}")
        api.expect(200, "DELETE", f"{ADMISSION}/validatingadmissionpolicies/{name}")


def _wait_until_active(deployment: Deployment) -> None:
    deadline, agreed = time.monotonic() + PATIENCE, 0
    while agreed < SETTLED:
        agreed = 0 if deployment.ready(NOT_AVAILABLE) else agreed + 1
        assert time.monotonic() < deadline, "the policy is not active"
        time.sleep(0.05)


@pytest.mark.parametrize(
    "status",
    [
        {"observedGeneration": 1, "conditions": [AVAILABLE]},
        {"observedGeneration": 1, "conditions": [condition("Progressing", "True"), AVAILABLE]},
        {"observedGeneration": 1, "conditions": [condition("Progressing", "Unknown"), AVAILABLE]},
    ],
    ids=["available", "with-a-new-image", "paused"],
)
def test_ready(deployment: Deployment, status: dict[str, Any]) -> None:
    assert deployment.ready(status)


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"observedGeneration": 1},
        {"conditions": [AVAILABLE]},
        {"observedGeneration": 2, "conditions": [AVAILABLE]},
        NOT_AVAILABLE,
        {"observedGeneration": 1, "conditions": [condition("Progressing", "True")]},
        {"observedGeneration": 1, "conditions": [AVAILABLE, condition("Progressing", "False")]},
    ],
    ids=["new", "no-conditions", "never-seen", "another-generation", "no-pods", "no-verdict", "stuck-rollout"],
)
def test_not_ready(deployment: Deployment, status: dict[str, Any]) -> None:
    assert not deployment.ready(status)
