"""The controller's client of the Kubernetes API: list, watch, update and delete over one aiohttp session.

Plain HTTP on purpose: it is also what proves that the embedded API can be used without any client library.
"""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import yaml

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from types import TracebackType

    from worker.dev.argo.nodes import Json

GROUP = "/apis/argoproj.io/v1alpha1"
_WATCH_SECONDS = 290


class ApiAnswerError(Exception):
    """The API refused a request.

    Attributes:
        code: HTTP status, or the code of the Status in a watch's ERROR event.
        reason: of the Status in the answer, `""` without one.
        said: message of the Status, or the whole answer.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message[:256]}")
        self.code = code
        try:
            status = json.loads(message)
        except ValueError:
            status = {}
        status = status if isinstance(status, dict) else {}
        self.reason = str(status.get("reason", ""))
        self.said = str(status.get("message") or message.strip())


class ApiClient:
    """Requests to one API server; use as an async context manager."""

    def __init__(
        self, url: str, token: str, ca_file: Path | None = None, *, user_agent: str = "workflow-controller/simulated"
    ) -> None:
        """Prepare a client.

        Args:
            url: base address.
            token: bearer token.
            ca_file: PEM file to trust, for https.
            user_agent: what it calls itself.
        """
        self._url = url.rstrip("/")
        self._token = token
        self._ca_file = ca_file
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def from_kubeconfig(cls, path: Path) -> ApiClient:
        """Return a client for the current context of a kubeconfig that has a token.

        Raises:
            ValueError: the file has no current context, or its user no token.
        """
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        try:
            by_name = {kind: {one["name"]: one for one in config[kind]} for kind in ("contexts", "clusters", "users")}
            context = by_name["contexts"][config["current-context"]]["context"]
            cluster = by_name["clusters"][context["cluster"]]["cluster"]
            token = by_name["users"][context["user"]]["user"]["token"]
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path}: the kubeconfig's current context has no {error}") from error
        ca_file = cluster.get("certificate-authority")
        return cls(cluster["server"], token, Path(ca_file) if ca_file else None)

    def as_user(self, token: str, user_agent: str) -> ApiClient:
        """Return another client of the same server, not opened yet."""
        return ApiClient(self._url, token, self._ca_file, user_agent=user_agent)

    async def __aenter__(self) -> Self:
        tls: ssl.SSLContext | bool = True
        if self._ca_file is not None:
            tls = ssl.create_default_context(cafile=str(self._ca_file))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=32, ssl=tls),
            headers={"Authorization": f"Bearer {self._token}", "User-Agent": self._user_agent},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Json:
        """Send one request and return the answer's object.

        Args:
            method: HTTP method.
            path: of the resource.
            body: sent as JSON, which every type of patch can be.
            content_type: of the body.
            query: parameters.

        Raises:
            ApiAnswerError: the answer is not 2xx.
            aiohttp.ClientError, TimeoutError: there was no answer.
        """
        headers = {"Content-Type": content_type} if body is not None else {}
        data = None if body is None else json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        timeout = aiohttp.ClientTimeout(total=30)
        async with self._open.request(
            method, self._url + path, data=data, headers=headers, params=query, timeout=timeout
        ) as got:
            raw = await got.read()
            if not got.ok:
                raise ApiAnswerError(got.status, raw.decode(errors="replace"))
            answer: Json = json.loads(raw)
            return answer

    async def watch(
        self, path: str, revision: str, selection: Mapping[str, str] | None = None
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the events of one watch from a resourceVersion on, until the server ends it.

        Args:
            path: of the collection.
            revision: resourceVersion of the list that the events follow.
            selection: query that selects objects; all of the collection without it.

        Raises:
            ApiAnswerError: the watch is refused, or ends with an ERROR event (410: list again).
            aiohttp.ClientError: the connection broke.
        """
        query = {
            **(selection or {}),
            "watch": "1",
            "resourceVersion": revision,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        timeout = aiohttp.ClientTimeout(total=None, connect=10)
        async with self._open.get(self._url + path, params=query, timeout=timeout) as got:
            if not got.ok:
                raise ApiAnswerError(got.status, await got.text())
            rest = b""
            async for chunk in got.content.iter_any():  # not by line: one Workflow may exceed the line limit
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event: Json = json.loads(line)
                    if event["type"] == "ERROR":
                        raise ApiAnswerError(event["object"].get("code", 0), event["object"].get("message", ""))
                    yield event

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the client is used outside of its context")
        return self._session
