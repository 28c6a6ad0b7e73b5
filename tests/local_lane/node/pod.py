"""One pod from its binding to its end: init containers in turn, then its containers, restarted as its policy says."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from tests.local_lane.node import probes
from tests.local_lane.node.environment import ConfigError
from tests.local_lane.node.machine import NODE
from tests.local_lane.node.preparation import MountError, Preparation
from tests.local_lane.node.process import Process
from tests.local_lane.node.status import ContainerStatus, PodStatus, now, terminated, waiting
from tests.local_lane.rules import ROOT, NoSuchImageError, NoSuchProgramError
from tests.support.control_plane_api import MERGE_PATCH

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.local_lane.node.machine import Machine
    from tests.local_lane.node.preparation import Command

Manifest = dict[str, Any]


#: Seconds between two looks at what is missing.
_RETRY = 0.5
#: Seconds before the second restart, doubled each time, and the most; a kubelet begins with ten.
_BACK_OFF, _BACK_OFF_MOST = 1.0, 30.0
#: Seconds that a process has when the lane itself ends.
_FAREWELL = 3.0


class Stopped(Exception):
    """The pod is being deleted."""


class Pod:
    """A pod that runs here.

    Attributes:
        address: Its own address on loopback.
        pids: Container → process id of its present or last run.
    """

    def __init__(self, machine: Machine, manifest: Manifest) -> None:
        self._machine = machine
        self._manifest = manifest
        self._stopped = asyncio.Event()
        self._gone = False
        self._told: set[str] = set()
        metadata = manifest["metadata"]
        self._path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        self._folder = machine.folder / f"{metadata['namespace']}_{metadata['name']}_{metadata['uid'][:8]}"
        self.address = machine.addresses.next()
        self.pids: dict[str, int] = {}
        self._status = PodStatus(manifest["spec"], self.address)
        self._preparation = Preparation(machine, manifest, self.address, self._folder)

    def update(self, manifest: Manifest, *, gone: bool) -> None:
        """Take note of a change."""
        self._manifest = manifest
        self._gone = gone
        if gone or "deletionTimestamp" in manifest["metadata"]:
            self._stopped.set()

    def is_named(self, namespace: str, name: str) -> bool:
        """Whether it has this name and has not gone."""
        metadata = self._manifest["metadata"]
        return not self._gone and (metadata["namespace"], metadata["name"]) == (namespace, name)

    def log(self, container: str, *, previous: bool = False) -> Path:
        """Return the log of a container's present run, or of the one before."""
        (status,) = (s for s in [*self._status.init, *self._status.main] if s.name == container)
        return self._log(container, max(status.restarts - previous, 0))

    async def run(self) -> None:
        """Run it until it has ended or is deleted."""
        spec = self._manifest["spec"]
        with contextlib.suppress(Stopped):
            await self._bind()
            await self._mount()
            for container, status in zip(spec.get("initContainers", []), self._status.init, strict=True):
                if await self._run(container, status, self._again_until_success):
                    return
            await asyncio.gather(
                *(
                    self._run(container, status, self._again)
                    for container, status in zip(spec["containers"], self._status.main, strict=True)
                )
            )
        if not self._stopped.is_set():  # it has ended by itself, and stays until somebody deletes it
            await self._stopped.wait()
        if not self._gone:
            body = {
                "kind": "DeleteOptions",
                "apiVersion": "v1",
                "gracePeriodSeconds": 0,
                "preconditions": {"uid": self._manifest["metadata"]["uid"]},
            }
            await self._machine.api.request("DELETE", self._path, body)

    async def _bind(self) -> None:
        """Play the scheduler: there is one node."""
        if "nodeName" not in self._manifest["spec"]:
            binding = {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": self._manifest["metadata"]["name"]},
                "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
            }
            answer = await self._machine.api.request("POST", f"{self._path}/binding", binding)
            if answer.status >= 400:
                raise Stopped  # it was deleted before it got here
        await self._report()

    async def _mount(self) -> None:
        missing = await self._preparation.missing_pull_secrets()
        if missing:
            await self._warn(
                "FailedToRetrieveImagePullSecret",
                f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
                "attempting to pull the image may not succeed.",
            )
        while True:
            try:
                return await self._preparation.mount()
            except MountError as error:
                await self._warn("FailedMount", str(error))
                await self._sleep(_RETRY)

    def _again(self, code: int) -> bool:
        policy = self._manifest["spec"].get("restartPolicy", "Always")
        return policy == "Always" or (policy == "OnFailure" and code != 0)

    def _again_until_success(self, code: int) -> bool:
        return code != 0 and self._manifest["spec"].get("restartPolicy", "Always") != "Never"

    async def _run(self, container: Manifest, status: ContainerStatus, again: Callable[[int], bool]) -> int:
        """Run a container, again and again if need be; return its last exit code."""
        while True:
            code = await self._once(container, status, await self._command(container, status))
            await self._report()
            if self._stopped.is_set():
                raise Stopped
            if not again(code):
                return code
            status.last = status.state
            delay = _back_off(status.restarts)
            if delay:
                name = self._manifest["metadata"]["name"]
                message = f"back-off {delay:g}s restarting failed container={container['name']} pod={name}"
                status.state = waiting("CrashLoopBackOff", message)
                await self._report()
                await self._warn("BackOff", message)
                await self._sleep(delay)
            status.restarts += 1

    async def _command(self, container: Manifest, status: ContainerStatus) -> Command | None:
        """Return what to start; wait until it can be. ``None`` if the program does not exist."""
        while True:
            try:
                return await self._preparation.command(container)
            except ConfigError as error:
                status.state = waiting("CreateContainerConfigError", str(error))
                await self._warn("Failed", f"Error: {error}")
            except NoSuchImageError as error:
                message = f'Back-off pulling image "{error}": no process stands for it in local-lane.yaml'
                status.state = waiting("ImagePullBackOff", message)
                await self._warn("Failed", message)
            except NoSuchProgramError as error:
                message = (
                    f'exec: "{error}": executable file not found in $PATH: nothing stands for it in local-lane.yaml'
                )
                status.state = terminated(128, now(), "StartError", message)
                await self._warn("Failed", f"Error: {message}")
                return None
            await self._report()
            await self._sleep(_RETRY)

    async def _once(self, container: Manifest, status: ContainerStatus, command: Command | None) -> int:
        if command is None:
            return 128
        started = now()
        log = self._log(container["name"], status.restarts)
        process = await Process.start(command.argv, command.env, ROOT, log)
        self.pids[container["name"]] = process.pid
        status.state = {"running": {"startedAt": started}}
        status.ready = "readinessProbe" not in container
        tasks: list[asyncio.Task[Any]] = []
        try:
            await self._report()
            exited, stopped = asyncio.create_task(process.wait()), asyncio.create_task(self._stopped.wait())
            tasks += [exited, stopped]
            if "readinessProbe" in container:
                tasks.append(asyncio.create_task(self._follow_readiness(container, status)))
            if "livenessProbe" in container:
                tasks.append(asyncio.create_task(self._unhealthy(container)))
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # a failure of the agent itself must not pass for one of the container
            code = await (process.kill() if exited in done else process.end(self._grace()))
        except asyncio.CancelledError:
            await process.end(_FAREWELL)
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        status.ready = False
        status.state = terminated(code, started)
        return code

    async def _follow_readiness(self, container: Manifest, status: ContainerStatus) -> None:
        probe = container["readinessProbe"]
        url = probes.target(probe, container, self.address)
        async for verdict in probes.verdicts(self._machine.session, probe, url):
            if not verdict.healthy:
                await self._warn("Unhealthy", f"Readiness probe failed: {verdict.why}")
            if verdict.healthy != status.ready:
                status.ready = verdict.healthy
                await self._report()

    async def _unhealthy(self, container: Manifest) -> None:
        """Return when the liveness probe has failed often enough."""
        probe = container["livenessProbe"]
        url = probes.target(probe, container, self.address)
        async for verdict in probes.verdicts(self._machine.session, probe, url):
            if not verdict.healthy:
                await self._warn("Unhealthy", f"Liveness probe failed: {verdict.why}")
                await self._machine.tell(
                    self._manifest,
                    "Killing",
                    f"Container {container['name']} failed liveness probe, will be restarted",
                )
                return

    def _grace(self) -> float:
        wanted = self._manifest["spec"].get("terminationGracePeriodSeconds", 30)
        if self._stopped.is_set():
            wanted = self._manifest["metadata"].get("deletionGracePeriodSeconds", wanted)
        return 0.0 if self._gone else float(wanted)

    def _log(self, container: str, restarts: int) -> Path:
        return self._folder / "logs" / f"{container}.{restarts}.log"

    async def _report(self) -> None:
        if not self._gone:
            answer = await self._machine.api.request(
                "PATCH", f"{self._path}/status", {"status": self._status.manifest()}, MERGE_PATCH
            )
            if answer.status >= 400 and answer.status != 404:
                raise AssertionError(f"status of {self._path}: {answer.status} {answer.message}")

    async def _warn(self, reason: str, message: str) -> None:
        """Write an event once, however often its cause is met."""
        if reason + message not in self._told:
            self._told.add(reason + message)
            await self._machine.warn(self._manifest, reason, message)

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)
        if self._stopped.is_set():
            raise Stopped


def _back_off(restarts: int) -> float:
    """Return the pause before another restart: none before the first, as a kubelet has it."""
    return 0.0 if restarts == 0 else min(_BACK_OFF * 2 ** (restarts - 1), _BACK_OFF_MOST)
