"""Namespaces, definitions, discovery: what clients ask before they come to their objects."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.api.kinds import GROUP, definition, widget
from tests.api.servers import CRDS, until

if TYPE_CHECKING:
    from tests.api.client import Client


def test_a_namespace_is_active_and_labelled(api: Client) -> None:
    name = f"suite-{secrets.token_hex(4)}"
    made = api.expect(201, "POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    assert made.body["status"] == {"phase": "Active"}
    assert made.body["spec"] == {"finalizers": ["kubernetes"]}
    assert made.metadata["labels"] == {"kubernetes.io/metadata.name": name}
    assert api.expect(200, "GET", f"/api/v1/namespaces/{name}").metadata["uid"] == made.metadata["uid"]
    assert api.expect(409, "POST", "/api/v1/namespaces", {"metadata": {"name": name}}).reason == "AlreadyExists"


@pytest.mark.parametrize("name", ["a.b", "Upper", "x" * 64])
def test_a_namespace_is_a_dns_label(api: Client, name: str) -> None:
    refused = api.expect(422, "POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    assert refused.causes[0] == ("metadata.name", "FieldValueInvalid")


def test_the_initial_namespaces_exist(api: Client) -> None:
    for name in ("default", "kube-system"):
        api.expect(200, "GET", f"/api/v1/namespaces/{name}")


def test_a_definition_serves_its_kind(api: Client, namespace: str) -> None:
    plural = f"gizmos{secrets.token_hex(3)}"
    path = f"/apis/{GROUP}/v1/namespaces/{namespace}/{plural}"
    api.expect(404, "GET", path)
    api.expect(201, "POST", CRDS, definition(plural, plural.capitalize(), status=False))
    until(lambda: api.call("GET", path).code == 200, f"{plural} is served")
    established = api.expect(200, "GET", f"{CRDS}/{plural}.{GROUP}").body["status"]["conditions"]
    assert {c["type"]: c["status"] for c in established}["Established"] == "True"
    api.expect(200, "DELETE", f"{CRDS}/{plural}.{GROUP}")
    until(lambda: api.call("GET", path).code == 404, f"{plural} is no longer served")


def test_a_definition_is_named_after_its_kind(api: Client) -> None:
    wrong = definition("gizmos", "Gizmo", status=False)
    wrong["metadata"]["name"] = "other.example.com"
    refused = api.expect(422, "POST", CRDS, wrong)
    assert ("metadata.name", "FieldValueInvalid") in refused.causes


def test_the_version_is_told(api: Client) -> None:
    assert api.expect(200, "GET", "/version").body["major"] == "1"


def test_the_server_is_ready(api: Client) -> None:
    assert api.expect(200, "GET", "/readyz").text == "ok"


def test_discovery_lists_the_kinds(api: Client) -> None:
    found = api.expect(200, "GET", f"/apis/{GROUP}/v1").body
    assert (found["kind"], found["groupVersion"]) == ("APIResourceList", f"{GROUP}/v1")
    by_name = {one["name"]: one for one in found["resources"]}
    assert by_name["widgets"]["kind"] == "Widget"
    assert by_name["widgets"]["namespaced"] is True
    assert set(by_name["widgets"]["verbs"]) == {
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    }
    assert "widgets/status" in by_name
    assert "gadgets/status" not in by_name


def test_discovery_lists_the_groups(api: Client) -> None:
    groups = {one["name"] for one in api.expect(200, "GET", "/apis").body["groups"]}
    assert {GROUP, "argoproj.io", "apiextensions.k8s.io"} <= groups


def test_a_workflow_is_checked_by_argos_schema(api: Client, namespace: str) -> None:
    path = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows"
    workflow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "one"}}
    refused = api.expect(422, "POST", path, {**workflow, "spec": {"suspend": "yes"}})
    assert refused.causes == [("spec.suspend", "FieldValueTypeInvalid")]
    api.expect(201, "POST", path, {**workflow, "spec": {"suspend": True}})


def test_core_objects_are_served(api: Client, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    made = api.expect(201, "POST", path, {"metadata": {"name": "one"}, "data": {"a": "b"}})
    assert (made.body["kind"], made.body["apiVersion"]) == ("ConfigMap", "v1")
    assert "generation" not in made.metadata
    refused = api.expect(404, "GET", f"{path}/absent")
    assert refused.message == 'configmaps "absent" not found'
    assert refused.body["details"] == {"name": "absent", "kind": "configmaps"}


def test_namespaces_keep_names_apart(api: Client, path: str) -> None:
    api.expect(201, "POST", path, widget("one"))
    elsewhere = f"/apis/{GROUP}/v1/namespaces/default/widgets"
    api.expect(201, "POST", elsewhere, widget("one"))
    api.expect(200, "DELETE", f"{elsewhere}/one")
    api.expect(200, "GET", f"{path}/one")
