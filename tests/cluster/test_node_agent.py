"""The lane's node agent on a real API server: pods run, fail, wait, restart and end as a kubelet lets them."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tests.local_lane.lane import Lane, Part, lane
from tests.local_lane.rules import Image, Rules
from tests.support.control_plane import MissingBinariesError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("node agent"),
]

Manifest = dict[str, Any]
PATIENCE = 60.0
#: Serves until it has been asked a number of times for /health, and answers 500 from then on.
SICKLY = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    left = 2
    def do_GET(self):
        Handler.left -= 1
        self.send_response(200 if Handler.left >= 0 else 500)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer((os.environ["POD_IP"], 8080), Handler).serve_forever()
"""
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(600)"
)
IMAGES = {
    "service": Image(["python", "tests/local_lane/stand_in/service.py"], [], {"/bin/init": ["sh", "-c"]}),
    "broken": Image(["sh", "-c"], ["echo first line; echo last words; exit 3"]),
    "sickly": Image(["python", "-c"], [SICKLY]),
    "stubborn": Image(["python", "-c"], [STUBBORN]),
    "shell": Image(["sh", "-c"], ["true"]),
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running() -> AsyncIterator[Lane]:
    try:
        async with lane({Part.CONTROLLERS}, Rules({}, IMAGES, {})) as found:
            yield found
    except MissingBinariesError as error:
        pytest.fail(str(error), pytrace=False)


class Namespace:
    """Pods in a namespace of a test's own."""

    def __init__(self, running: Lane, name: str) -> None:
        self.lane = running
        self.name = name
        self.path = f"/api/v1/namespaces/{name}"

    async def create(self, name: str, image: str, container: Manifest | None = None, **spec: Any) -> None:
        pod = {
            "metadata": {"name": name},
            "spec": {
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 2,
                "containers": [{"name": "service", "image": image, **(container or {})}],
                **spec,
            },
        }
        await self.lane.api.expect("POST", f"{self.path}/pods", pod)

    async def status(self, name: str, wanted: Callable[[Manifest], object]) -> Manifest:
        """Return the status of a pod once it is as wanted."""
        deadline = time.monotonic() + PATIENCE
        while True:
            status: Manifest = (await self.lane.api.expect("GET", f"{self.path}/pods/{name}"))["status"]
            with suppress(KeyError, IndexError):
                if wanted(status):
                    return status
            assert time.monotonic() < deadline, status
            for task in self.lane.working:
                assert not task.done(), task
            await asyncio.sleep(0.05)

    async def reasons(self, name: str) -> dict[str, str]:
        """Return reason → message of the events about a pod."""
        events = (await self.lane.api.expect("GET", f"{self.path}/events"))["items"]
        return {event["reason"]: event["message"] for event in events if event["involvedObject"]["name"] == name}

    async def log(self, name: str, options: str = "") -> str:
        answer = await self.lane.api.request("GET", f"{self.path}/pods/{name}/log?{options}")
        assert answer.status == 200, answer
        return answer.message

    async def secret(self, name: str, **data: str) -> None:
        await self.lane.api.expect("POST", f"{self.path}/secrets", {"metadata": {"name": name}, "stringData": data})

    def pid(self, name: str) -> int:
        assert self.lane.agent is not None
        (pod,) = (pod for pod in self.lane.agent.pods.values() if pod.is_named(self.name, name))
        return pod.pids["service"]


@pytest_asyncio.fixture(loop_scope="module")
async def pods(running: Lane) -> Namespace:
    return Namespace(running, running.server.namespace("pods"))


def main_state(status: Manifest) -> Manifest:
    state: Manifest = status["containerStatuses"][0]["state"]
    return state


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def get(path: str, **timing: int) -> Manifest:
    return {"httpGet": {"path": path, "port": 8080}, "periodSeconds": 1, **timing}


async def test_a_pod_becomes_ready_when_its_probe_succeeds(pods: Namespace) -> None:
    started = time.monotonic()
    await pods.create("a", "service", {"readinessProbe": get("/", initialDelaySeconds=1)})
    status = await pods.status("a", lambda status: status["containerStatuses"][0]["ready"])
    assert time.monotonic() - started >= 1
    assert (status["phase"], set(main_state(status))) == ("Running", {"running"})
    assert status["podIP"].startswith("127.")
    assert "serving on port 8080" in await pods.log("a")


async def test_a_missing_secret_holds_the_container_until_it_is_there(pods: Namespace) -> None:
    variable = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}}
    await pods.create("b", "shell", {"args": ["echo token=$TOKEN; sleep 600"], "env": [variable]})
    status = await pods.status("b", lambda status: "waiting" in main_state(status))
    status = await pods.status("b", lambda status: "message" in main_state(status)["waiting"])
    waiting = main_state(status)["waiting"]
    assert waiting == {"reason": "CreateContainerConfigError", "message": 'secret "keys" not found'}
    assert status["phase"] == "Pending"
    await pods.secret("keys", token="t")
    await pods.status("b", lambda status: "running" in main_state(status))
    assert (await pods.reasons("b"))["Failed"] == 'Error: secret "keys" not found'


