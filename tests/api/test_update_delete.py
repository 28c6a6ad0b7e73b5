"""Updates and deletes: optimistic concurrency, generation, status, finalizers, preconditions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.api.client import MERGE
from tests.api.kinds import GROUP, gadget, widget

if TYPE_CHECKING:
    from tests.api.client import Client


def test_an_update_replaces_the_object(api: Client, path: str) -> None:
    value = api.expect(201, "POST", path, widget("one", code="abc")).body
    value["spec"] = {"size": 4}
    updated = api.expect(200, "PUT", f"{path}/one", value)
    assert updated.body["spec"] == {"size": 4, "mode": "small"}
    assert updated.metadata["uid"] == value["metadata"]["uid"]


def test_an_update_of_an_older_version_is_a_conflict(api: Client, path: str) -> None:
    value = api.expect(201, "POST", path, widget("one")).body
    value["spec"]["size"] = 2
    api.expect(200, "PUT", f"{path}/one", value)
    value["spec"]["size"] = 3
    refused = api.expect(409, "PUT", f"{path}/one", value)
    assert refused.reason == "Conflict"
    assert refused.message == (
        f'Operation cannot be fulfilled on widgets.{GROUP} "one": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert refused.body["details"] == {"name": "one", "group": GROUP, "kind": "widgets"}


def test_of_concurrent_updates_one_wins(api: Client, path: str) -> None:
    value = api.expect(201, "POST", path, widget("one")).body

    def update(size: int) -> int:
        return api.call("PUT", f"{path}/one", {**value, "spec": {"size": size}}).code

    with ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(update, range(2, 10)))
    assert codes == [200] + [409] * 7


def test_of_concurrent_creates_one_wins(api: Client, path: str) -> None:
    def create(size: int) -> int:
        return api.call("POST", path, widget("one", size=size)).code

    with ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(create, range(1, 9)))
    assert codes == [201] + [409] * 7


def test_an_update_states_the_version_it_changes(api: Client, path: str) -> None:
    api.expect(201, "POST", path, widget("one"))
    refused = api.expect(422, "PUT", f"{path}/one", widget("one", size=2))
    assert refused.causes == [("metadata.resourceVersion", "FieldValueInvalid")]


def test_an_update_does_not_create(api: Client, path: str) -> None:
    value = widget("one")
    value["metadata"]["resourceVersion"] = "1"
    assert api.expect(404, "PUT", f"{path}/one", value).reason == "NotFound"


def test_the_name_in_the_body_must_be_the_one_of_the_path(api: Client, path: str) -> None:
    api.expect(201, "POST", path, widget("one"))
    refused = api.expect(400, "PUT", f"{path}/one", widget("two"))
    assert refused.message == "the name of the object (two) does not match the name on the URL (one)"


def test_an_update_of_another_uid_is_a_conflict(api: Client, path: str) -> None:
    value = api.expect(201, "POST", path, widget("one")).body
    value["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555"
    refused = api.expect(409, "PUT", f"{path}/one", value)
    assert "Precondition failed: UID in precondition" in refused.message


def test_an_update_without_a_change_leaves_the_revision(api: Client, path: str) -> None:
    made = api.expect(201, "POST", path, widget("one"))
    assert api.expect(200, "PUT", f"{path}/one", made.body).revision == made.revision


def test_the_generation_counts_changes_of_the_spec_only(api: Client, path: str) -> None:
    api.expect(201, "POST", path, widget("one"))
    one = f"{path}/one"
    assert api.expect(200, "PATCH", one, {"metadata": {"labels": {"a": "b"}}}, MERGE).metadata["generation"] == 1
    assert api.expect(200, "PATCH", one, {"spec": {"size": 2}}, MERGE).metadata["generation"] == 2
    assert api.expect(200, "PATCH", f"{one}/status", {"status": {"phase": "P"}}, MERGE).metadata["generation"] == 2


def test_without_status_subresource_a_status_counts_as_change(api: Client, gadgets: str) -> None:
    api.expect(201, "POST", gadgets, gadget("one"))
    patched = api.expect(200, "PATCH", f"{gadgets}/one", {"status": {"phase": "P"}}, MERGE)
    assert patched.body["status"] == {"phase": "P"}
    assert patched.metadata["generation"] == 2
    assert api.expect(404, "PATCH", f"{gadgets}/one/status", {}, MERGE).reason == "NotFound"


def test_the_main_path_leaves_the_status_alone(api: Client, path: str) -> None:
    made = api.expect(201, "POST", path, widget("one"))
    api.expect(200, "PATCH", f"{path}/one/status", {"status": {"phase": "P"}}, MERGE)
    patched = api.expect(200, "PATCH", f"{path}/one", {"status": {"phase": "Q"}}, MERGE)
    assert patched.body["status"] == {"phase": "P"}
    assert int(patched.revision) > int(made.revision)


def test_the_status_path_leaves_the_spec_alone(api: Client, path: str) -> None:
    api.expect(201, "POST", path, widget("one"))
    patch = {"spec": {"size": 7}, "metadata": {"labels": {"a": "b"}}, "status": {"phase": "P"}}
    patched = api.expect(200, "PATCH", f"{path}/one/status", patch, MERGE)
    assert patched.body["spec"]["size"] == 1
    assert "labels" not in patched.metadata
    assert patched.body["status"] == {"phase": "P"}


def test_a_delete_tells_what_is_gone(api: Client, path: str) -> None:
    made = api.expect(201, "POST", path, widget("one"))
    gone = api.expect(200, "DELETE", f"{path}/one")
    assert (gone.body["kind"], gone.body["status"]) == ("Status", "Success")
    assert gone.body["details"] == {"name": "one", "group": GROUP, "kind": "widgets", "uid": made.metadata["uid"]}
    assert api.expect(404, "DELETE", f"{path}/one").reason == "NotFound"


def test_a_delete_can_insist_on_the_uid(api: Client, path: str) -> None:
    made = api.expect(201, "POST", path, widget("one"))
    other = {"preconditions": {"uid": "11111111-2222-3333-4444-555555555555"}}
    refused = api.expect(409, "DELETE", f"{path}/one", other)
    assert refused.reason == "Conflict"
    assert "does not match the UID in record" in refused.message
    api.expect(200, "DELETE", f"{path}/one", {"preconditions": {"uid": made.metadata["uid"]}})


def test_a_delete_can_insist_on_the_revision(api: Client, path: str) -> None:
    made = api.expect(201, "POST", path, widget("one"))
    api.expect(200, "PATCH", f"{path}/one", {"spec": {"size": 2}}, MERGE)
    refused = api.expect(409, "DELETE", f"{path}/one", {"preconditions": {"resourceVersion": made.revision}})
    assert "does not match the ResourceVersion in record" in refused.message


def test_a_dry_run_of_a_delete_deletes_nothing(api: Client, path: str) -> None:
    api.expect(201, "POST", path, widget("one"))
    api.expect(200, "DELETE", f"{path}/one", dryRun="All")
    api.expect(200, "GET", f"{path}/one")


def test_a_finalizer_holds_an_object(api: Client, path: str) -> None:
    value = widget("one")
    value["metadata"]["finalizers"] = ["suite.platform.io/hold"]
    api.expect(201, "POST", path, value)
    marked = api.expect(200, "DELETE", f"{path}/one")
    assert marked.metadata["deletionTimestamp"]
    assert marked.metadata["deletionGracePeriodSeconds"] == 0
    assert marked.metadata["generation"] == 2
    api.expect(200, "GET", f"{path}/one")
    assert api.expect(409, "POST", path, widget("one")).reason == "AlreadyExists"
    api.expect(200, "PATCH", f"{path}/one", {"metadata": {"finalizers": None}}, MERGE)
    api.expect(404, "GET", f"{path}/one")


def test_no_finalizer_is_added_to_what_is_being_deleted(api: Client, path: str) -> None:
    value = widget("one")
    value["metadata"]["finalizers"] = ["suite.platform.io/hold"]
    api.expect(201, "POST", path, value)
    api.expect(200, "DELETE", f"{path}/one")
    more = {"metadata": {"finalizers": ["suite.platform.io/hold", "suite.platform.io/more"]}}
    refused = api.expect(422, "PATCH", f"{path}/one", more, MERGE)
    assert ("metadata.finalizers", "FieldValueForbidden") in refused.causes
    api.expect(200, "PATCH", f"{path}/one", {"metadata": {"finalizers": []}}, MERGE)


def test_a_collection_is_deleted_by_selector(api: Client, gadgets: str) -> None:
    for name in ("a", "b", "c"):
        api.expect(201, "POST", gadgets, gadget(name, labels={"keep": "yes"} if name == "b" else {}))
    gone = api.expect(200, "DELETE", gadgets, labelSelector="!keep")
    assert [item["metadata"]["name"] for item in gone.body["items"]] == ["a", "c"]
    assert [item["metadata"]["name"] for item in api.expect(200, "GET", gadgets).body["items"]] == ["b"]


def test_put_and_patch_need_a_name(api: Client, path: str) -> None:
    assert api.expect(400, "PUT", path, widget("one")).message == "name must be provided"
    assert api.expect(400, "PATCH", path, {}, MERGE).message == "name must be provided"
