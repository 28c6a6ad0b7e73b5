"""A pod's phase, conditions and restarts, told as a kubelet tells them."""

from __future__ import annotations

from typing import Any

from tests.local_lane.node.pod import _back_off
from tests.local_lane.node.status import PodStatus, now, terminated, waiting

CONTAINER = {"name": "service", "image": "acme:1"}
INIT = {"name": "init", "image": "acme:1"}


def pod(**spec: Any) -> PodStatus:
    return PodStatus({"containers": [CONTAINER], **spec}, "127.1.0.1")


def conditions(status: PodStatus) -> dict[str, str]:
    return {entry["type"]: entry["status"] for entry in status.manifest()["conditions"]}


def test_a_new_pod_is_pending() -> None:
    status = pod(initContainers=[INIT])
    made = status.manifest()
    assert made["phase"] == "Pending"
    assert made["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert made["initContainerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert conditions(status) == {
        "PodScheduled": "True",
        "Initialized": "False",
        "ContainersReady": "False",
        "Ready": "False",
    }


def test_it_runs_once_its_init_containers_have_succeeded() -> None:
    status = pod(initContainers=[INIT])
    status.init[0].state = terminated(1, now())
    assert status.manifest()["phase"] == "Pending"
    status.init[0].state = terminated(0, now())
    status.main[0].state = {"running": {"startedAt": now()}}
    assert status.manifest()["phase"] == "Running"
    assert conditions(status)["Initialized"] == "True"
    assert conditions(status)["Ready"] == "False"
    status.main[0].ready = True
    assert conditions(status)["Ready"] == "True"


def test_a_container_that_cannot_be_configured_leaves_it_pending() -> None:
    status = pod()
    status.main[0].state = waiting("CreateContainerConfigError", 'secret "gone" not found')
    assert status.manifest()["phase"] == "Pending"


def test_a_crashed_container_leaves_it_running() -> None:
    status = pod()
    status.main[0].last = terminated(-9, now())
    status.main[0].state = waiting("CrashLoopBackOff")
    assert status.manifest()["phase"] == "Running"
    assert status.main[0].last["terminated"]["exitCode"] == 137


def test_without_restarts_it_ends() -> None:
    status = pod(restartPolicy="Never")
    status.main[0].state = terminated(0, now())
    assert status.manifest()["phase"] == "Succeeded"
    status.main[0].state = terminated(3, now())
    assert status.manifest()["phase"] == "Failed"


def test_a_failed_init_container_ends_it_only_without_restarts() -> None:
    for policy, phase in (("Never", "Failed"), ("Always", "Pending")):
        status = pod(initContainers=[INIT], restartPolicy=policy)
        status.init[0].state = terminated(1, now())
        assert status.manifest()["phase"] == phase


def test_restarts_come_at_once_and_then_ever_later() -> None:
    assert [_back_off(restarts) for restarts in (0, 1, 2, 3, 10)] == [0.0, 1.0, 2.0, 4.0, 30.0]
