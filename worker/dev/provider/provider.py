"""The provider's loop: one task for each claim that is not yet as its spec wants it."""

from __future__ import annotations

import asyncio
import base64
import logging
from typing import TYPE_CHECKING, Self

import aiohttp

from worker.dev.argo.client import ApiAnswerError, ApiClient
from worker.dev.argo.informer import Informer
from worker.dev.argo.nodes import now
from worker.dev.endings import end_tasks
from worker.dev.provider.kinds import KINDS, Json, Provision, provision

if TYPE_CHECKING:
    from types import TracebackType

SIMULATE_FAILURE = "platform.io/simulate-failure"
"""Annotation of a claim: it fails, with this text as its status message."""

_log = logging.getLogger(__name__)
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_COMPONENT = "platform.io/component"
_MERGE_PATCH = "application/merge-patch+json"
_NOT_FOUND, _CONFLICT = 404, 409
_AGAIN = 0.5


class SimulatedProvider:
    """Makes the claims of an API ready; use as an async context manager.

    Attributes:
        seconds: how long a claim takes.
        failures: status message by component (annotation `platform.io/component`) or claim name: these claims fail.
    """

    def __init__(self, client: ApiClient, *, seconds: float = 0.3) -> None:
        """Prepare a provider.

        Args:
            client: not opened yet; the provider opens and closes it.
            seconds: how long a claim takes to become ready.
        """
        self.seconds = seconds
        self.failures: dict[str, str] = {}
        self._client = client
        self._watching: list[asyncio.Task[None]] = []
        self._seen: dict[str, tuple[int, asyncio.Task[None]]] = {}
        self._deleting: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        try:
            for definition in (await self._client.call("GET", _DEFINITIONS))["items"]:
                spec = definition["spec"]
                if spec["names"]["kind"] in KINDS and spec["scope"] == "Namespaced":
                    version = next(one["name"] for one in spec["versions"] if one["storage"])
                    await self._watch(f"/apis/{spec['group']}/{version}", spec["names"]["plural"])
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [*self._watching, *(task for _, task in self._seen.values()), *self._deleting]
        for task in tasks:
            task.cancel()
        await self._client.__aexit__(kind, error, trace)
        await end_tasks(tasks)

    async def _watch(self, group: str, plural: str) -> None:
        def put_all(listed: list[Json]) -> None:
            for claim in listed:
                self._put(group, plural, claim)

        informer = Informer(
            self._client,
            f"{group}/{plural}",
            replace=put_all,
            put=lambda claim: self._put(group, plural, claim),
            remove=self._removed,
        )
        self._watching.append(await informer.start())

    def _put(self, group: str, plural: str, claim: Json) -> None:
        metadata = claim["metadata"]
        wanted = metadata.get("generation", 0)
        seen, task = self._seen.get(metadata["uid"], (-1, None))
        if seen == wanted:
            return  # its own status, or an annotation
        if task is not None:
            task.cancel()
        path = f"{group}/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}"
        self._seen[metadata["uid"]] = (wanted, asyncio.create_task(self._provide(path, claim)))

    def _removed(self, claim: Json) -> None:
        _, task = self._seen.pop(claim["metadata"]["uid"], (0, None))
        if task is not None:
            task.cancel()
        if claim["spec"].get("deletionPolicy") != "Orphan":
            deleting = asyncio.create_task(self._delete_secrets(claim))
            self._deleting.add(deleting)
            deleting.add_done_callback(self._deleting.discard)

    async def _provide(self, path: str, claim: Json) -> None:
        """Bring a claim to its end; whatever the API does, it is tried again."""
        while True:
            try:
                await self._steps(path, claim)
            except ApiAnswerError as error:
                if error.code == _NOT_FOUND:
                    return  # deleted meanwhile
                _log.warning("claim %s could not be provided and is tried again: %s", path, error)
            except (aiohttp.ClientError, TimeoutError) as error:
                _log.debug("claim %s could not be provided and is tried again: %s", path, error)
            except Exception:  # noqa: BLE001 - told where people see it, instead of at the end or never
                _log.exception("claim %s cannot be provided: it stays unready until it changes", path)
                return
            else:
                return
            await asyncio.sleep(_AGAIN)

    async def _steps(self, path: str, claim: Json) -> None:
        made = provision(claim)
        token = claim["spec"].get("generation", "0")
        reason = self._failure(claim)
        # Until it is ready the status is about the new token already: an old Ready must not count.
        await self._status(path, {"ready": False, "appliedGeneration": token, "message": reason or made.waiting})
        if reason:
            return
        await asyncio.sleep(self.seconds)
        await self._make_secrets(claim, made)
        ready = {"type": "Ready", "status": "True", "reason": "Available", "lastTransitionTime": now()}
        await self._status(path, {**made.status, "ready": True, "message": None, "conditions": [ready]})

    def _failure(self, claim: Json) -> str:
        metadata = claim["metadata"]
        annotations = metadata.get("annotations") or {}
        asked: str = annotations.get(SIMULATE_FAILURE, "")
        return asked or self.failures.get(annotations.get(_COMPONENT, "")) or self.failures.get(metadata["name"], "")

    async def _status(self, path: str, status: Json) -> None:
        await self._client.call("PATCH", f"{path}/status", {"status": status}, content_type=_MERGE_PATCH)

    async def _make_secrets(self, claim: Json, made: Provision) -> None:
        """Make the connection Secrets; one that is there keeps its values, since somebody may use them."""
        namespace = claim["metadata"]["namespace"]
        labels = claim["metadata"].get("labels") or {}
        for name, values in made.secrets.items():
            secret = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": namespace, "labels": labels},
                "type": "Opaque",
                "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
            }
            try:
                await self._client.call("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
            except ApiAnswerError as error:
                if error.code != _CONFLICT:
                    raise

    async def _delete_secrets(self, claim: Json) -> None:
        namespace = claim["metadata"]["namespace"]
        for name in provision(claim).secrets:
            try:
                await self._client.call("DELETE", f"/api/v1/namespaces/{namespace}/secrets/{name}")
            except ApiAnswerError as error:
                if error.code != _NOT_FOUND:
                    _log.warning("Secret %s/%s of a deleted claim is left behind: %s", namespace, name, error)
