"""The lane's own client of the API server: requests, and watches that go on for good.

Asynchronous, since composer and node agent follow many things at once; the product's client is deliberately not used.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import aiohttp

from tests.support.control_plane_api import Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from tests.support.control_plane_api import ControlPlaneApi

_RECONNECT = 0.1
#: A watch line is a whole object; a CRD-heavy one may be larger than aiohttp's default buffer.
_BUFFER = 2**22


class Seen(NamedTuple):
    """One object that a watch has met.

    Attributes:
        manifest: As it is now, or was at last.
        gone: Whether it has been deleted.
    """

    manifest: dict[str, Any]
    gone: bool


class Api:
    """Requests with the admin's rights, within ``async with``."""

    def __init__(self, server: ControlPlaneApi) -> None:
        self.url = server.url
        self.ca_file = server.ca_file
        self._tls = ssl.create_default_context(cafile=str(server.ca_file))
        self._headers = {"Authorization": f"Bearer {server.admin_token}", "Accept": "application/json"}

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0),
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=30.0),
            read_bufsize=_BUFFER,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def request(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> Answer:
        """Send one request; any HTTP status is an answer.

        Raises:
            aiohttp.ClientError: the server could not be reached.
        """
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type}
        async with self._session.request(method, self.url + path, data=data, headers=headers) as response:
            text = await response.text()
            try:
                return Answer(response.status, json.loads(text))
            except ValueError:
                return Answer(response.status, {"message": text})

    async def expect(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> dict[str, Any]:
        """Send one request that must succeed; return the body.

        Raises:
            AssertionError: it did not; the message has the server's words.
        """
        answer = await self.request(method, path, body, content_type)
        if answer.status >= 400:
            raise AssertionError(f"{method} {path}: {answer.status} {answer.message}")
        return answer.body

    async def watch(self, path: str) -> AsyncIterator[Seen]:
        """Yield every object of a collection, each change of it, and its end; for ever.

        After a broken connection everything is listed anew, so nothing is missed, but objects come again.
        """
        known: dict[str, dict[str, Any]] = {}
        while True:
            listing = await self.expect("GET", path)
            items = {item["metadata"]["uid"]: item for item in listing["items"]}
            for uid in known.keys() - items.keys():
                yield Seen(known.pop(uid), gone=True)
            for uid, item in items.items():
                known[uid] = item
                yield Seen(item, gone=False)
            async for event in self._stream(path, listing["metadata"]["resourceVersion"]):
                if event["type"] == "ERROR":
                    break
                manifest, gone = event["object"], event["type"] == "DELETED"
                if gone:
                    known.pop(manifest["metadata"]["uid"], None)
                else:
                    known[manifest["metadata"]["uid"]] = manifest
                yield Seen(manifest, gone)
            await asyncio.sleep(_RECONNECT)

    async def _stream(self, path: str, version: str) -> AsyncIterator[dict[str, Any]]:
        options = {"watch": "1", "resourceVersion": version}
        forever = aiohttp.ClientTimeout(total=None)
        try:
            async with self._session.get(self.url + path, params=options, timeout=forever) as response:
                if response.status != 200:  # too busy, or the version is too old: list again
                    return
                async for line in response.content:
                    yield json.loads(line)
        except aiohttp.ClientError:
            return
