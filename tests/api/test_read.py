"""Gets and lists: selectors, pages, and paths that lead nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.kinds import GROUP, gadget
from tests.api.servers import new_namespace

if TYPE_CHECKING:
    from tests.api.client import Answer, Client


def _names(answer: Answer) -> list[str]:
    return [item["metadata"]["name"] for item in answer.body["items"]]


@pytest.fixture
def five(api: Client, gadgets: str) -> str:
    for number in range(5):
        labels = {"number": str(number)} | ({"even": "yes"} if number % 2 == 0 else {})
        api.expect(201, "POST", gadgets, gadget(f"g{number}", labels=labels))
    return gadgets


def test_an_absent_object_is_not_found(api: Client, path: str) -> None:
    missing = api.expect(404, "GET", f"{path}/absent")
    assert missing.reason == "NotFound"
    assert missing.message == f'widgets.{GROUP} "absent" not found'
    assert missing.body["details"] == {"name": "absent", "group": GROUP, "kind": "widgets"}


@pytest.mark.parametrize(
    "nowhere",
    ["/apis/nowhere.io/v1/namespaces/default/widgets", f"/apis/{GROUP}/v1/namespaces/default/gizmos", "/nowhere"],
)
def test_a_path_that_nothing_serves_is_plain_text(api: Client, nowhere: str) -> None:
    missing = api.expect(404, "GET", nowhere)
    assert missing.text == "404 page not found\n"
    assert missing.headers["Content-Type"].startswith("text/plain")


def test_a_list_has_its_kind_and_revision(api: Client, five: str) -> None:
    listed = api.expect(200, "GET", five)
    assert (listed.body["kind"], listed.body["apiVersion"]) == ("GadgetList", f"{GROUP}/v1")
    assert _names(listed) == ["g0", "g1", "g2", "g3", "g4"]
    newest = max(int(item["metadata"]["resourceVersion"]) for item in listed.body["items"])
    assert int(listed.revision) >= newest


def test_an_empty_list_has_items(api: Client, gadgets: str) -> None:
    assert api.expect(200, "GET", gadgets).body["items"] == []


def test_a_list_over_all_namespaces(api: Client, five: str) -> None:
    other = new_namespace(api)
    api.expect(201, "POST", f"/apis/{GROUP}/v1/namespaces/{other}/gadgets", gadget("elsewhere"))
    names = _names(api.expect(200, "GET", f"/apis/{GROUP}/v1/gadgets"))
    assert {"g0", "elsewhere"} <= set(names)


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("number=1", ["g1"]),
        ("number==1", ["g1"]),
        ("number!=1", ["g0", "g2", "g3", "g4"]),
        ("number in (1,2)", ["g1", "g2"]),
        ("number notin (1, 2)", ["g0", "g3", "g4"]),
        ("even", ["g0", "g2", "g4"]),
        ("!even", ["g1", "g3"]),
        ("even,number in (1,2)", ["g2"]),
        ("even=yes,number!=0", ["g2", "g4"]),
        ("absent", []),
    ],
)
def test_label_selectors(api: Client, five: str, selector: str, names: list[str]) -> None:
    assert _names(api.expect(200, "GET", five, labelSelector=selector)) == names


@pytest.mark.parametrize("selector", ["a===b", "number in 1", "a b"])
def test_a_malformed_label_selector_is_a_bad_request(api: Client, five: str, selector: str) -> None:
    refused = api.expect(400, "GET", five, labelSelector=selector)
    assert refused.reason == "BadRequest"
    assert refused.message.startswith("unable to parse requirement: ")


def test_field_selectors(api: Client, five: str, namespace: str) -> None:
    assert _names(api.expect(200, "GET", five, fieldSelector="metadata.name=g3")) == ["g3"]
    assert len(_names(api.expect(200, "GET", five, fieldSelector="metadata.name!=g3"))) == 4
    everywhere = f"/apis/{GROUP}/v1/gadgets"
    assert len(_names(api.expect(200, "GET", everywhere, fieldSelector=f"metadata.namespace={namespace}"))) == 5


def test_other_fields_cannot_be_selected(api: Client, five: str) -> None:
    assert api.expect(400, "GET", five, fieldSelector="spec.size=1").message == "field label not supported: spec.size"


def test_pages(api: Client, five: str) -> None:
    first = api.expect(200, "GET", five, limit=2)
    assert _names(first) == ["g0", "g1"]
    assert first.metadata["remainingItemCount"] == 3
    second = api.expect(200, "GET", five, **{"limit": 2, "continue": first.metadata["continue"]})
    assert _names(second) == ["g2", "g3"]
    third = api.expect(200, "GET", five, **{"limit": 2, "continue": second.metadata["continue"]})
    assert _names(third) == ["g4"]
    assert not third.metadata.get("continue")


def test_pages_show_the_state_of_the_first(api: Client, five: str) -> None:
    first = api.expect(200, "GET", five, limit=2)
    api.expect(200, "DELETE", f"{five}/g4")
    api.expect(201, "POST", five, gadget("g9"))
    rest = api.expect(200, "GET", five, **{"continue": first.metadata["continue"]})
    assert _names(rest) == ["g2", "g3", "g4"]
    assert rest.revision == first.revision


def test_pages_of_a_selection_do_not_count_the_rest(api: Client, five: str) -> None:
    page = api.expect(200, "GET", five, limit=1, labelSelector="even")
    assert _names(page) == ["g0"]
    assert page.metadata["continue"]
    assert "remainingItemCount" not in page.metadata


def test_a_continue_token_is_not_made_up(api: Client, five: str) -> None:
    assert "continue key is not valid" in api.expect(400, "GET", five, **{"continue": "zzz"}).message


def test_a_limit_is_a_number(api: Client, five: str) -> None:
    assert api.expect(400, "GET", five, limit="many").reason == "BadRequest"
