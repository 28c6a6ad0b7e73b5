"""Reading single objects of a cluster for the doctor: there, absent, or not to be seen, and why."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import aiohttp

from worker.errors import Unavailable
from worker.outbound.answers import SYSTEM, read_answer

if TYPE_CHECKING:
    from worker.outbound.kubernetes_client import KubernetesClient

Json = dict[str, Any]
#: Questions that are asked at the same time: a connection each, and a busy server takes its time over new ones.
_AT_ONCE = 8


class UnreadableError(Exception):
    """The API server answers, but does not show what was asked for; the message says why."""


class Cluster:
    """A cluster, object by object."""

    def __init__(self, client: KubernetesClient) -> None:
        """Ask through ``client``."""
        self._client = client
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def get(self, *path: str, **query: str) -> Json | None:
        """Return the object or list at ``/path/…``, or ``None`` if there is none, its kind included.

        Raises:
            UnreadableError: The server refuses to show it.
            Unavailable: No answer.
        """
        return await self._ask("GET", _url(path, query))

    async def exists(self, *path: str) -> bool:
        """Tell whether there is such an object, from a list of names alone: what is in it never travels.

        Raises:
            UnreadableError: The server refuses to show it.
            Unavailable: No answer.
        """
        *collection, name = path
        url = _url(collection, {"fieldSelector": f"metadata.name={name}"})
        found = await self._ask("GET", url, accept="application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
        return bool(found and found.get("items"))

    async def create(self, *path: str, body: Json) -> Json:
        """Post a review, which stores nothing, and return its answer.

        Raises:
            UnreadableError: The server refuses it.
            Unavailable: No answer.
        """
        answer = await self._ask("POST", _url(path, {}), body=json.dumps(body).encode())
        if answer is None:
            raise UnreadableError(f"the server knows no {path[-1]}")
        return answer

    async def _ask(self, method: str, url: str, *, body: bytes | None = None, accept: str = "") -> Json | None:
        try:
            async with self._turns:
                response = await self._client.request(method, url, body=body, accept=accept)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable(SYSTEM, f"no answer from the Kubernetes API ({type(error).__name__})") from error
        if response.status == HTTPStatus.NOT_FOUND:
            return None
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise UnreadableError(read_answer(response.status, response.headers, response.body).message)
        found: Json = json.loads(response.body)
        return found


def _url(path: tuple[str, ...] | list[str], query: dict[str, str]) -> str:
    joined = "/" + "/".join(quote(part, safe="") for part in path)
    return f"{joined}?{urlencode(query)}" if query else joined


def condition(found: Json, kind: str) -> str:
    """Return the message of a condition that is not ``True``, its reason without one; ``""`` if it is ``True``."""
    for one in found.get("status", {}).get("conditions", []):
        if one.get("type") == kind:
            if one.get("status") == "True":
                return ""
            return str(one.get("message") or one.get("reason") or f"{kind} is {one.get('status')}")
    return f"it says nothing of being {kind}"
