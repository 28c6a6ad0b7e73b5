"""Creates: what is stored, what the server adds, and each way to be refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.client import YAML
from tests.api.kinds import GROUP, widget

if TYPE_CHECKING:
    from tests.api.client import Client


def test_a_created_object_has_identity_and_defaults(api: Client, path: str, namespace: str) -> None:
    made = api.expect(201, "POST", path, widget("one", nested={}))
    metadata = made.metadata
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", metadata["uid"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata["creationTimestamp"])
    assert metadata["generation"] == 1
    assert metadata["namespace"] == namespace
    assert int(made.revision) > 0
    assert made.body["spec"] == {"size": 1, "mode": "small", "nested": {"right": "R"}}
    assert api.expect(200, "GET", f"{path}/one").body == made.body


def test_revisions_grow_with_every_write(api: Client, path: str) -> None:
    revisions = [int(api.expect(201, "POST", path, widget(name)).revision) for name in ("a", "b", "c")]
    assert revisions == sorted(set(revisions))


def test_a_name_can_be_used_once(api: Client, path: str) -> None:
    api.expect(201, "POST", path, widget("one"))
    again = api.expect(409, "POST", path, widget("one", size=2))
    assert again.reason == "AlreadyExists"
    assert again.message == f'widgets.{GROUP} "one" already exists'
    assert again.body["details"] == {"name": "one", "group": GROUP, "kind": "widgets"}
    assert api.expect(200, "GET", f"{path}/one").body["spec"]["size"] == 1


def test_a_name_is_free_again_after_delete(api: Client, path: str) -> None:
    first = api.expect(201, "POST", path, widget("one"))
    api.expect(200, "DELETE", f"{path}/one")
    second = api.expect(201, "POST", path, widget("one"))
    assert first.metadata["uid"] != second.metadata["uid"]


def test_a_generated_name_has_the_prefix_and_five_characters(api: Client, path: str) -> None:
    value = widget()
    value["metadata"] = {"generateName": "made-"}
    names = {api.expect(201, "POST", path, value).metadata["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(re.fullmatch(r"made-[a-z0-9]{5}", name) for name in names)


def test_a_long_generated_name_is_cut_to_63_characters(api: Client, path: str) -> None:
    value = widget()
    value["metadata"] = {"generateName": "x" * 100}
    assert len(api.expect(201, "POST", path, value).metadata["name"]) == 63


def test_yaml_is_accepted(api: Client, path: str) -> None:
    text = f"apiVersion: {GROUP}/v1\nkind: Widget\nmetadata: {{name: one}}\nspec: {{size: 3}}\n"
    assert api.expect(201, "POST", path, text, YAML).body["spec"]["size"] == 3


def test_a_dry_run_stores_nothing(api: Client, path: str) -> None:
    made = api.expect(201, "POST", path, widget("one"), dryRun="All")
    assert made.metadata["uid"]
    assert "resourceVersion" not in made.metadata
    api.expect(404, "GET", f"{path}/one")


def test_a_dry_run_is_refused_as_the_real_one_would_be(api: Client, path: str) -> None:
    api.expect(201, "POST", path, widget("one"))
    assert api.expect(409, "POST", path, widget("one"), dryRun="All").reason == "AlreadyExists"
    assert api.expect(422, "POST", path, widget("two", size=0), dryRun="All").reason == "Invalid"


def test_dry_run_knows_only_all(api: Client, path: str) -> None:
    refused = api.expect(422, "POST", path, widget("one"), dryRun="Some")
    assert refused.causes == [("dryRun", "FieldValueNotSupported")]


def test_the_namespace_must_exist(api: Client) -> None:
    missing = api.expect(404, "POST", f"/apis/{GROUP}/v1/namespaces/absent/widgets", widget("one"))
    assert missing.reason == "NotFound"
    assert missing.message == 'namespaces "absent" not found'
    assert missing.body["details"] == {"name": "absent", "kind": "namespaces"}


def test_the_namespace_in_the_body_must_be_the_one_of_the_path(api: Client, path: str) -> None:
    value = widget("one")
    value["metadata"]["namespace"] = "other"
    refused = api.expect(400, "POST", path, value)
    assert refused.reason == "BadRequest"
    assert "namespace of the provided object does not match" in refused.message


def test_status_is_ignored_at_create_where_it_is_a_subresource(api: Client, path: str) -> None:
    made = api.expect(201, "POST", path, {**widget("one"), "status": {"phase": "Done"}})
    assert "status" not in made.body


def test_what_only_the_server_writes_is_ignored(api: Client, path: str) -> None:
    value = widget("one")
    value["metadata"].update(uid="mine", generation=7, creationTimestamp="2001-01-01T00:00:00Z")
    metadata = api.expect(201, "POST", path, value).metadata
    assert metadata["uid"] != "mine"
    assert metadata["generation"] == 1
    assert not metadata["creationTimestamp"].startswith("2001")


def test_a_resource_version_is_refused_at_create(api: Client, path: str) -> None:
    value = widget("one")
    value["metadata"]["resourceVersion"] = "5"
    assert "resourceVersion should not be set" in api.expect(500, "POST", path, value).message


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"{not json", "invalid character 'n' looking for beginning of object key string"),
        (b'{"a": 1', "unexpected end of JSON input"),
        (b"", "unexpected end of JSON input"),
        (b"[]", "cannot unmarshal array"),
        (b'{"metadata":{"name":"x"}}', "Object 'Kind' is missing"),
    ],
)
def test_a_malformed_body_is_a_bad_request(api: Client, path: str, body: bytes, part: str) -> None:
    refused = api.expect(400, "POST", path, body)
    assert refused.reason == "BadRequest"
    assert refused.message.startswith("the object provided is unrecognized (must be of type Widget)")
    assert part in refused.message


def test_another_version_is_a_bad_request(api: Client, path: str) -> None:
    refused = api.expect(400, "POST", path, {**widget("one"), "apiVersion": f"{GROUP}/v2"})
    assert "does not match the expected API version" in refused.message


def test_another_kind_is_invalid(api: Client, path: str) -> None:
    refused = api.expect(422, "POST", path, {**widget("one"), "kind": "Gizmo"})
    assert refused.causes == [("kind", "FieldValueInvalid")]


def test_labels_must_be_strings(api: Client, path: str) -> None:
    value = widget("one")
    value["metadata"]["labels"] = {"a": 1}
    refused = api.expect(400, "POST", path, value)
    assert "cannot unmarshal number into Go struct field ObjectMeta.labels of type string" in refused.message


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/merge-patch+json"])
def test_other_media_types_are_refused(api: Client, path: str, media_type: str) -> None:
    refused = api.expect(415, "POST", path, widget("one"), media_type)
    assert refused.reason == "UnsupportedMediaType"
    assert "accepted media types include: application/json, application/yaml" in refused.message


@pytest.mark.parametrize(
    "metadata",
    [
        {"name": "Upper"},
        {"name": "a_b"},
        {"name": "-a"},
        {"name": "a" * 254},
        {},
    ],
    ids=["upper", "underscore", "dash", "long", "none"],
)
def test_names_are_dns_subdomains(api: Client, path: str, metadata: dict[str, Any]) -> None:
    refused = api.expect(422, "POST", path, {**widget(), "metadata": metadata})
    assert refused.reason == "Invalid"
    assert refused.causes[0][0] == "metadata.name"


@pytest.mark.parametrize("labels", [{"a b": "c"}, {"a": "-b"}, {"a": "b" * 64}, {"a/b/c": "d"}])
def test_labels_have_a_grammar(api: Client, path: str, labels: dict[str, str]) -> None:
    value = widget("one")
    value["metadata"]["labels"] = labels
    assert api.expect(422, "POST", path, value).causes == [("metadata.labels", "FieldValueInvalid")]


def test_annotations_have_a_grammar_and_a_limit(api: Client, path: str) -> None:
    for refused_ones in ({"a~b": "c"}, {"a": "b" * (257 * 1024)}):
        value = widget("one")
        value["metadata"]["annotations"] = refused_ones
        refused = api.expect(422, "POST", path, value)
        assert refused.causes[0][0] == "metadata.annotations"


def test_an_object_above_the_storage_limit_is_an_error_without_reason(api: Client, path: str) -> None:
    refused = api.expect(500, "POST", path, widget("one", free={"text": "x" * 1_600_000}))
    assert refused.message == "etcdserver: request is too large"
    assert refused.reason == ""
    api.expect(404, "GET", f"{path}/one")


def test_a_body_above_three_mebibytes_is_not_read(api: Client, path: str) -> None:
    refused = api.expect(413, "POST", path, widget("one", free={"text": "x" * 3_200_000}))
    assert refused.reason == "RequestEntityTooLarge"
    assert refused.message == "Request entity too large: limit is 3145728"
