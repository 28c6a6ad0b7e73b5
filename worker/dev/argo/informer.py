"""List once, then watch for ever: the objects of one collection as they are and as they change.

Resumes a broken watch where it ended; lists again when the server no longer remembers that point (410), and after an
object that its handler could not take: whoever informs has to go on, or what depends on it would wait for ever.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import aiohttp

from worker.dev.argo.client import ApiAnswerError, ApiClient
from worker.dev.endings import end_tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.dev.argo.nodes import Json

_log = logging.getLogger(__name__)
_FIRST_DELAY, _LAST_DELAY = 0.05, 2.0
_GONE = 410
#: Seconds until an API that gives no first list counts as unusable.
_PATIENCE = 30.0


class NotListedError(RuntimeError):
    """The API did not give the first list of a collection in time; the text says what it said instead."""


class Informer:
    """Tells a handler about one collection."""

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
        self._listed = asyncio.Event()
        self._why = "it did not answer"

    async def start(self, *, patience: float = _PATIENCE) -> asyncio.Task[None]:
        """Begin to inform; return the task that does, once the first list was handed over.

        Raises:
            NotListedError: there was no list within ``patience`` seconds.
        """
        informing = asyncio.create_task(self.run(), name=f"informer of {self._path}")
        try:
            async with asyncio.timeout(patience):
                await self._listed.wait()
        except TimeoutError:
            await end_tasks([informing])
            raise NotListedError(
                f"the API did not list {self._path} within {patience:g} s: {self._why}; "
                "is it the right cluster, and may this user list and watch there?"
            ) from None
        except BaseException:
            informing.cancel()
            raise
        return informing

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
                self._why = str(error)
                _log.warning("watch of %s is refused and tried again: %s", self._path, error)
            except (aiohttp.ClientError, TimeoutError) as error:
                self._why = f"{type(error).__name__}: {error}"
                _log.debug("watch of %s broke and is resumed: %s", self._path, error)
            except Exception:  # noqa: BLE001 - somebody waits for what this tells, so it must not end
                revision = ""
                _log.exception("watch of %s could not be understood, listing anew", self._path)
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LAST_DELAY)

    async def _list(self) -> str:
        listed = await self._client.call("GET", self._path)
        self._replace(listed["items"])
        self._listed.set()
        return str(listed["metadata"]["resourceVersion"])

    def _tell(self, kind: str, value: Json) -> None:
        if kind in {"ADDED", "MODIFIED"}:
            self._put(value)
        elif kind == "DELETED":
            self._remove(value)
