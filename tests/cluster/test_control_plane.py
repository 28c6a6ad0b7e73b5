"""The real API server that the cluster suites stand on starts, refuses, validates and fails as those suites assume."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import control_plane as module
from tests.support.control_plane import ControlPlane, MissingBinariesError, binaries
from tests.support.control_plane_api import JSON_PATCH, MERGE_PATCH
from tests.support.control_plane_faults import denied_by_policy, quota_exhausted
from tests.support.crds import install_crds, load_crds

if TYPE_CHECKING:
    from pathlib import Path

WORKFLOW_RULES = [
    {"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["create", "get", "list", "watch"]}
]


def _workflow(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name},
        "spec": {"entrypoint": "main", "templates": [{"name": "main", "suspend": {}}], **spec},
    }


@pytest.fixture(scope="module")
def namespace(control_plane: ControlPlane) -> str:
    return control_plane.namespace()


@pytest.fixture(scope="module")
def workflows(namespace: str) -> str:
    return f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows"


def test_it_is_the_pinned_version(control_plane: ControlPlane) -> None:
    assert control_plane.expect(200, "GET", "/version")["gitVersion"] == "v1.36.4"


def test_a_service_account_may_do_what_its_role_says_and_nothing_else(control_plane: ControlPlane) -> None:
    namespace = control_plane.namespace()
    token = control_plane.service_account(namespace, WORKFLOW_RULES)
    path = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows"
    assert control_plane.request("POST", path, _workflow("allowed"), token=token).status == 201

    refused = control_plane.request("DELETE", f"{path}/allowed", token=token)
    assert (refused.status, refused.reason) == (403, "Forbidden")
    assert f'User "system:serviceaccount:{namespace}:worker" cannot delete resource "workflows"' in refused.message
    elsewhere = control_plane.request("GET", "/apis/argoproj.io/v1alpha1/namespaces/default/workflows", token=token)
    assert (elsewhere.status, elsewhere.reason) == (403, "Forbidden")


def test_an_unknown_token_is_refused(control_plane: ControlPlane, workflows: str) -> None:
    answer = control_plane.request("GET", workflows, token="nobody")
    assert (answer.status, answer.reason) == (401, "Unauthorized")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"templates": "x"}, "spec.templates in body must be of type array"),
        ({"entrypoint": 3}, "spec.entrypoint in body must be of type string"),
        ({"suspend": "yes"}, "spec.suspend in body must be of type boolean"),
        (
            {"arguments": {"parameters": [{"name": "p", "value": 1}]}},
            "parameters[0].value in body must be of type string",
        ),
        ({"templates": [{"name": "t", "dag": {"tasks": [{"template": "x"}]}}]}, "tasks[0].name: Required value"),
        (
            {"templates": [{"name": "t", "resource": {"action": "melt"}}]},
            'spec.templates[0].resource.action: Unsupported value: "melt"',
        ),
    ],
)
def test_workflows_of_wrong_types_are_invalid(
    control_plane: ControlPlane, workflows: str, spec: dict[str, Any], message: str
) -> None:
    answer = control_plane.request("POST", workflows, _workflow("wrong", **spec))
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert message in answer.message
    assert answer.body["details"]["causes"]


def test_a_workflow_without_spec_is_invalid(control_plane: ControlPlane, workflows: str) -> None:
    workflow = _workflow("bare")
    del workflow["spec"]
    answer = control_plane.request("POST", workflows, workflow)
    assert (answer.status, answer.reason) == (422, "Invalid")


def test_details_of_pods_and_templates_inside_templates_are_kept_as_they_are(
    control_plane: ControlPlane, workflows: str
) -> None:
    inline = {"dag": {"tasks": [{"name": "deep", "template": "main"}]}}
    dag = {"name": "outer", "dag": {"tasks": [{"name": "a", "inline": inline}]}}
    affinity = {"nodeAffinity": {"anything": 1}}
    stored = control_plane.expect(201, "POST", workflows, _workflow("deep", templates=[dag], affinity=affinity))
    assert stored["spec"]["templates"] == [dag]
    assert stored["spec"]["affinity"] == affinity


def test_unknown_fields_are_dropped_unless_strictness_is_asked_for(control_plane: ControlPlane, workflows: str) -> None:
    stored = control_plane.expect(201, "POST", workflows, _workflow("typo", entrypiont="x"))
    assert "entrypiont" not in stored["spec"]
    answer = control_plane.request("POST", f"{workflows}?fieldValidation=Strict", _workflow("typo2", entrypiont="x"))
    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert "entrypiont" in answer.message


def test_the_status_of_a_workflow_is_written_with_the_object_and_has_no_endpoint(
    control_plane: ControlPlane, workflows: str
) -> None:
    control_plane.expect(201, "POST", workflows, _workflow("phases"))
    patch = {"status": {"phase": "Running", "nodes": {"n": {"anything": True}}}}
    stored = control_plane.expect(200, "PATCH", f"{workflows}/phases", patch, content_type=MERGE_PATCH)
    assert stored["status"] == patch["status"]
    assert control_plane.request("GET", f"{workflows}/phases/status").status == 404


def test_an_application_needs_components_with_name_and_type(control_plane: ControlPlane, namespace: str) -> None:
    path = f"/apis/core.oam.dev/v1beta1/namespaces/{namespace}/applications"
    application: dict[str, Any] = {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {"name": "shop"},
        "spec": {
            "components": [{"name": "db", "type": "postgresql", "properties": {"x": 1}, "traits": []}],
            "extra": 1,
        },
    }
    stored = control_plane.expect(201, "POST", path, application)
    assert stored["spec"] == application["spec"]
    del application["spec"]["components"][0]["type"]
    answer = control_plane.request("POST", path, application)
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert "spec.components[0].type: Required value" in answer.message


def test_the_two_conflicts_are_told_apart_by_their_reason(control_plane: ControlPlane, workflows: str) -> None:
    stored = control_plane.expect(201, "POST", workflows, _workflow("twice"))
    again = control_plane.request("POST", workflows, _workflow("twice"))
    assert (again.status, again.reason) == (409, "AlreadyExists")

    control_plane.expect(200, "PATCH", f"{workflows}/twice", {"spec": {"suspend": True}}, content_type=MERGE_PATCH)
    outdated = control_plane.request("PUT", f"{workflows}/twice", stored)
    assert (outdated.status, outdated.reason) == (409, "Conflict")


def test_a_json_patch_whose_test_fails_is_invalid_and_changes_nothing(
    control_plane: ControlPlane, workflows: str
) -> None:
    control_plane.expect(201, "POST", workflows, _workflow("stopped", suspend=True, shutdown="Stop"))
    start = [{"op": "test", "path": "/spec/shutdown", "value": None}, {"op": "remove", "path": "/spec/suspend"}]
    answer = control_plane.request("PATCH", f"{workflows}/stopped", start, content_type=JSON_PATCH)
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert control_plane.expect(200, "GET", f"{workflows}/stopped")["spec"]["suspend"] is True


def test_missing_namespaces_and_kinds_are_not_found(control_plane: ControlPlane, workflows: str) -> None:
    answer = control_plane.request("POST", "/apis/argoproj.io/v1alpha1/namespaces/none/workflows", _workflow("lost"))
    assert (answer.status, answer.reason, answer.body["details"]["kind"]) == (404, "NotFound", "namespaces")
    unknown = control_plane.request("GET", workflows.replace("/workflows", "/cronworkflows"))
    assert unknown.status == 404
    assert unknown.message.strip() == "404 page not found"


def test_bodies_too_large_for_the_store_and_for_the_server(control_plane: ControlPlane, workflows: str) -> None:
    padding = {"metadata": {"name": "large", "annotations": {}}, "status": {"padding": "x" * 1_600_000}}
    stored_by_etcd = control_plane.request("POST", workflows, {**_workflow("large"), **padding})
    assert stored_by_etcd.status == 500
    assert "request is too large" in stored_by_etcd.message
    # Just above the limit: of a larger body the server leaves a part unread, and the answer may be lost with it.
    padding["status"] = {"padding": "x" * 3 * 2**20}
    read_by_the_server = control_plane.request("POST", workflows, {**_workflow("large"), **padding})
    assert (read_by_the_server.status, read_by_the_server.reason) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize(("reason", "status"), [("Forbidden", 403), ("RequestEntityTooLarge", 413), ("Invalid", 422)])
def test_an_admission_policy_refuses_with_its_own_words(control_plane: ControlPlane, reason: str, status: int) -> None:
    namespace = control_plane.namespace()
    path = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows"
    with denied_by_policy(control_plane, namespace, message="not on Fridays", reason=reason):
        answer = control_plane.request("POST", path, _workflow("late"))
        assert (answer.status, answer.reason) == (status, reason)
        assert "ValidatingAdmissionPolicy" in answer.message
        assert "denied request: not on Fridays" in answer.message
    assert control_plane.request("POST", path, _workflow("late")).status == 201


def test_an_exhausted_quota_is_forbidden_with_the_count(control_plane: ControlPlane) -> None:
    namespace = control_plane.namespace()
    path = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows"
    with quota_exhausted(control_plane, namespace):
        answer = control_plane.request("POST", path, _workflow("one-too-many"))
        assert (answer.status, answer.reason) == (403, "Forbidden")
        assert "exceeded quota: exhausted, requested: count/workflows.argoproj.io=1" in answer.message
    assert control_plane.request("POST", path, _workflow("one-too-many")).status == 201


def test_the_first_create_of_a_kind_is_not_delayed(control_plane: ControlPlane, workflows: str) -> None:
    started = time.monotonic()
    control_plane.expect(201, "POST", workflows, _workflow("quick"))
    assert time.monotonic() - started < 1.5


def test_the_kubeconfig_is_complete(control_plane: ControlPlane, namespace: str) -> None:
    from kubernetes import config
    from kubernetes.client import ApiClient, ApisApi, Configuration

    configuration = Configuration()
    path = control_plane.kubeconfig("reader", namespace=namespace)
    config.load_kube_config(str(path), client_configuration=configuration)  # type: ignore[no-untyped-call]
    with ApiClient(configuration) as client:
        assert "argoproj.io" in {group.name for group in ApisApi(client).get_api_versions().groups}


@pytest.mark.cluster
def test_an_overloaded_server_answers_429_in_plain_text_and_nothing_is_left_behind() -> None:
    flags = ("--enable-priority-and-fairness=false", "--max-mutating-requests-inflight=1")
    with ControlPlane(*flags) as server, ThreadPoolExecutor(3) as clients:
        install_crds(server)
        namespace = server.namespace()
        token = server.service_account(namespace, WORKFLOW_RULES)
        path = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows"
        server.etcd.freeze()  # so that the one create that is let in keeps the only place
        creates = [clients.submit(server.request, "POST", path, _workflow(f"w{n}"), token=token) for n in range(3)]
        answers = [create.result() for create in islice(as_completed(creates), 2)]
        server.etcd.thaw()
        for answer in answers:
            assert answer.status == 429
            assert answer.message.strip() == "Too many requests, please try again later."
            assert answer.reason == ""
        assert sorted(create.result().status for create in creates) == [201, 429, 429]
        folder, processes = server.ca_file.parent, (server.etcd, server.apiserver)
    assert not folder.exists()
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)


@pytest.mark.cluster
def test_a_server_that_does_not_start_shows_its_log() -> None:
    with (
        pytest.raises(RuntimeError, match=r"kube-apiserver ended with code 1(?s:.*)unknown flag: --nonsense"),
        ControlPlane("--nonsense"),
    ):
        pass


def test_missing_binaries_are_an_error_that_names_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "binary", lambda name: tmp_path / name)
    with pytest.raises(MissingBinariesError, match=r"etcd and kube-apiserver not built .*: run: make tools"):
        binaries()


def test_the_definitions_are_the_three_that_the_platform_meets() -> None:
    names = [crd["metadata"]["name"] for crd in load_crds()]
    assert names == ["applications.core.oam.dev", "workflows.argoproj.io", "workflowtemplates.argoproj.io"]
