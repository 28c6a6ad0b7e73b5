"""The worker's own claim gives it an environment that it accepts, and the Role beside it the rights that it uses."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from contracts import names
from tests.outbound.clusters import VERBS, RealCluster, new_namespace, service_account
from tests.platform import fixtures
from worker.domain.observed import Listed, Seen
from worker.errors import Misconfigured
from worker.outbound.kubernetes_api import KubernetesWorkflows, workflows_path
from worker.outbound.kubernetes_client import KubernetesAccess, KubernetesClient
from worker.outbound.workflow_watch import WorkflowWatch
from worker.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.control_plane import ControlPlane

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces"
_TIMEOUT = 10.0
_PATIENCE = 60.0


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


# --- Each right is needed ---------------------------------------------------------------------------------------------

WORKFLOW = (
    b'{"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "run"},'
    b' "spec": {"suspend": true, "workflowTemplateRef": {"name": "pattern1"}}}'
)
NEW = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {
        "name": "new",
        "labels": {names.Label.MANAGED_BY.value: names.MANAGED_BY, names.Label.INSTANCE.value: "default"},
    },
    "spec": {"suspend": True, "workflowTemplateRef": {"name": "pattern1"}},
}


async def observe(cluster: RealCluster, client: KubernetesClient, namespace: str, refused: Callable[[], bool]) -> None:
    """Watch Workflows until a new one is seen or the worker said that it was refused."""

    async def until_seen() -> None:
        async for delta in WorkflowWatch(client, namespace, "default").deltas():
            if isinstance(delta, Listed):
                code, answer = await cluster.call("POST", workflows_path(namespace), NEW)
                assert code == 201, answer
            elif isinstance(delta, Seen) and delta.run.name == "new":
                return

    watching = asyncio.create_task(until_seen())
    try:
        async with asyncio.timeout(_PATIENCE):
            while not (refused() or watching.done()):  # noqa: ASYNC110 - a log record sets no event
                await asyncio.sleep(0.02)
        if watching.done():
            watching.result()
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


@pytest.mark.parametrize("verb", VERBS)
async def test_without_any_one_right_the_worker_is_refused_what_it_is_for(
    control_plane: ControlPlane, caplog: pytest.LogCaptureFixture, verb: str
) -> None:
    cluster = RealCluster(control_plane)
    namespace = await new_namespace(cluster)
    others = [other for other in VERBS if other != verb]
    token = await service_account(cluster, namespace, others)
    await asyncio.to_thread(_wait_until_granted, control_plane, token, namespace, others[0])
    async with KubernetesClient(KubernetesAccess(str(cluster.kubeconfig(token)))) as client:
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "create": lambda: KubernetesWorkflows(client, namespace).create("run", WORKFLOW),
            "get": lambda: KubernetesWorkflows(client, namespace).get("run"),
            "patch": lambda: KubernetesWorkflows(client, namespace).start("run"),
        }
        refused = set()
        for call, make in calls.items():
            try:
                await make()
            except Misconfigured:
                refused.add(call)
        with caplog.at_level(logging.WARNING):
            await observe(cluster, client, namespace, lambda: bool(observing_refused(caplog)))
    assert refused | observing_refused(caplog) == {verb}


def observing_refused(caplog: pytest.LogCaptureFixture) -> set[str]:
    """Return the verbs of observing that the server refused, as the worker's log tells it."""
    told = [str(vars(record).get("error")) for record in caplog.records]
    return {verb for verb in ("list", "watch") if any(f"cannot {verb} resource" in text for text in told)}


def _wait_until_granted(plane: ControlPlane, token: str, namespace: str, verb: str) -> None:
    """Wait for the authorizer, which reads its roles from a cache."""
    wanted = {"verb": verb, "group": "argoproj.io", "resource": "workflows", "namespace": namespace}
    review = {"spec": {"resourceAttributes": wanted}}
    deadline = time.monotonic() + _TIMEOUT
    while not plane.expect(201, "POST", REVIEWS, review, token=token)["status"]["allowed"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
