"""JSON merge patch (RFC 7386) and JSON patch (RFC 6902) with the corner cases of the library that kube-apiserver uses.

evanphx/json-patch v4 differs from the RFC where the worker's two-phase start depends on it: ``test`` of a missing key
against null succeeds, ``remove`` of a missing key fails (design §4, step 8); ``replace`` of a missing key adds it.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from worker.dev.kubernetes import status

if TYPE_CHECKING:
    from worker.dev.kubernetes.objects import JsonObject

_MISSING = object()
_OPERATIONS = frozenset({"add", "remove", "replace", "move", "copy", "test"})


def merge(target: Any, patch: Any) -> Any:
    """Return the target changed by a JSON merge patch; null removes a key. Neither argument is changed."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


class _PatchError(Exception):
    """An operation that cannot be carried out."""


def _tokens(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _index(container: list[Any], token: str, *, inserting: bool = False) -> int:
    limit = len(container) + (1 if inserting else 0)
    try:
        index = int(token)
    except ValueError as error:
        raise _PatchError(f"{token!r} is no array index") from error
    if index < 0:
        index += limit
    if not 0 <= index < limit:
        raise _PatchError(f"index {token} is out of bounds")
    return index


def _get(container: Any, token: str) -> Any:
    if isinstance(container, dict):
        return container.get(token, _MISSING)
    if isinstance(container, list):
        return container[_index(container, token)]
    raise _PatchError(f"{token!r} has no container")


def _resolve(document: Any, pointer: str) -> tuple[Any, str]:
    tokens = _tokens(pointer)
    if not tokens:
        raise _PatchError("the whole document cannot be addressed")
    for token in tokens[:-1]:
        document = _get(document, token)
        if not isinstance(document, dict | list):
            raise _PatchError(f"missing path {pointer}")
    return document, tokens[-1]


def _add(document: Any, pointer: str, value: Any) -> None:
    container, token = _resolve(document, pointer)
    if isinstance(container, dict):
        container[token] = value
    elif token == "-":  # noqa: S105 - a JSON pointer's token
        container.append(value)
    else:
        container.insert(_index(container, token, inserting=True), value)


def _remove(document: Any, pointer: str) -> Any:
    container, token = _resolve(document, pointer)
    if isinstance(container, dict):
        if token not in container:
            raise _PatchError(f"unable to remove nonexistent key {token}")
        return container.pop(token)
    return container.pop(_index(container, token))


def _replace(document: Any, pointer: str, value: Any) -> None:
    container, token = _resolve(document, pointer)
    if isinstance(container, dict):
        container[token] = value
    else:
        container[_index(container, token)] = value


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def _test(document: Any, pointer: str, expected: Any) -> None:
    container, token = _resolve(document, pointer)
    found = _get(container, token)
    if not _same(None if found is _MISSING else found, expected):
        raise _PatchError(f"testing path {pointer} failed")


def _copied(document: Any, pointer: str) -> Any:
    container, token = _resolve(document, pointer)
    found = _get(container, token)
    if found is _MISSING:
        raise _PatchError(f"copy from a missing path {pointer}")
    return copy.deepcopy(found)


def _operate(document: Any, operation: JsonObject) -> None:
    kind, path = operation["op"], operation["path"]
    value = operation.get("value")
    if kind == "add":
        _add(document, path, value)
    elif kind == "remove":
        _remove(document, path)
    elif kind == "replace":
        _replace(document, path, value)
    elif kind == "test":
        _test(document, path, value)
    elif kind == "move":
        _add(document, path, _remove(document, operation["from"]))
    else:
        _add(document, path, _copied(document, operation["from"]))


def _check(patch: Any) -> list[JsonObject]:
    if not isinstance(patch, list) or not all(isinstance(operation, dict) for operation in patch):
        raise status.bad_request("error decoding patch: a JSON patch is an array of operations")
    for operation in patch:
        needs = ("path", "from") if operation.get("op") in {"move", "copy"} else ("path",)
        if operation.get("op") not in _OPERATIONS or not all(isinstance(operation.get(n), str) for n in needs):
            raise status.patch_failed()
    return patch


def json_patch(target: JsonObject, patch: Any) -> JsonObject:
    """Return a copy of the target with all operations carried out in order.

    Raises:
        ApiError: 400 for a patch that is no list of operations; 422 when an operation fails: nothing is changed then.
    """
    document = copy.deepcopy(target)
    try:
        for operation in _check(patch):
            _operate(document, operation)
    except _PatchError as error:
        raise status.patch_failed() from error
    return document
