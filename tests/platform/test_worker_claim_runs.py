"""The worker runs from its own claim: with the very environment that the claim renders and the Role beside it.

Real are the API server with its RBAC, the Deployment controller and nats-server; the node agent starts the worker as a
process. Only addresses differ from what the Deployment says.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import nats
import pytest
import yaml

from contracts.names import InboundType, request_subject
from tests.local_lane.lane import Lane, Part, lane
from tests.local_lane.rules import Rules
from tests.platform import goldens
from tests.platform.goldens import Layout
from tests.support.control_plane import MissingBinariesError
from worker.cli.app import cli

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("local-lane")]

LAYOUT = Layout()
EXAMPLE = "platform-worker-claim"
HOME = "argo"
NAME = "platform-worker"
PATIENCE = 60.0
#: What a process needs to live beside others, instead of in a container with an address and a token of its own.
LOCAL = {"PATH", "HOME", "HOSTNAME", "POD_IP", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"}
COLLECTIONS = {
    "EventDrivenService": "/apis/platform.bizmatters.io/v1alpha1/namespaces/argo/eventdrivenservices",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/argo/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/argo/rolebindings",
}
WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/argo/workflows"
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "first",
    "source": "urn:test",
    "type": InboundType.PROVISIONING_REQUESTED.value,
    "datacontenttype": "application/json",
    "data": {
        "name": "orders",
        "namespace": "shop",
        "requestedBy": "dana@example.org",
        "components": [{"name": "db", "type": "postgresql", "properties": {"size": "small"}}],
    },
}


@pytest.fixture
async def local_lane() -> AsyncIterator[Lane]:
    try:
        async with lane({Part.NATS, Part.CONTROLLERS}, Rules.read()) as running:
            yield running
    except MissingBinariesError as error:
        pytest.fail(str(error), pytrace=False)


class Run:
    """The worker's claim on a lane."""

    def __init__(self, running: Lane) -> None:
        self.lane = running

    async def prepare(self) -> None:
        """Make the streams and the namespace."""
        await asyncio.to_thread(self._apply_streams)
        await self.lane.api.expect("POST", "/api/v1/namespaces", {"metadata": {"name": HOME}})

    def _apply_streams(self) -> None:
        cli.main(["streams", "apply"], standalone_mode=False)

    async def create(self, *kinds: str) -> None:
        """Create documents of the example."""
        for document in goldens.load_all(LAYOUT.case(EXAMPLE)):
            if document["kind"] in kinds:
                await self.lane.api.expect("POST", COLLECTIONS[document["kind"]], document)

    async def pod(self, *, ready: bool) -> dict[str, Any]:
        """Return the worker's pod once it runs, or once it is ready."""

        async def found() -> dict[str, Any] | None:
            pods = (await self.lane.api.expect("GET", f"/api/v1/namespaces/{HOME}/pods"))["items"]
            for pod in pods:
                (status,) = pod["status"].get("containerStatuses") or [{"state": {}, "ready": False}]
                if "running" in status["state"] and (status["ready"] or not ready):
                    return dict(pod)
            return None

        pod: dict[str, Any] = await self.wait_for(found)
        return pod

    async def publish(self) -> None:
        client = await nats.connect(self.lane.env["NATS_URL"])
        subject = request_subject(EVENT["data"]["namespace"], EVENT["data"]["name"])
        headers = {"Content-Type": "application/cloudevents+json"}
        await client.jetstream().publish(subject, json.dumps(EVENT).encode(), headers=headers)
        await client.close()

    async def workflows(self) -> list[dict[str, Any]]:
        items = (await self.lane.api.expect("GET", WORKFLOWS))["items"]
        return list(items)

    async def wait_for(self, look: Any) -> Any:
        deadline = time.monotonic() + PATIENCE
        while not (found := await look()):
            assert time.monotonic() < deadline, self.lane.logs()
            for task in self.lane.working:
                assert not task.done(), task
            await asyncio.sleep(0.05)
        return found


@pytest.fixture
async def run(local_lane: Lane, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("NATS_URL", local_lane.env["NATS_URL"])
    made = Run(local_lane)
    await made.prepare()
    return made


def process_environment(running: Lane) -> dict[str, str]:
    """Return the environment that the kernel has of the worker's process."""
    assert running.agent is not None
    (pod,) = running.agent.pods.values()
    raw = Path(f"/proc/{pod.pids['service']}/environ").read_bytes().decode()
    return dict(entry.split("=", 1) for entry in raw.split("\0") if entry)


def token_in(environment: dict[str, str]) -> str:
    config = yaml.safe_load(Path(environment["KUBECONFIG"]).read_text())
    return str(config["users"][0]["user"]["token"])


def declared() -> dict[str, str]:
    """Return the environment in the rendered Deployment."""
    objects = goldens.objects(goldens.unseal(LAYOUT, EXAMPLE))
    manifest = objects["deployment"]["spec"]["forProvider"]["manifest"]
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}


async def status_of(pod: dict[str, Any], path: str) -> int:
    def ask() -> int:
        with urlopen(f"http://{pod['status']['podIP']}:8080{path}", timeout=5) as answer:
            return int(answer.status)

    return await asyncio.to_thread(ask)


async def test_an_event_becomes_a_workflow(run: Run) -> None:
    await run.create("Role", "RoleBinding", "EventDrivenService")
    pod = await run.pod(ready=True)

    found = process_environment(run.lane)
    assert found.keys() - declared().keys() == LOCAL
    assert {name: found[name] for name in declared()} == {**declared(), "NATS_URL": run.lane.env["NATS_URL"]}

    token = token_in(found)
    review = run.lane.server.expect(201, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, token=token)
    assert review["status"]["userInfo"]["username"] == f"system:serviceaccount:{HOME}:{NAME}"
    assert run.lane.server.request("GET", "/api/v1/namespaces/argo/secrets", token=token).status == 403

    assert await status_of(pod, "/health") == 200
    assert await status_of(pod, "/ready") == 200
    await run.publish()
    (workflow,) = await run.wait_for(run.workflows)
    assert workflow["metadata"]["labels"]["app.oam.dev/name"] == "orders"
    (task,) = [task for template in workflow["spec"]["templates"] for task in template.get("dag", {}).get("tasks", [])]
    assert task["templateRef"]["name"] == "pattern3-infrastructure-workflow"


async def test_without_the_binding_nothing_does(run: Run) -> None:
    await run.create("Role", "EventDrivenService")
    await run.pod(ready=False)
    await run.publish()

    async def refused() -> bool:
        return "forbidden" in run.lane.logs()

    await run.wait_for(refused)
    assert await run.workflows() == []
