"""JSON merge patch and JSON patch, with the corner cases that the worker's two-phase start stands on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.client import APPLY, JSON_PATCH, MERGE
from tests.api.kinds import widget

if TYPE_CHECKING:
    from tests.api.client import Answer, Client


@pytest.fixture
def one(api: Client, path: str) -> str:
    value = widget("one", size=2, tags={"a": "1", "b": "2"}, lines=["x", "y"])
    api.expect(201, "POST", path, value)
    return f"{path}/one"


def _spec(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = answer.body["spec"]
    return found


def test_a_merge_patch_changes_only_what_it_names(api: Client, one: str) -> None:
    spec = _spec(api.expect(200, "PATCH", one, {"spec": {"tags": {"b": "3", "c": "4"}}}, MERGE))
    assert spec["tags"] == {"a": "1", "b": "3", "c": "4"}
    assert spec["size"] == 2


def test_null_in_a_merge_patch_removes(api: Client, one: str) -> None:
    spec = _spec(api.expect(200, "PATCH", one, {"spec": {"tags": {"a": None}, "lines": None, "code": None}}, MERGE))
    assert spec["tags"] == {"b": "2"}
    assert "lines" not in spec


def test_a_merge_patch_replaces_lists(api: Client, one: str) -> None:
    assert _spec(api.expect(200, "PATCH", one, {"spec": {"lines": ["z"]}}, MERGE))["lines"] == ["z"]


def test_a_merge_patch_that_changes_nothing_leaves_the_revision(api: Client, one: str) -> None:
    before = api.expect(200, "GET", one)
    after = api.expect(200, "PATCH", one, {"spec": {"size": 2}}, MERGE)
    assert after.revision == before.revision


def test_a_merge_patch_may_state_the_revision(api: Client, one: str) -> None:
    current = api.expect(200, "GET", one).revision
    patch = {"metadata": {"resourceVersion": current}, "spec": {"size": 3}}
    api.expect(200, "PATCH", one, patch, MERGE)
    refused = api.expect(409, "PATCH", one, patch, MERGE)
    assert refused.reason == "Conflict"
    assert "the object has been modified" in refused.message


def test_a_patch_of_an_absent_object_is_not_found(api: Client, path: str) -> None:
    assert api.expect(404, "PATCH", f"{path}/absent", {"spec": {}}, MERGE).reason == "NotFound"


@pytest.mark.parametrize("kind", [MERGE, JSON_PATCH])
def test_a_malformed_patch_is_a_bad_request(api: Client, one: str, kind: str) -> None:
    refused = api.expect(400, "PATCH", one, b"{", kind)
    assert refused.message == "error decoding patch: unexpected end of JSON input"


def test_a_merge_patch_is_an_object(api: Client, one: str) -> None:
    assert "cannot unmarshal array" in api.expect(400, "PATCH", one, [], MERGE).message


def test_a_json_patch_is_a_list(api: Client, one: str) -> None:
    assert "cannot unmarshal object" in api.expect(400, "PATCH", one, {}, JSON_PATCH).message


@pytest.mark.parametrize("kind", ["application/json", "application/strategic-merge-patch+json", "text/plain"])
def test_other_patch_types_are_refused(api: Client, one: str, kind: str) -> None:
    refused = api.expect(415, "PATCH", one, {"spec": {"size": 3}}, kind)
    assert refused.reason == "UnsupportedMediaType"
    assert f"{JSON_PATCH}, {MERGE}, {APPLY}" in refused.message


def test_a_json_patch_is_carried_out_in_order(api: Client, one: str) -> None:
    patch = [
        {"op": "add", "path": "/spec/lines/-", "value": "z"},
        {"op": "add", "path": "/spec/lines/0", "value": "w"},
        {"op": "remove", "path": "/spec/lines/1"},
        {"op": "replace", "path": "/spec/size", "value": 5},
        {"op": "copy", "from": "/spec/tags/a", "path": "/spec/tags/d"},
        {"op": "move", "from": "/spec/tags/b", "path": "/spec/tags/e"},
    ]
    spec = _spec(api.expect(200, "PATCH", one, patch, JSON_PATCH))
    assert spec["lines"] == ["w", "y", "z"]
    assert spec["size"] == 5
    assert spec["tags"] == {"a": "1", "d": "1", "e": "2"}


def test_names_with_slashes_and_tildes_are_escaped(api: Client, one: str) -> None:
    patch = [{"op": "add", "path": "/spec/tags/a.io~1b~0c", "value": "d"}]
    assert _spec(api.expect(200, "PATCH", one, patch, JSON_PATCH))["tags"]["a.io/b~c"] == "d"


def test_a_missing_path_tests_equal_to_null(api: Client, one: str) -> None:
    patch = [{"op": "test", "path": "/spec/code", "value": None}, {"op": "remove", "path": "/spec/lines"}]
    assert "lines" not in _spec(api.expect(200, "PATCH", one, patch, JSON_PATCH))


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/spec/size", "value": 9},
        {"op": "test", "path": "/spec/size", "value": None},
        {"op": "test", "path": "/spec/absent/deeper", "value": None},
        {"op": "remove", "path": "/spec/code"},
        {"op": "remove", "path": "/spec/lines/7"},
        {"op": "add", "path": "/spec/absent/deeper", "value": 1},
        {"op": "copy", "from": "/spec/absent/deeper", "path": "/spec/code"},
        {"op": "frobnicate", "path": "/spec/code", "value": 1},
    ],
    ids=["test-value", "test-null", "test-parent", "remove", "index", "add-parent", "copy", "unknown"],
)
def test_an_operation_that_fails_changes_nothing(api: Client, one: str, operation: dict[str, Any]) -> None:
    before = api.expect(200, "GET", one)
    patch = [{"op": "replace", "path": "/spec/size", "value": 2}, operation]
    refused = api.expect(422, "PATCH", one, patch, JSON_PATCH)
    assert refused.reason == "Invalid"
    assert refused.message == "the server rejected our request due to an error in our request"
    assert api.expect(200, "GET", one).body == before.body


def test_replace_of_a_missing_key_adds_it(api: Client, one: str) -> None:
    patch = [{"op": "replace", "path": "/spec/code", "value": "abc"}]
    assert _spec(api.expect(200, "PATCH", one, patch, JSON_PATCH))["code"] == "abc"


def test_the_start_of_a_stopped_workflow_is_refused(api: Client, namespace: str) -> None:
    """The worker's second phase: start only what nobody has stopped meanwhile."""
    workflows = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows"
    start = [{"op": "test", "path": "/spec/shutdown", "value": None}, {"op": "remove", "path": "/spec/suspend"}]
    for name in ("started", "stopped"):
        workflow = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {"name": name},
            "spec": {"entrypoint": "main", "suspend": True, "templates": [{"name": "main", "suspend": {}}]},
        }
        api.expect(201, "POST", workflows, workflow)
    assert "suspend" not in _spec(api.expect(200, "PATCH", f"{workflows}/started", start, JSON_PATCH))
    api.expect(422, "PATCH", f"{workflows}/started", start, JSON_PATCH)
    stop = {"spec": {"shutdown": "Stop", "suspend": None}}
    assert _spec(api.expect(200, "PATCH", f"{workflows}/stopped", stop, MERGE))["shutdown"] == "Stop"
    api.expect(422, "PATCH", f"{workflows}/stopped", start, JSON_PATCH)