async def test_a_failing_container_restarts_ever_later(pods: Namespace) -> None:
    await pods.create("c", "broken")
    status = await pods.status("c", lambda status: status["containerStatuses"][0]["restartCount"] >= 2)
    (container,) = status["containerStatuses"]
    assert container["lastState"]["terminated"]["exitCode"] == 3
    status = await pods.status("c", lambda status: "waiting" in main_state(status))
    assert main_state(status)["waiting"]["reason"] == "CrashLoopBackOff"
    assert status["phase"] == "Running"
    assert await pods.log("c", "tailLines=1") == "last words\n"
    assert await pods.log("c", "previous=true") == "first line\nlast words\n"


async def test_a_failing_liveness_probe_restarts_the_container(pods: Namespace) -> None:
    await pods.create("d", "sickly", {"livenessProbe": get("/health", failureThreshold=2)})
    status = await pods.status("d", lambda status: status["containerStatuses"][0]["restartCount"] == 1)
    assert status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 143
    reasons = await pods.reasons("d")
    assert reasons["Unhealthy"] == "Liveness probe failed: HTTP probe failed with statuscode: 500"
    assert "Killing" in reasons


async def test_init_containers_come_first_and_are_tried_until_they_succeed(pods: Namespace) -> None:
    script = 'test -f "$HOME/tried" && echo done || { touch "$HOME/tried"; echo not yet; exit 4; }'
    init = {"name": "init", "image": "service", "command": ["/bin/init", script]}
    await pods.create("e", "service", initContainers=[init])
    status = await pods.status("e", lambda status: "running" in main_state(status))
    (first,) = status["initContainerStatuses"]
    assert first["restartCount"] == 1
    assert first["lastState"]["terminated"]["exitCode"] == 4
    assert await pods.log("e", "container=init") == "done\n"


async def test_an_image_that_nothing_stands_for_cannot_be_pulled(pods: Namespace) -> None:
    await pods.create("f", "registry.example/unknown:1", imagePullSecrets=[{"name": "gone"}])
    status = await pods.status("f", lambda status: main_state(status)["waiting"]["reason"] == "ImagePullBackOff")
    assert "registry.example/unknown:1" in main_state(status)["waiting"]["message"]
    assert "(gone)" in (await pods.reasons("f"))["FailedToRetrieveImagePullSecret"]


async def test_a_volume_without_its_secret_holds_the_pod(pods: Namespace) -> None:
    mount = {"name": "creds", "mountPath": "/var/run/creds"}
    volume = {"name": "creds", "secret": {"secretName": "creds"}}
    env = [{"name": "FILE", "value": "/var/run/creds/file"}]
    container = {"args": ['cat "$FILE"; sleep 600'], "volumeMounts": [mount], "env": env}
    await pods.create("g", "shell", container, volumes=[volume])
    await pods.status("g", lambda status: main_state(status)["waiting"]["reason"] == "ContainerCreating")
    deadline = time.monotonic() + PATIENCE
    while "FailedMount" not in await pods.reasons("g"):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    await pods.secret("creds", file="content")
    await pods.status("g", lambda status: "running" in main_state(status))
    while await pods.log("g") != "content":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_a_pod_without_restarts_ends(pods: Namespace) -> None:
    await pods.create("h", "broken", restartPolicy="Never")
    status = await pods.status("h", lambda status: status["phase"] == "Failed")
    assert main_state(status)["terminated"]["exitCode"] == 3
    await pods.create("i", "shell", restartPolicy="OnFailure")
    status = await pods.status("i", lambda status: status["phase"] == "Succeeded")
    assert main_state(status)["terminated"]["reason"] == "Completed"


async def test_a_deleted_pod_has_its_grace_and_no_more(pods: Namespace) -> None:
    await pods.create("j", "stubborn")
    await pods.status("j", lambda status: "running" in main_state(status))
    deadline = time.monotonic() + PATIENCE
    while await pods.log("j") != "on\n":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    pid, started = pods.pid("j"), time.monotonic()
    await pods.lane.api.expect("DELETE", f"{pods.path}/pods/j")
    while (await pods.lane.api.request("GET", f"{pods.path}/pods/j")).status != 404:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    assert 2 <= time.monotonic() - started < 20
    assert not alive(pid)
