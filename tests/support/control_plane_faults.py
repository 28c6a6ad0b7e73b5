"""Ways to make a real API server refuse creates of Workflows on demand, with the answers that it gives in production.

Each is a context manager: inside the block the refusal is certain (a dry run has met it), after it, gone for good.
All are tied to one namespace, so suites can share a control plane.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.control_plane_api import Answer, ControlPlaneApi

_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_TIMEOUT = 20.0
_POLL = 0.02
#: Answers in a row that must agree: admission reads its configuration from a cache.
_SETTLED = 3


@contextlib.contextmanager
def denied_by_policy(
    api: ControlPlaneApi, namespace: str, *, message: str = "the platform is frozen", reason: str = "Forbidden"
) -> Iterator[None]:
    """Refuse every create of a Workflow in ``namespace`` by a ValidatingAdmissionPolicy.

    Args:
        api: Where.
        namespace: The only namespace concerned.
        message: What the policy says.
        reason: ``Forbidden`` is answered with 403, ``RequestEntityTooLarge`` with 413, ``Invalid`` with 422.
    """
    name = f"deny-{secrets.token_hex(4)}"
    rule = {"apiGroups": ["argoproj.io"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["workflows"]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    policy = {
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
            "validations": [{"expression": "false", "message": message, "reason": reason}],
        },
    }
    binding = {"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}}
    api.expect(201, "POST", f"{_ADMISSION}/validatingadmissionpolicies", policy)
    api.expect(201, "POST", f"{_ADMISSION}/validatingadmissionpolicybindings", binding)
    try:
        _wait(api, namespace, refused=True)
        yield
    finally:
        api.expect(200, "DELETE", f"{_ADMISSION}/validatingadmissionpolicybindings/{name}")
        api.expect(200, "DELETE", f"{_ADMISSION}/validatingadmissionpolicies/{name}")
        _wait(api, namespace, refused=False)


@contextlib.contextmanager
def quota_exhausted(api: ControlPlaneApi, namespace: str) -> Iterator[None]:
    """Let the quota of ``namespace`` allow no more Workflows.

    The controller that counts usage is not running, so the test writes the count itself.
    """
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    counted = {"count/workflows.argoproj.io": "0"}
    api.expect(201, "POST", path, {"metadata": {"name": "exhausted"}, "spec": {"hard": counted}})
    quota = f"{path}/exhausted"
    status = {"status": {"hard": counted, "used": counted}}
    try:
        api.expect(200, "PATCH", f"{quota}/status", status, content_type="application/merge-patch+json")
        _wait(api, namespace, refused=True)
        yield
    finally:
        api.expect(200, "DELETE", quota)
        _wait(api, namespace, refused=False)


def _wait(api: ControlPlaneApi, namespace: str, *, refused: bool) -> None:
    deadline = time.monotonic() + _TIMEOUT
    agreeing = 0
    while agreeing < _SETTLED:
        answer = _dry_run(api, namespace)
        agreeing = agreeing + 1 if (answer.status != 201) == refused else 0
        if time.monotonic() > deadline:
            wanted = "refused" if refused else "accepted"
            raise TimeoutError(
                f"Workflows in {namespace} not {wanted} after {_TIMEOUT:g} s: {answer.status} {answer.body}"
            )
        time.sleep(_POLL)


def _dry_run(api: ControlPlaneApi, namespace: str) -> Answer:
    workflow: dict[str, Any] = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": f"probe-{secrets.token_hex(4)}"},
        "spec": {},
    }
    return api.request("POST", f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows?dryRun=All", workflow)
