"""The few calls on Workflows that the worker makes, and the one read of an Application.

Each answer becomes a result or one error of ``worker.errors`` through ``answers``. Nothing is repeated here: a call
that got no answer may have been carried out, and the corridor resumes an interrupted run by its deterministic name.
"""

from __future__ import annotations

import json
import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp

from worker.errors import Misconfigured, Rejected
from worker.outbound.answers import SYSTEM, Answer, Operation, Verdict, error, error_of_exception, judge, read_answer
from worker.outbound.breaker import Breaker, guarded
from worker.outbound.observed_workflow import observed_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.domain.events import AppKey
    from worker.domain.observed import ObservedRun
    from worker.outbound.kubernetes_client import KubernetesClient, Response

#: Starts a suspended run, unless it was stopped: the server tests and removes in one write.
START_PATCH = b'[{"op":"test","path":"/spec/shutdown","value":null},{"op":"remove","path":"/spec/suspend"}]'
#: What is counted, beside the verdicts, when a call ended without an answer.
NO_ANSWER = "no-answer"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)


def workflows_path(namespace: str) -> str:
    """Return the path of the collection of Workflows in a namespace."""
    return f"/apis/argoproj.io/v1alpha1/namespaces/{quote(namespace, safe='')}/workflows"


async def answer_of(
    client: KubernetesClient,
    operation: Operation,
    what: str,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    content_type: str = "application/json",
) -> tuple[Verdict, Response, Answer]:
    """Send one request and judge its answer.

    Args:
        client: The session.
        operation: What is asked, for the verdict.
        what: The object concerned, for messages.
        method: HTTP method.
        path: Path with query.
        body: The body as it goes over the wire.
        content_type: Of the body.

    Raises:
        Unavailable: There was no answer.
    """
    try:
        response = await client.request(method, path, body=body, content_type=content_type)
    except (aiohttp.ClientError, OSError, TimeoutError) as failure:
        client.count(NO_ANSWER)
        raise error_of_exception(failure, operation, what) from failure
    if response.status in {HTTPStatus.OK, HTTPStatus.CREATED}:
        client.count(Verdict.OK.value)
        return Verdict.OK, response, Answer(response.status)
    answer = read_answer(response.status, response.headers, response.body, now=time.time())
    verdict = judge(answer, operation)
    client.count(verdict.value)
    return verdict, response, answer


class KubernetesWorkflows:
    """Workflows of one namespace; implements ``ports.WorkflowApi``."""

    def __init__(self, client: KubernetesClient, namespace: str, *, breaker: Breaker | None = None) -> None:
        """Work on the Workflows of ``namespace`` through ``client``, which the caller closes."""
        self.breaker = breaker or Breaker(SYSTEM)
        self._client = client
        self._namespace = namespace
        self._path = workflows_path(namespace)

    @guarded
    async def create(self, name: str, body: bytes) -> bool:
        """Create a Workflow; ``False`` if the name exists already.

        Raises:
            Rejected: The server or a policy refuses it for good.
            Deferred: The namespace's quota is used up, or somebody else wrote it at the same time.
            Unavailable, Misconfigured: See ``answers``.
        """
        verdict, _, answer = await self._call(Operation.CREATE, name, "POST", self._path, body=body)
        if verdict in {Verdict.OK, Verdict.EXISTS}:
            return verdict is Verdict.OK
        raise error(answer, Operation.CREATE, self._what(name))

    @guarded
    async def get(self, name: str) -> ObservedRun | None:
        """Return the Workflow, or ``None`` if there is none.

        Raises:
            Unavailable, Misconfigured: See ``answers``.
        """
        verdict, response, answer = await self._call(Operation.GET, name, "GET", self._object(name))
        if verdict is Verdict.OK:
            return observed_run(json.loads(response.body))
        if verdict is Verdict.ABSENT:
            return None
        raise error(answer, Operation.GET, self._what(name))

    @guarded
    async def start(self, name: str) -> bool:
        """Release a suspended run; ``False`` if it was stopped, is released already, or is gone.

        Raises:
            LostRace: Too many others wrote it at the same time; whether it may still be started must be looked up.
            Unavailable, Misconfigured: See ``answers``.
        """
        verdict, _, answer = await self._call(
            Operation.START, name, "PATCH", self._object(name), body=START_PATCH, content_type=JSON_PATCH
        )
        if verdict is Verdict.OK:
            return True
        if verdict in {Verdict.REFUSED, Verdict.ABSENT}:
            return False
        raise error(answer, Operation.START, self._what(name))

    @guarded
    async def stop(self, name: str, superseded_by: str) -> bool:
        """Stop a run, suspended or not; ``False`` if it is gone. Harmless if it is over.

        ``Stop`` alone would leave a suspended run hanging, and ``Terminate`` lets a waiting one end as Succeeded.

        Args:
            name: Name of the run to stop.
            superseded_by: Name of the run or key of the delivery that takes its place; kept as an annotation.

        Raises:
            Deferred: Somebody else wrote it at the same time.
            Unavailable, Misconfigured: See ``answers``.
        """
        patch = {
            "metadata": {"annotations": {"platform.io/superseded-by": superseded_by}},
            "spec": {"shutdown": "Stop", "suspend": None},
        }
        body = json.dumps(patch, separators=(",", ":")).encode()
        verdict, _, answer = await self._call(
            Operation.STOP, name, "PATCH", self._object(name), body=body, content_type=MERGE_PATCH
        )
        if verdict in {Verdict.OK, Verdict.ABSENT}:
            return verdict is Verdict.OK
        raise error(answer, Operation.STOP, self._what(name))

    async def _call(
        self, operation: Operation, name: str, method: str, path: str, **request: Any
    ) -> tuple[Verdict, Response, Answer]:
        return await answer_of(self._client, operation, self._what(name), method, path, **request)

    def _object(self, name: str) -> str:
        return f"{self._path}/{quote(name, safe='')}"

    def _what(self, name: str) -> str:
        return f"Workflow {self._namespace}/{name}"


class KubernetesApplications:
    """Reads Applications; implements ``ports.ApplicationReader``."""

    def __init__(self, client: KubernetesClient, *, breaker: Breaker | None = None) -> None:
        """Read through ``client``, which the caller closes."""
        self.breaker = breaker or Breaker(SYSTEM)
        self._client = client

    @guarded
    async def get(self, app: AppKey) -> Mapping[str, Any] | None:
        """Return the Application, or ``None`` if there is none.

        Raises:
            Rejected: This installation may not read Applications, or does not have them.
            Unavailable: See ``answers``.
        """
        if not (_NAME.fullmatch(app.namespace) and _NAME.fullmatch(app.name)):
            return None  # no object can have that name, and a path with it could be another one's
        what = f"Application {app}"
        path = f"/apis/core.oam.dev/v1beta1/namespaces/{app.namespace}/applications/{app.name}"
        verdict, response, answer = await answer_of(self._client, Operation.GET, what, "GET", path)
        if verdict is Verdict.OK:
            found: Mapping[str, Any] = json.loads(response.body)
            return found
        if verdict is Verdict.ABSENT:
            return None
        failure = error(answer, Operation.GET, what)
        if not isinstance(failure, Misconfigured):
            raise failure
        raise Rejected(
            "application-unreadable",
            "an AdmissionReview is only a hint, and this installation may not read the Application that it speaks of",
            fix="allow the worker to get applications.core.oam.dev, or send the Application as a CloudEvent "
            "of type io.platform.oam.application.changed.v1",
        ) from failure
