"""Watches: from a revision, with selectors, bookmarks, and an honest end when the revision is too old."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.client import MERGE
from tests.api.kinds import GROUP, gadget, widget

if TYPE_CHECKING:
    from tests.api.client import Client, Object


def _told(events: list[tuple[str, Object]]) -> list[tuple[str, str]]:
    return [(kind, value["metadata"]["name"]) for kind, value in events]


def test_a_watch_tells_every_change_after_its_revision(api: Client, path: str) -> None:
    api.expect(201, "POST", path, widget("before"))
    revision = api.expect(200, "GET", path).revision
    with api.watch(path, resourceVersion=revision, timeoutSeconds=20) as watch:
        api.expect(201, "POST", path, widget("one"))
        api.expect(200, "PATCH", f"{path}/one", {"spec": {"size": 2}}, MERGE)
        api.expect(200, "DELETE", f"{path}/one")
        events = watch.take(3)
    assert _told(events) == [("ADDED", "one"), ("MODIFIED", "one"), ("DELETED", "one")]
    revisions = [int(value["metadata"]["resourceVersion"]) for _, value in events]
    assert revisions == sorted(set(revisions))
    assert revisions[0] > int(revision)
    assert events[1][1]["spec"]["size"] == 2


def test_a_watch_can_begin_in_the_past(api: Client, path: str) -> None:
    first = api.expect(201, "POST", path, widget("one"))
    api.expect(200, "PATCH", f"{path}/one", {"spec": {"size": 2}}, MERGE)
    api.expect(200, "DELETE", f"{path}/one")
    with api.watch(path, resourceVersion=first.revision, timeoutSeconds=20) as watch:
        assert _told(watch.take(2)) == [("MODIFIED", "one"), ("DELETED", "one")]


def test_a_watch_without_revision_begins_with_what_is_there(api: Client, path: str) -> None:
    api.expect(201, "POST", path, widget("one"))
    api.expect(201, "POST", path, widget("two"))
    with api.watch(path, timeoutSeconds=20) as watch:
        assert sorted(_told(watch.take(2))) == [("ADDED", "one"), ("ADDED", "two")]
        api.expect(201, "POST", path, widget("three"))
        assert _told(watch.take(1)) == [("ADDED", "three")]


def test_a_watch_ends_when_its_time_is_over(api: Client, path: str) -> None:
    revision = api.expect(200, "GET", path).revision
    with api.watch(path, resourceVersion=revision, timeoutSeconds=1) as watch:
        assert watch.rest() == []


def test_a_watch_of_one_namespace_is_not_told_of_others(api: Client, path: str) -> None:
    revision = api.expect(200, "GET", path).revision
    with api.watch(path, resourceVersion=revision, timeoutSeconds=20) as watch:
        elsewhere = f"/apis/{GROUP}/v1/namespaces/default/widgets"
        api.expect(201, "POST", elsewhere, {**widget(), "metadata": {"generateName": "w-"}})
        api.expect(201, "POST", path, widget("here"))
        assert _told(watch.take(1)) == [("ADDED", "here")]


def test_a_watch_over_all_namespaces(api: Client, path: str, namespace: str) -> None:
    everywhere = f"/apis/{GROUP}/v1/widgets"
    revision = api.expect(200, "GET", everywhere).revision
    with api.watch(everywhere, resourceVersion=revision, timeoutSeconds=20) as watch:
        api.expect(201, "POST", path, widget("here"))
        assert watch.take(1)[0][1]["metadata"]["namespace"] == namespace


def test_an_object_enters_and_leaves_a_selection(api: Client, gadgets: str) -> None:
    api.expect(201, "POST", gadgets, gadget("one"))
    revision = api.expect(200, "GET", gadgets).revision
    with api.watch(gadgets, resourceVersion=revision, labelSelector="chosen=yes", timeoutSeconds=20) as watch:
        for labels in ({"chosen": "yes"}, {"more": "x"}, {"chosen": "no"}):
            changed = api.expect(200, "PATCH", f"{gadgets}/one", {"metadata": {"labels": labels}}, MERGE)
        events = watch.take(3)
    assert _told(events) == [("ADDED", "one"), ("MODIFIED", "one"), ("DELETED", "one")]
    last = events[2][1]["metadata"]
    assert last["labels"]["chosen"] == "yes"  # as it was while it was selected
    assert last["resourceVersion"] == changed.revision  # but at the revision at which it left


def test_one_object_can_be_watched_by_field(api: Client, path: str) -> None:
    revision = api.expect(200, "GET", path).revision
    with api.watch(path, resourceVersion=revision, fieldSelector="metadata.name=two", timeoutSeconds=20) as watch:
        api.expect(201, "POST", path, widget("one"))
        api.expect(201, "POST", path, widget("two"))
        assert _told(watch.take(1)) == [("ADDED", "two")]


def test_a_bookmark_comes_before_the_end(api: Client, path: str) -> None:
    revision = api.expect(200, "GET", path).revision
    query: dict[str, str | int] = {"resourceVersion": revision, "allowWatchBookmarks": "true", "timeoutSeconds": 4}
    with api.watch(path, **query) as watch:
        made = api.expect(201, "POST", path, widget("one"))
        events = watch.rest()
    kinds = [kind for kind, _ in events]
    assert kinds[0] == "ADDED"
    assert set(kinds[1:]) == {"BOOKMARK"}
    bookmark = events[-1][1]
    assert (bookmark["kind"], bookmark["apiVersion"]) == ("Widget", f"{GROUP}/v1")
    assert int(bookmark["metadata"]["resourceVersion"]) >= int(made.revision)
    assert "name" not in bookmark["metadata"]


def test_initial_events_end_with_a_marked_bookmark(api: Client, path: str) -> None:
    api.expect(201, "POST", path, widget("one"))
    query: dict[str, str | int] = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": 20,
    }
    with api.watch(path, **query) as watch:
        first, second = watch.take(2)
    assert first[0] == "ADDED"
    assert second[0] == "BOOKMARK"
    assert second[1]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_initial_events_need_a_match_rule(api: Client, path: str) -> None:
    refused = api.expect(422, "GET", path, watch="1", sendInitialEvents="true")
    assert refused.causes == [("resourceVersionMatch", "FieldValueForbidden")]


def test_a_revision_that_is_too_old_is_gone(api: Client, path: str) -> None:
    with api.watch(path, resourceVersion=1, timeoutSeconds=20) as watch:
        assert watch.code == 200
        [(kind, gone)] = watch.rest()
    assert kind == "ERROR"
    assert (gone["kind"], gone["code"], gone["reason"]) == ("Status", 410, "Expired")
    assert gone["message"].startswith("too old resource version: 1 (")


@pytest.mark.parametrize("revision", ["abc", "-1"])
def test_a_revision_is_a_number(api: Client, path: str, revision: str) -> None:
    assert "invalid syntax" in api.expect(500, "GET", path, watch="1", resourceVersion=revision).message


def test_many_changes_come_in_order_and_once(api: Client, gadgets: str) -> None:
    revision = api.expect(200, "GET", gadgets).revision
    with api.watch(gadgets, resourceVersion=revision, timeoutSeconds=20) as watch:
        names = [f"g{number:03}" for number in range(60)]
        for name in names:
            api.expect(201, "POST", gadgets, gadget(name))
        assert _told(watch.take(60)) == [("ADDED", name) for name in names]
