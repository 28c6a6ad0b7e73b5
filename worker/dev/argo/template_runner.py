"""The runner that executes the WorkflowTemplates: each task's template is walked, each of its steps carried out.

Steps act with the token of the Workflow's service account, as its pods would, so that its Role is tried as well.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from worker.dev.argo.client import ApiAnswerError, ApiClient
from worker.dev.argo.kubectl import Discovery
from worker.dev.argo.resource_step import ResourceSteps
from worker.dev.argo.runner import TaskCall, TaskResult
from worker.dev.argo.walk import Reference, Walk

if TYPE_CHECKING:
    from types import TracebackType


class TemplateRunner:
    """Carries tasks out by their WorkflowTemplates; use as an async context manager.

    A task that a restarted controller asks for again begins with its first step; `apply`, `get` and `delete` allow it.
    """

    def __init__(
        self, client: ApiClient, *, interval: float = 0.1, impersonate: bool = True, deadline: float | None = None
    ) -> None:
        """Prepare a runner.

        Args:
            client: not opened yet; the runner opens and closes it.
            interval: seconds between two looks at a resource that is waited for.
            impersonate: act as the Workflow's service account; otherwise with the client's own rights.
            deadline: longest time that a step may take, in seconds, in place of longer ones in the templates.
        """
        self._client = client
        self._interval = interval
        self._impersonate = impersonate
        self._deadline = deadline
        self._stack = AsyncExitStack()
        self._steps: dict[tuple[str, str], ResourceSteps] = {}

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def run(self, call: TaskCall) -> TaskResult:
        """Carry out one task."""
        try:
            steps = await self._steps_of(call.namespace, call.service_account)
        except ApiAnswerError as error:
            account = f"{call.namespace}/{call.service_account}"
            return TaskResult("Error", f"error looking up service account {account}: {error.said}")
        walk = Walk(call.workflow, call.namespace, call.scope, call.lookup, steps, self._deadline)
        node = {**call.node, "children": []}
        ended = await walk.template(
            node, Reference(call.template, call.entry), call.arguments, {"tasks.name": call.task}
        )
        return TaskResult(ended.phase, ended.message, ended.outputs, walk.nodes)

    async def _steps_of(self, namespace: str, account: str) -> ResourceSteps:
        key = (namespace, account) if self._impersonate else ("", "")
        if key not in self._steps:
            client = await self._signed_in(namespace, account) if self._impersonate else self._client
            self._steps.setdefault(key, ResourceSteps(client, Discovery(client), self._interval))
        return self._steps[key]

    async def _signed_in(self, namespace: str, account: str) -> ApiClient:
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        token = (await self._client.call("POST", path, request))["status"]["token"]
        return await self._stack.enter_async_context(self._client.as_user(token, "argoexec/simulated"))
