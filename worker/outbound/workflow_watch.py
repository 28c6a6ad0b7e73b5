"""The stream of what happens to the Workflows of this installation: first everything that is there, then each change.

A watch resumes where it broke off; when the server has forgotten that place (410) everything is listed again, and the
names of that list tell the observer which Workflows have gone in between. It never ends by itself and never dies of one
object.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp

from contracts.names import MANAGED_BY, Label
from worker.domain.observed import Delta, Gone, Listed, Seen
from worker.errors import Unavailable, WorkerError, shorten
from worker.outbound.answers import Operation, Verdict, error, error_of_exception, judge, read_answer
from worker.outbound.kubernetes_api import answer_of, workflows_path
from worker.outbound.observed_workflow import observed_run
from worker.outbound.workflow_text import label_value

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from worker.domain.observed import ObservedRun
    from worker.outbound.kubernetes_client import KubernetesClient

_log = logging.getLogger(__name__)

#: Workflows per answer of a list: an object may have a megabyte, and each answer is parsed in one go.
PAGE = 100
#: Seconds after which the server is asked to end a watch; it is then resumed, perhaps at another API server.
WATCH_SECONDS = 300
#: Seconds without a byte after which a watch counts as dead: servers send a bookmark every minute.
IDLE_TIMEOUT = 90.0
_FIRST_BACKOFF = 0.2
_MAX_BACKOFF = 15.0
#: A watch that lived this long was a good one: the next failure starts with a short pause again.
_GOOD_WATCH = 5.0
#: No object is larger (etcd takes 1.5 MiB); a line that is belongs to no Kubernetes API.
_MAX_LINE = 16 * 1024 * 1024


class _Expired(Exception):
    """Not an error: the place to resume from is too old, list again."""


class WorkflowWatch:
    """Lists and watches the Workflows that carry this installation's label."""

    def __init__(
        self,
        client: KubernetesClient,
        namespace: str,
        instance: str,
        *,
        on_bad: Callable[[str], None] = lambda _: None,
        page: int = PAGE,
        watch_seconds: int = WATCH_SECONDS,
        idle_timeout: float = IDLE_TIMEOUT,
    ) -> None:
        """Watch in ``namespace``; ``on_bad`` is called with the name of each object that cannot be read."""
        self._client = client
        self._path = workflows_path(namespace)
        self._what = f"Workflows in {namespace}"
        self._selector = f"{Label.MANAGED_BY}={MANAGED_BY},{Label.INSTANCE}={label_value(instance)}"
        self._on_bad = on_bad
        self._page = page
        self._watch_seconds = watch_seconds
        self._idle_timeout = idle_timeout
        self._bad: set[str] = set()

    async def deltas(self) -> AsyncIterator[Delta]:
        """Yield what is there and what changes, for ever; outages are waited for and logged."""
        version, backoff = "", _FIRST_BACKOFF
        while True:
            began, pause = time.monotonic(), 0.0
            try:
                if not version:
                    names: set[str] = set()
                    snapshot = ""
                    async for after, runs in self._list():
                        snapshot = after
                        for run in runs:
                            names.add(run.name)
                            yield Seen(run)
                    version = snapshot
                    yield Listed(frozenset(names))
                async for after, delta in self._watch(version):
                    version = after
                    if delta is not None:
                        yield delta
            except _Expired:
                version = ""
            except Unavailable as failure:
                pause = failure.retry_after or backoff
                _log.warning("cannot watch Workflows, trying again", extra={"error": str(failure), "seconds": pause})
            except WorkerError as failure:
                version, pause = "", _MAX_BACKOFF
                _log.error("cannot watch Workflows", extra={"error": str(failure)})
            backoff = _FIRST_BACKOFF if time.monotonic() - began > _GOOD_WATCH else min(backoff * 2, _MAX_BACKOFF)
            if time.monotonic() - began < _FIRST_BACKOFF:
                pause = max(pause, backoff)
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads retries, protects nothing

    async def _list(self) -> AsyncIterator[tuple[str, list[ObservedRun]]]:
        """Yield pages of a consistent list, each with the version to watch from.

        Raises:
            _Expired: The list took so long that the server forgot its snapshot.
            Unavailable, WorkerError: See ``answers``.
        """
        token = ""
        while True:
            query = {"labelSelector": self._selector, "limit": str(self._page)}
            path = f"{self._path}?{urlencode({**query, 'continue': token} if token else query)}"
            verdict, response, answer = await answer_of(self._client, Operation.LIST, self._what, "GET", path)
            if verdict is Verdict.EXPIRED:
                raise _Expired
            if verdict is not Verdict.OK:
                raise error(answer, Operation.LIST, self._what)
            page = json.loads(response.body)
            metadata = page.get("metadata") or {}
            runs = (self._observed(item) for item in page.get("items") or ())
            token = metadata.get("continue") or ""
            yield str(metadata.get("resourceVersion") or ""), [run for run in runs if run is not None]
            if not token:
                return

    async def _watch(self, version: str) -> AsyncIterator[tuple[str, Delta | None]]:
        """Yield changes after ``version``, each with the version to resume from, until the server ends the watch.

        Raises:
            _Expired: ``version`` is too old.
            Unavailable, WorkerError: See ``answers``.
        """
        query = {
            "watch": "1",
            "labelSelector": self._selector,
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(self._watch_seconds),
        }
        try:
            path = f"{self._path}?{urlencode(query)}"
            async with self._client.stream(path, idle_timeout=self._idle_timeout) as response:
                if response.status != HTTPStatus.OK:
                    raise self._refusal(response.status, response.headers, await response.read())
                async for line in _lines(response.content):
                    version, delta = self._event(json.loads(line), version)
                    yield version, delta
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as failure:
            raise error_of_exception(failure, Operation.WATCH, self._what) from failure

    def _event(self, event: Mapping[str, Any], version: str) -> tuple[str, Delta | None]:
        kind, item = event.get("type"), event.get("object") or {}
        if kind == "ERROR":
            raise self._refusal(
                int(item.get("code") or 500), {"Content-Type": "application/json"}, json.dumps(item).encode()
            )
        version = str((item.get("metadata") or {}).get("resourceVersion") or version)
        run = None if kind == "BOOKMARK" else self._observed(item)
        if run is None:
            return version, None
        return version, Gone(run) if kind == "DELETED" else Seen(run)

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> Exception:
        answer = read_answer(status, headers, body, now=time.time())
        if judge(answer, Operation.WATCH) is Verdict.EXPIRED:
            return _Expired()
        return error(answer, Operation.WATCH, self._what)

    def _observed(self, item: Mapping[str, Any]) -> ObservedRun | None:
        """Read one object; one that cannot be read is reported once and passed over."""
        try:
            run = observed_run(item)
        except Exception as failure:  # noqa: BLE001 - whatever somebody wrote into one object, the others go on
            name = ""
            with suppress(Exception):
                name = str(item["metadata"]["name"])
            if name not in self._bad:
                self._bad.add(name)
                _log.error("cannot read a Workflow", extra={"run": name, "error": shorten(repr(failure))})
                self._on_bad(name)
            return None
        return run if run.name else None


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Split a stream into lines of any sensible length (aiohttp's own reader refuses large objects)."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _MAX_LINE:
            raise ValueError(f"a watch event of more than {_MAX_LINE} bytes")
        for line in lines:
            if line.strip():
                yield line
