"""The worker's own claim gives it an environment that it accepts, and the Role beside it the rights that it uses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from contracts import names
from tests.outbound.clusters import VERBS
from tests.platform import fixtures
from worker.settings import Settings

if TYPE_CHECKING:
    from tests.support.control_plane import ControlPlane

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces"
_TIMEOUT = 10.0


@pytest.fixture(scope="module")
def documents() -> dict[str, dict[str, Any]]:
    text = (fixtures.EXAMPLES / "platform-worker-claim.yaml").read_text(encoding="utf-8")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


@pytest.fixture
def claim(documents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return documents["EventDrivenService"]


def test_the_worker_accepts_the_environment(claim: dict[str, Any]) -> None:
    spec = claim["spec"]
    own = {variable["name"]: variable["value"] for variable in spec["env"]}
    assert own.keys() <= {name.upper() for name in Settings.model_fields}
    settings = Settings.from_environment(
        own
        | {
            "NATS_URL": "nats://nats.nats.svc:4222",
            "NATS_STREAM_NAME": spec["nats"]["stream"],
            "NATS_CONSUMER_GROUP": spec["nats"]["consumer"],
        }
    )
    assert (settings.nats_stream_name, settings.nats_consumer_group) == (names.EVENTS_STREAM, names.CONSUMER)
    assert settings.workflow_namespace == claim["metadata"]["namespace"]
    assert spec["terminationGracePeriodSeconds"] >= settings.graceful_timeout + 10
    assert spec["scaling"]["lagThreshold"] == settings.max_in_flight
    assert settings.http_port == 8080, "the claim leaves `port` at its default"
    assert spec["serviceAccount"]["automountToken"] is True


def test_the_role_is_what_the_adapters_are_tested_with(documents: dict[str, dict[str, Any]]) -> None:
    role, binding = documents["Role"], documents["RoleBinding"]
    assert role["rules"] == [{"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": VERBS}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    metadata = documents["EventDrivenService"]["metadata"]
    account = {"kind": "ServiceAccount", "name": metadata["name"], "namespace": metadata["namespace"]}
    assert binding["subjects"] == [account]
    assert {document["metadata"]["namespace"] for document in documents.values()} == {metadata["namespace"]}


def test_the_service_account_may_do_that_and_nothing_else(
    control_plane: ControlPlane, documents: dict[str, dict[str, Any]]
) -> None:
    namespace, name = (documents["EventDrivenService"]["metadata"][key] for key in ("namespace", "name"))
    control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})  # another suite may have it
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    control_plane.expect(201, "POST", accounts, {"metadata": {"name": name}})  # the composition makes it
    for kind, plural in (("Role", "roles"), ("RoleBinding", "rolebindings")):
        control_plane.expect(201, "POST", f"{RBAC}/{namespace}/{plural}?fieldValidation=Strict", documents[kind])
    answer = control_plane.expect(201, "POST", f"{accounts}/{name}/token", {"spec": {"expirationSeconds": 3600}})
    token = answer["status"]["token"]

    def may(verb: str, resource: str, group: str = "", where: str = namespace) -> bool:
        wanted = {"verb": verb, "group": group, "resource": resource, "namespace": where}
        review = {"spec": {"resourceAttributes": wanted}}
        return bool(control_plane.expect(201, "POST", REVIEWS, review, token=token)["status"]["allowed"])

    deadline = time.monotonic() + _TIMEOUT
    while not may("create", "workflows", "argoproj.io"):  # the authorizer reads its roles from a cache
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert all(may(verb, "workflows", "argoproj.io") for verb in VERBS)
    assert not any(may(verb, "workflows", "argoproj.io") for verb in ("delete", "deletecollection", "update"))
    assert not any(may(verb, resource) for verb in ("get", "list", "create") for resource in ("secrets", "pods"))
    assert not may("get", "workflows", "argoproj.io", where="default")
