"""What has to be there before a container can start: its Secrets as files, its token, its environment, its program."""

from __future__ import annotations

import functools
import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.local_lane.node.environment import ConfigError, expanded, secret_files, variables
from tests.local_lane.rules import localised

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local_lane.node.machine import Machine

Manifest = dict[str, Any]
_TOKEN_SECONDS = 3600


class MountError(Exception):
    """A volume, the token included, cannot be provided yet; the text is the kubelet's."""


@dataclass(frozen=True)
class Command:
    """What to start.

    Attributes:
        argv: Program and arguments.
        env: The whole environment of the process.
    """

    argv: list[str]
    env: dict[str, str]


class Preparation:
    """Of the containers of one pod."""

    def __init__(self, machine: Machine, pod: Manifest, address: str, folder: Path) -> None:
        self._machine = machine
        self._pod = pod
        self._address = address
        self._folder = folder
        self._namespace: str = pod["metadata"]["namespace"]
        self._read = functools.partial(machine.read, self._namespace)

    async def mount(self) -> None:
        """Write the files of all volumes, and the kubeconfig with the token of the service account.

        Raises:
            MountError: a Secret or the service account is missing.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for volume in self._pod["spec"].get("volumes", []):
            try:
                files = await secret_files(volume, self._namespace, self._read)
            except ConfigError as error:
                raise MountError(str(error)) from None
            for name, content in files.items():
                _write(self._folder / "volumes" / volume["name"] / name, content)
        if await self._automounts():
            _write(self._kubeconfig, json.dumps(await self._credentials()).encode())

    async def missing_pull_secrets(self) -> list[str]:
        """Return the names of the image pull secrets that do not exist: a kubelet only warns of them."""
        names = [entry["name"] for entry in self._pod["spec"].get("imagePullSecrets", [])]
        return [name for name in names if await self._read("Secret", name) is None]

    async def command(self, container: Manifest) -> Command:
        """Return what to start for a container.

        Raises:
            ConfigError: something that its environment refers to is missing.
            NoSuchImageError: nothing stands for its image.
            NoSuchProgramError: nothing stands for its command.
        """
        declared = await variables(container, self._fields(), self._service(), self._namespace, self._read)
        argv = self._machine.rules.argv(
            container,
            [expanded(part, declared) for part in container.get("command", [])],
            [expanded(part, declared) for part in container.get("args", [])],
        )
        mounts = {mount["mountPath"]: self._volume(mount["name"]) for mount in container.get("volumeMounts", [])}
        located = {**self._machine.located, **mounts}
        env = {name: localised(value, located) for name, value in declared.items()}
        return Command([sys.executable if part == "python" else part for part in argv], {**self._local(), **env})

    def _local(self) -> dict[str, str]:
        """Return what a process needs to live beside others on this machine instead of in a container of its own."""
        here = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "HOSTNAME": self._pod["metadata"]["name"],
            # All addresses of the machine belong to all pods: each has to be told which one is its own.
            "POD_IP": self._address,
        }
        # Instead of the token below /var/run/secrets: no such folder can be made for one process alone.
        return {**here, "KUBECONFIG": str(self._kubeconfig)} if self._kubeconfig.exists() else here

    def _volume(self, name: str) -> str:
        return str(self._folder / "volumes" / name)

    @property
    def _kubeconfig(self) -> Path:
        return self._folder / "kubeconfig"

    def _fields(self) -> dict[str, str]:
        metadata, spec = self._pod["metadata"], self._pod["spec"]
        return {
            "metadata.name": metadata["name"],
            "metadata.namespace": metadata["namespace"],
            "metadata.uid": metadata["uid"],
            "spec.nodeName": spec.get("nodeName", ""),
            "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
            "status.podIP": self._address,
            "status.hostIP": "127.0.0.1",
            **{f"metadata.labels['{key}']": value for key, value in metadata.get("labels", {}).items()},
            **{f"metadata.annotations['{key}']": value for key, value in metadata.get("annotations", {}).items()},
        }

    def _service(self) -> dict[str, str]:
        host, port = self._machine.api.url.removeprefix("https://").split(":")
        return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}

    @property
    def _account(self) -> str:
        name: str = self._pod["spec"].get("serviceAccountName", "default")
        return f"/api/v1/namespaces/{self._namespace}/serviceaccounts/{name}"

    async def _automounts(self) -> bool:
        spec = self._pod["spec"]
        if "automountServiceAccountToken" in spec:
            return bool(spec["automountServiceAccountToken"])
        account = await self._machine.api.request("GET", self._account)
        return account.status == 200 and bool(account.body.get("automountServiceAccountToken", True))

    async def _credentials(self) -> Manifest:
        metadata = self._pod["metadata"]
        bound = {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]}
        request = {"spec": {"expirationSeconds": _TOKEN_SECONDS, "boundObjectRef": bound}}
        answer = await self._machine.api.request("POST", f"{self._account}/token", request)
        if answer.status != 201:
            raise MountError(f'MountVolume.SetUp failed for volume "kube-api-access" : {answer.message}')
        api = self._machine.api
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "pod",
            "clusters": [{"name": "pod", "cluster": {"server": api.url, "certificate-authority": str(api.ca_file)}}],
            "users": [{"name": "pod", "user": {"token": answer.body["status"]["token"]}}],
            "contexts": [{"name": "pod", "context": {"cluster": "pod", "user": "pod", "namespace": self._namespace}}],
        }


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
