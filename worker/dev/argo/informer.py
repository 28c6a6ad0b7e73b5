"""List once, then watch for ever: the objects of one collection as they are and as they change.

Resumes a broken watch where it ended; lists again when the server no longer remembers that point (410).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import aiohttp

from worker.dev.argo.client import ApiAnswerError, ApiClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.dev.argo.nodes import Json

_log = logging.getLogger(__name__)
_FIRST_DELAY, _LAST_DELAY = 0.05, 2.0
_GONE = 410


class Informer:
    """Tells a handler about one collection.

    Attributes:
        synced: set once the first list was handed over.
    """

    def __init__(
        self,
        client: ApiClient,
        path: str,
        *,
        replace: Callable[[list[Json]], None],
        put: Callable[[Json], None],
        remove: Callable[[Json], None],
    ) -> None:
        """Watch a path.

        Args:
            client: an open client.
            path: of the collection.
            replace: is given the whole list, at first and after a gap.
            put: is given an object that is new or changed.
            remove: is given an object that is gone.
        """
        self._client = client
        self._path = path
        self._replace = replace
        self._put = put
        self._remove = remove
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """Inform until cancelled; whatever the API does, it is asked again with growing pauses up to 2 s."""
        revision, delay = "", _FIRST_DELAY
        while True:
            try:
                if not revision:
                    revision = await self._list()
                async for event in self._client.watch(self._path, revision):
                    delay = _FIRST_DELAY
                    revision = event["object"]["metadata"]["resourceVersion"]
                    self._tell(event["type"], event["object"])
            except ApiAnswerError as error:
                if error.code == _GONE:
                    revision = ""
                    continue
                _log.warning("watch of %s is refused and tried again: %s", self._path, error)
            except (aiohttp.ClientError, TimeoutError) as error:
                _log.debug("watch of %s broke and is resumed: %s", self._path, error)
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LAST_DELAY)

    async def _list(self) -> str:
        listed = await self._client.call("GET", self._path)
        self._replace(listed["items"])
        self.synced.set()
        return str(listed["metadata"]["resourceVersion"])

    def _tell(self, kind: str, value: Json) -> None:
        if kind in {"ADDED", "MODIFIED"}:
            self._put(value)
        elif kind == "DELETED":
            self._remove(value)
