"""Server-side apply: who owns which field, and what happens when two want the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.api.client import APPLY, MERGE
from tests.api.kinds import GROUP, intent

if TYPE_CHECKING:
    from tests.api.client import Answer, Client


def _apply(api: Client, path: str, manager: str, *, code: int = 200, force: bool = False, **spec: Any) -> Answer:
    query = {"fieldManager": manager} | ({"force": "true"} if force else {})
    return api.expect(code, "PATCH", f"{path}/one", intent("one", **spec), APPLY, **query)


def _owned(answer: Answer, manager: str) -> dict[str, Any]:
    for entry in answer.metadata["managedFields"]:
        if entry["manager"] == manager:
            fields: dict[str, Any] = entry["fieldsV1"].get("f:spec", {})
            return fields
    return {}


def test_apply_creates_what_does_not_exist(api: Client, path: str) -> None:
    made = _apply(api, path, "first", code=201, size=3, tags={"a": "1"})
    assert made.metadata["generation"] == 1
    [entry] = made.metadata["managedFields"]
    assert (entry["manager"], entry["operation"], entry["apiVersion"]) == ("first", "Apply", f"{GROUP}/v1")
    assert entry["fieldsV1"] == {"f:spec": {"f:size": {}, "f:tags": {"f:a": {}}}}


def test_apply_again_changes_nothing(api: Client, path: str) -> None:
    before = _apply(api, path, "first", code=201, size=3, tags={"a": "1"}, ports=[{"name": "p"}])
    after = _apply(api, path, "first", size=3, tags={"a": "1"}, ports=[{"name": "p"}])
    assert after.body == before.body


def test_apply_of_a_changed_value_updates(api: Client, path: str) -> None:
    before = _apply(api, path, "first", code=201, size=3)
    after = _apply(api, path, "first", size=4)
    assert int(after.revision) > int(before.revision)
    assert after.metadata["generation"] == 2


def test_another_managers_field_is_a_conflict(api: Client, path: str) -> None:
    _apply(api, path, "first", code=201, size=3)
    refused = _apply(api, path, "second", code=409, size=4)
    assert refused.reason == "Conflict"
    assert refused.message == 'Apply failed with 1 conflict: conflict with "first": .spec.size'
    assert refused.causes == [(".spec.size", "FieldManagerConflict")]
    assert api.expect(200, "GET", f"{path}/one").body["spec"]["size"] == 3


def test_several_conflicts_are_all_told(api: Client, path: str) -> None:
    _apply(api, path, "first", code=201, size=3, mode="large", tags={"a": "1"})
    refused = _apply(api, path, "second", code=409, size=4, mode="small", tags={"a": "2"})
    fields = {field for field, _ in refused.causes}
    assert fields == {".spec.size", ".spec.mode", ".spec.tags.a"}
    assert refused.message.startswith('Apply failed with 3 conflicts: conflicts with "first":\n- .spec.')


def test_the_same_value_is_shared(api: Client, path: str) -> None:
    _apply(api, path, "first", code=201, size=3)
    both = _apply(api, path, "second", size=3)
    assert _owned(both, "first") == _owned(both, "second") == {"f:size": {}}


def test_force_takes_the_field(api: Client, path: str) -> None:
    _apply(api, path, "first", code=201, size=3, mode="large")
    taken = _apply(api, path, "second", force=True, size=4)
    assert taken.body["spec"]["size"] == 4
    assert _owned(taken, "first") == {"f:mode": {}}
    assert _owned(taken, "second") == {"f:size": {}}


def test_a_field_that_its_owner_drops_is_removed(api: Client, path: str) -> None:
    _apply(api, path, "first", code=201, size=3, tags={"a": "1", "b": "2"}, nested={"left": "L"})
    less = _apply(api, path, "first", size=3, tags={"a": "1"})
    assert less.body["spec"]["tags"] == {"a": "1"}
    assert "left" not in less.body["spec"].get("nested", {})


def test_a_dropped_field_stays_while_another_owns_it(api: Client, path: str) -> None:
    _apply(api, path, "first", code=201, size=3, tags={"a": "1"})
    _apply(api, path, "second", size=3, tags={"a": "1"})
    less = _apply(api, path, "first", size=3)
    assert less.body["spec"]["tags"] == {"a": "1"}
    assert "f:tags" not in _owned(less, "first")


def test_lists_of_maps_are_merged_by_key(api: Client, path: str) -> None:
    _apply(api, path, "first", code=201, size=3, ports=[{"name": "a", "number": 1}])
    both = _apply(api, path, "second", ports=[{"name": "b", "number": 2}])
    assert both.body["spec"]["ports"] == [{"name": "a", "number": 1}, {"name": "b", "number": 2}]
    refused = _apply(api, path, "second", code=409, ports=[{"name": "a", "number": 9}])
    assert refused.causes == [('.spec.ports[name="a"].number', "FieldManagerConflict")]
    without = _apply(api, path, "first", size=3)
    assert without.body["spec"]["ports"] == [{"name": "b", "number": 2}]


def test_sets_are_merged_by_value(api: Client, path: str) -> None:
    _apply(api, path, "first", code=201, size=3, words=["a", "b"])
    assert _apply(api, path, "second", words=["c"]).body["spec"]["words"] == ["a", "b", "c"]
    assert _apply(api, path, "first", size=3, words=["b"]).body["spec"]["words"] == ["b", "c"]


def test_plain_lists_are_owned_whole(api: Client, path: str) -> None:
    _apply(api, path, "first", code=201, size=3, lines=["a"])
    assert _apply(api, path, "second", code=409, lines=["b"]).causes == [(".spec.lines", "FieldManagerConflict")]


def test_an_update_takes_ownership_and_conflicts_later(api: Client, path: str) -> None:
    _apply(api, path, "first", code=201, size=3)
    patched = api.expect(200, "PATCH", f"{path}/one", {"spec": {"size": 5}}, MERGE, fieldManager="editor")
    assert _owned(patched, "first") == {}
    assert _owned(patched, "editor") == {"f:size": {}}
    refused = _apply(api, path, "first", code=409, size=3)
    assert f'conflict with "editor" using {GROUP}/v1' in refused.message


def test_a_manager_is_named_after_the_user_agent(api: Client, path: str) -> None:
    _apply(api, path, "first", code=201, size=3)
    patched = api.expect(200, "PATCH", f"{path}/one", {"spec": {"mode": "large"}}, MERGE)
    assert _owned(patched, "suite") == {"f:mode": {}}


def test_apply_needs_a_manager(api: Client, path: str) -> None:
    refused = api.expect(422, "PATCH", f"{path}/one", intent("one", size=1), APPLY)
    assert refused.causes == [("fieldManager", "FieldValueRequired")]


def test_force_is_for_apply_only(api: Client, path: str) -> None:
    _apply(api, path, "first", code=201, size=3)
    refused = api.expect(422, "PATCH", f"{path}/one", {"spec": {"size": 4}}, MERGE, force="true")
    assert refused.causes == [("force", "FieldValueForbidden")]


def test_apply_of_an_unknown_field_is_an_error(api: Client, path: str) -> None:
    refused = _apply(api, path, "first", code=500, size=3, sise=4)
    assert ".spec.sise: field not declared in schema" in refused.message


def test_apply_is_validated(api: Client, path: str) -> None:
    refused = _apply(api, path, "first", code=422, size=99)
    assert refused.causes == [("spec.size", "FieldValueInvalid")]


def test_apply_needs_an_existing_namespace(api: Client) -> None:
    absent = f"/apis/{GROUP}/v1/namespaces/absent/widgets/one"
    refused = api.expect(404, "PATCH", absent, intent("one", size=1), APPLY, fieldManager="first")
    assert refused.message == 'namespaces "absent" not found'


def test_apply_needs_the_kind(api: Client, path: str) -> None:
    refused = api.expect(400, "PATCH", f"{path}/one", {"spec": {"size": 1}}, APPLY, fieldManager="first")
    assert refused.message == "invalid object type: /, Kind="


def test_halves_of_a_character_are_no_yaml(api: Client, path: str) -> None:
    """JSON writes a rare character as two escapes; YAML, which an apply is read as, has no such pairs."""
    text = json.dumps(intent("one", size=1) | {"metadata": {"name": "one", "annotations": {"note": "🙂"}}})
    assert "\\ud83d" in text
    api.expect(400, "PATCH", f"{path}/one", text, APPLY, fieldManager="first")
    made = api.expect(201, "PATCH", f"{path}/one", text.replace("\\ud83d\\ude42", "🙂"), APPLY, fieldManager="first")
    assert made.metadata["annotations"] == {"note": "🙂"}
