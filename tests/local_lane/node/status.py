"""The status of a pod, in the words of a kubelet: pure, from what the agent knows of its containers."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

Manifest = dict[str, Any]


def now() -> str:
    """Return the present time as Kubernetes writes it."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def waiting(reason: str, message: str = "") -> Manifest:
    """Return the state of a container that has not started, or waits to start again."""
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def terminated(code: int, started: str, reason: str = "", message: str = "") -> Manifest:
    """Return the state of a container that has ended; a negative code is a signal, as Python has it."""
    code = 128 - code if code < 0 else code
    reason = reason or ("Completed" if code == 0 else "Error")
    made = {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": now()}
    return {"terminated": {**made, **({"message": message} if message else {})}}


@dataclass
class ContainerStatus:
    """What is known of one container.

    Attributes:
        state: Present state: waiting, running or terminated.
        last: State at the end of the run before.
    """

    name: str
    image: str
    state: Manifest = field(default_factory=lambda: waiting("ContainerCreating"))
    last: Manifest = field(default_factory=dict)
    restarts: int = 0
    ready: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether it has ended with code 0."""
        return bool(self.state.get("terminated", {}).get("exitCode") == 0 and "terminated" in self.state)

    def manifest(self) -> Manifest:
        """Return its entry in `containerStatuses`."""
        return {
            "name": self.name,
            "image": self.image,
            "imageID": "",
            "ready": self.ready,
            "started": "running" in self.state,
            "restartCount": self.restarts,
            "state": self.state,
            "lastState": self.last,
        }


class PodStatus:
    """Makes the status of one pod, again and again; remembers when each condition changed."""

    def __init__(self, spec: Manifest, address: str) -> None:
        self._address = address
        self._policy = spec.get("restartPolicy", "Always")
        self._since: dict[str, tuple[str, str]] = {}
        self._started = now()
        self.init = [ContainerStatus(c["name"], c["image"]) for c in spec.get("initContainers", [])]
        self.main = [ContainerStatus(c["name"], c["image"]) for c in spec["containers"]]
        if self.init:
            for container in [*self.init[1:], *self.main]:
                container.state = waiting("PodInitializing")

    def manifest(self) -> Manifest:
        """Return the status as it is now."""
        initialised = all(container.succeeded for container in self.init)
        ready = all(container.ready for container in self.main)
        unready = [container.name for container in self.main if not container.ready]
        unfinished = [container.name for container in self.init if not container.succeeded]
        not_ready = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
        not_initialised = (
            "ContainersNotInitialized",
            f"containers with incomplete status: [{' '.join(unfinished)}]",
        )
        made = {
            "phase": self._phase(initialised=initialised),
            "conditions": [
                self._condition("PodScheduled", holds=True),
                self._condition("Initialized", holds=initialised, otherwise=not_initialised),
                self._condition("ContainersReady", holds=ready, otherwise=not_ready),
                self._condition("Ready", holds=ready, otherwise=not_ready),
            ],
            "hostIP": "127.0.0.1",
            "podIP": self._address,
            "podIPs": [{"ip": self._address}],
            "startTime": self._started,
            "containerStatuses": [container.manifest() for container in self.main],
        }
        if self.init:
            made["initContainerStatuses"] = [container.manifest() for container in self.init]
        return made

    def _phase(self, *, initialised: bool) -> str:
        if any("terminated" in c.state and not c.succeeded for c in self.init) and self._policy == "Never":
            return "Failed"
        if not initialised:
            return "Pending"
        states = [container.state for container in self.main]
        if all("terminated" in state for state in states) and self._policy != "Always":
            return "Succeeded" if all(container.succeeded for container in self.main) else "Failed"
        started = any("waiting" not in c.state or c.last or c.restarts for c in self.main)
        return "Running" if started else "Pending"

    def _condition(self, kind: str, *, holds: bool, otherwise: tuple[str, str] = ("", "")) -> Manifest:
        status = "True" if holds else "False"
        if self._since.get(kind, ("", ""))[0] != status:
            self._since[kind] = (status, now())
        made = {"type": kind, "status": status, "lastTransitionTime": self._since[kind][1]}
        return made if holds else {**made, "reason": otherwise[0], "message": otherwise[1]}
