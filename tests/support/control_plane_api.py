"""Requests to a real API server from tests: any HTTP status is an answer, and set-up steps say what the server said.

Deliberately without the product's Kubernetes client, so that a test does not trust what it tests.
"""

from __future__ import annotations

import json
import secrets
import ssl
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
_TIMEOUT = 10.0
_POLL = 0.02


class Answer(NamedTuple):
    """What the API server said.

    Attributes:
        status: HTTP status code.
        body: Decoded JSON; plain text (the 429 of max-in-flight) as ``{"message": text}``.
    """

    status: int
    body: dict[str, Any]

    @property
    def reason(self) -> str:
        """The `reason` of a Status object, or ``""``."""
        return str(self.body.get("reason", ""))

    @property
    def message(self) -> str:
        """The `message` of a Status object, or ``""``."""
        return str(self.body.get("message", ""))


class ControlPlaneApi:
    """The API of one control plane, with the admin's rights unless a token says otherwise.

    Attributes:
        url: Base address, ``https://127.0.0.1:<port>``.
        ca_file: PEM file to trust.
        admin_token: Bearer token of a member of `system:masters`.
    """

    def __init__(self, url: str, ca_file: Path, admin_token: str) -> None:
        self.url = url
        self.ca_file = ca_file
        self.admin_token = admin_token
        self._tls = ssl.create_default_context(cafile=str(ca_file))

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        content_type: str = "application/json",
        timeout: float = 30.0,
    ) -> Answer:
        """Send one request, as the admin unless ``token`` says otherwise; any HTTP status is an answer, not an error.

        Args:
            method: HTTP method.
            path: Path and query.
            body: Sent as JSON; bytes are sent as they are.
            token: Bearer token of somebody else.
            content_type: Of the body; one of the patch types for PATCH.
            timeout: Seconds for each socket operation.

        Raises:
            OSError: the server could not be reached or did not answer in time.
        """
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {
            "Authorization": f"Bearer {token or self.admin_token}",
            "Content-Type": content_type,
            "Accept": "application/json",
        }
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, context=self._tls, timeout=timeout) as response:
                return _decode(response.status, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return _decode(error.code, error.read())

    def expect(self, status: int, method: str, path: str, body: object = None, **options: Any) -> dict[str, Any]:
        """Send one request that must be answered with ``status``; return the body.

        Raises:
            AssertionError: it was answered otherwise; the message has the server's words.
        """
        answer = self.request(method, path, body, **options)
        if answer.status != status:
            raise AssertionError(
                f"{method} {path}: expected {status}, got {answer.status} {answer.message or answer.body}"
            )
        return answer.body

    def namespace(self, prefix: str = "test") -> str:
        """Create a namespace with a fresh name and return the name."""
        name = f"{prefix}-{secrets.token_hex(4)}"
        self.expect(201, "POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    def service_account(self, namespace: str, rules: Sequence[dict[str, Any]], name: str = "worker") -> str:
        """Create a service account with a Role of these rules in its namespace; return a token that has them.

        The token is valid for an hour.

        Raises:
            TimeoutError: the server did not grant the first right within 10 s.
        """
        core, rbac = f"/api/v1/namespaces/{namespace}", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        self.expect(201, "POST", f"{core}/serviceaccounts", {"metadata": {"name": name}})
        self.expect(201, "POST", f"{rbac}/roles", {"metadata": {"name": name}, "rules": list(rules)})
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }
        self.expect(201, "POST", f"{rbac}/rolebindings", binding)
        path = f"{core}/serviceaccounts/{name}/token"
        token = str(self.expect(201, "POST", path, {"spec": {"expirationSeconds": 3600}})["status"]["token"])
        if rules:
            self._wait_for_right(token, namespace, rules[0])
        return token

    def _wait_for_right(self, token: str, namespace: str, rule: dict[str, Any]) -> None:
        """Wait for the authorizer, which reads roles and bindings from a cache."""
        wanted = {"verb": rule["verbs"][0], "group": rule["apiGroups"][0], "resource": rule["resources"][0]}
        review = {"spec": {"resourceAttributes": {"namespace": namespace, **wanted}}}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        deadline = time.monotonic() + _TIMEOUT
        while not self.expect(201, "POST", path, review, token=token)["status"]["allowed"]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{wanted} in {namespace} is not granted after {_TIMEOUT:g} s")
            time.sleep(_POLL)


def _decode(status: int, raw: bytes) -> Answer:
    try:
        body = json.loads(raw)
    except ValueError:
        body = {"message": raw.decode(errors="replace")}
    return Answer(status, body)
