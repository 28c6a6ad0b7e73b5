"""The two API servers that the adapter tests run on, and how each is made to refuse; the tests are the same."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp

from tests.support.control_plane_api import MERGE_PATCH, ControlPlaneApi
from worker.dev.kubernetes import KubernetesApi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.support.control_plane import ControlPlane

JsonObject = dict[str, Any]
VERBS = ["create", "get", "list", "watch", "patch"]


class Cluster(Protocol):
    """An API server under test, with the administrator's rights."""

    async def call(
        self, method: str, path: str, body: object = None, content_type: str = ...
    ) -> tuple[int, JsonObject]:
        """Send one request as the administrator."""

    def kubeconfig(self, token: str | None = None) -> Path:
        """Write a kubeconfig; for the administrator without a token."""

    def refusing(self, what: str, namespace: str) -> AbstractAsyncContextManager[None]:
        """Refuse creates in a namespace: by ``quota`` or ``policy``."""


async def new_namespace(cluster: Cluster) -> str:
    name = f"test-{secrets.token_hex(4)}"
    code, body = await cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    assert code == 201, body
    return name


async def service_account(cluster: Cluster, namespace: str, verbs: list[str]) -> str:
    """Make a ServiceAccount that may do ``verbs`` on Workflows of its namespace; return its token."""
    core, rbac = f"/api/v1/namespaces/{namespace}", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    rules = [{"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": verbs}]
    name = f"worker-{secrets.token_hex(3)}"
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
    for path, body in (
        (f"{core}/serviceaccounts", {"metadata": {"name": name}}),
        (f"{rbac}/roles", {"metadata": {"name": name}, "rules": rules}),
        (f"{rbac}/rolebindings", binding),
    ):
        code, answer = await cluster.call("POST", path, body)
        assert code == 201, answer
    path = f"{core}/serviceaccounts/{name}/token"
    code, answer = await cluster.call("POST", path, {"spec": {"expirationSeconds": 3600}})
    assert code == 201, answer
    return str(answer["status"]["token"])


class EmbeddedCluster:
    """The embedded API in this event loop."""

    def __init__(self, api: KubernetesApi, folder: Path) -> None:
        self.api = api
        self._folder = folder

    async def call(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> tuple[int, JsonObject]:
        headers = {"Authorization": f"Bearer {self.api.token}", "Content-Type": content_type}
        data = None if body is None else json.dumps(body)
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.api.url + path, data=data, headers=headers) as response,
        ):
            return response.status, await response.json(content_type=None)

    def kubeconfig(self, token: str | None = None) -> Path:
        config = self.api.kubeconfig()
        if token is not None:
            config["users"][0]["user"]["token"] = token
        path = self._folder / f"{secrets.token_hex(4)}.kubeconfig"
        path.write_text(json.dumps(config))
        return path

    @contextlib.asynccontextmanager
    async def refusing(self, what: str, namespace: str) -> AsyncIterator[None]:
        rule = self.api.faults.inject(refuse=what, times=None, match={"verb": "create", "namespace": namespace})
        try:
            yield
        finally:
            self.api.faults.remove(rule.id)


class RealCluster:
    """A real kube-apiserver with etcd."""

    def __init__(self, server: ControlPlane) -> None:
        self.server = server

    async def call(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> tuple[int, JsonObject]:
        send = ControlPlaneApi.request
        answer = await asyncio.to_thread(send, self.server, method, path, body, content_type=content_type)
        return answer.status, answer.body

    def kubeconfig(self, token: str | None = None) -> Path:
        return self.server.kubeconfig(secrets.token_hex(4), token)

    @contextlib.asynccontextmanager
    async def refusing(self, what: str, namespace: str) -> AsyncIterator[None]:
        made = await (self._quota(namespace) if what == "quota" else self._policy(namespace))
        try:
            yield
        finally:
            for path in made:
                await self.call("DELETE", path)

    async def _quota(self, namespace: str) -> list[str]:
        # There is no controller that counts: the test says that everything is used.
        path = f"/api/v1/namespaces/{namespace}/resourcequotas"
        hard = {"count/workflows.argoproj.io": "0"}
        await self.call("POST", path, {"metadata": {"name": "full"}, "spec": {"hard": hard}})
        await self.call("PATCH", f"{path}/full/status", {"status": {"hard": hard, "used": hard}}, MERGE_PATCH)
        await self._until_refused(namespace, "exceeded quota")
        return [f"{path}/full"]

    async def _policy(self, namespace: str) -> list[str]:
        base, name = "/apis/admissionregistration.k8s.io/v1", f"deny-{namespace}"
        rule = {
            "apiGroups": ["argoproj.io"],
            "apiVersions": ["*"],
            "operations": ["CREATE"],
            "resources": ["workflows"],
        }
        policy = {
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [rule]},
                "validations": [
                    {"expression": f"object.metadata.namespace != '{namespace}'", "message": "refused by policy"}
                ],
            },
        }
        binding = {"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}}
        made: list[str] = []
        for plural, body in (
            ("validatingadmissionpolicies", policy),
            ("validatingadmissionpolicybindings", binding),
        ):
            code, answer = await self.call("POST", f"{base}/{plural}", body)
            assert code == 201, answer
            made.insert(0, f"{base}/{plural}/{name}")
        await self._until_refused(namespace, "refused by policy")
        return made

    async def _until_refused(self, namespace: str, words: str) -> None:
        """Admission plugins read what they enforce through a watch: wait until a dry run is refused."""
        path = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows?dryRun=All"
        async with asyncio.timeout(20):
            while True:
                probe = {
                    "apiVersion": "argoproj.io/v1alpha1",
                    "kind": "Workflow",
                    "metadata": {"name": "probe"},
                    "spec": {"entrypoint": "main", "templates": []},
                }
                code, answer = await self.call("POST", path, probe)
                if words in answer.get("message", ""):
                    return
                assert code == 201, answer
                await asyncio.sleep(0.05)
