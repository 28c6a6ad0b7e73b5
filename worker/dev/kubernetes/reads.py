"""Lists in pages: consistent over ``continue`` tokens, joined from stored bytes without parsing an object.

A token names a snapshot. Snapshots hold references to stored versions, so keeping a few is cheap; a token whose
snapshot is forgotten is answered 410, as a real server answers after compaction.
"""

from __future__ import annotations

import base64
import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.dev.kubernetes import selectors, status
from worker.dev.kubernetes.objects import encode

if TYPE_CHECKING:
    from worker.dev.kubernetes.call import Call
    from worker.dev.kubernetes.registry import Resource
    from worker.dev.kubernetes.store import Store, Stored

_SNAPSHOTS = 64


@dataclass(frozen=True, slots=True)
class _Snapshot:
    revision: int
    items: tuple[Stored, ...]


class Reader:
    """Answers lists from a store."""

    def __init__(self, store: Store) -> None:
        """Read from a store."""
        self._store = store
        self._snapshots: OrderedDict[int, _Snapshot] = OrderedDict()
        self._made = 0

    def list(self, call: Call) -> bytes:
        """Return the body of a list answer.

        Raises:
            ApiError: 400 for malformed parameters, 410 for a ``continue`` token that is too old.
        """
        selection = selectors.parse(call.query.get("labelSelector", ""), call.query.get("fieldSelector", ""))
        limit = _number(call, "limit")
        token = call.query.get("continue", "")
        if token:
            snapshot_id, start = _parse_token(token)
            snapshot = self._snapshots.get(snapshot_id)
            if snapshot is None:
                raise status.expired(
                    "The provided continue parameter is too old to display a consistent list result. You can start a "
                    "new list without the continue parameter."
                )
        else:
            table = self._store.open(call.resource.key)
            selected = (s for s in table.select(call.namespace) if selection.matches(s))
            snapshot, snapshot_id, start = _Snapshot(self._store.revision, tuple(selected)), 0, 0
        end = start + limit if limit else len(snapshot.items)
        remaining = len(snapshot.items) - end
        found = {"resourceVersion": str(snapshot.revision)}
        if remaining > 0:
            found["continue"] = _token(snapshot_id or self._remember(snapshot), end)
            if not selection:
                return _list_body(call.resource, found, snapshot.items[start:end], remaining)
        return _list_body(call.resource, found, snapshot.items[start:end])

    def _remember(self, snapshot: _Snapshot) -> int:
        self._made += 1
        self._snapshots[self._made] = snapshot
        if len(self._snapshots) > _SNAPSHOTS:
            self._snapshots.popitem(last=False)
        return self._made


def _list_body(
    resource: Resource, metadata: dict[str, str], items: tuple[Stored, ...], remaining: int | None = None
) -> bytes:
    if resource.custom:
        metadata = {"continue": "", **metadata}
    head = {
        "apiVersion": resource.api_version,
        "kind": resource.list_kind or f"{resource.kind}List",
        "metadata": {**metadata, **({} if remaining is None else {"remainingItemCount": remaining})},
    }
    return encode(head)[:-1] + b',"items":[' + b",".join(item.body for item in items) + b"]}"


def collection(resource: Resource, revision: int, items: tuple[Stored, ...]) -> bytes:
    """Return a list body of given objects: the answer to a deletecollection."""
    return _list_body(resource, {"resourceVersion": str(revision)}, items)


def _number(call: Call, name: str) -> int:
    text = call.query.get(name, "") or "0"
    if not text.isdecimal():
        raise status.bad_request(f"strconv.ParseInt: parsing {json.dumps(text)}: invalid syntax")
    return int(text)


def _token(snapshot_id: int, start: int) -> str:
    return base64.urlsafe_b64encode(encode({"v": "meta.k8s.io/v1", "snapshot": snapshot_id, "start": start})).decode()


def _parse_token(token: str) -> tuple[int, int]:
    try:
        parsed = json.loads(base64.urlsafe_b64decode(token))
        return int(parsed["snapshot"]), int(parsed["start"])
    except (ValueError, KeyError, TypeError) as error:
        raise status.bad_request(f"invalid continue token: continue key is not valid: {error}") from error
