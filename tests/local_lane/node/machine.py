"""What all pods of the agent share: the API server, the rules of the lane, the folder, addresses, events."""

from __future__ import annotations

import contextlib
import random
import socket
from typing import TYPE_CHECKING, Any

from tests.local_lane.node.status import now

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import aiohttp

    from tests.local_lane.api import Api
    from tests.local_lane.rules import Rules

Manifest = dict[str, Any]
NODE = "local"
#: A port that nobody listens on by habit; whoever holds it on a network's last address has the network.
_CLAIM_PORT = 19
_PODS_PER_BLOCK = 250


class PodAddresses:
    """A part of 127.0.0.0/8 for the pods of one lane, so that all can listen on the same port."""

    def __init__(self) -> None:
        """Take a network that no other lane on this machine has.

        Raises:
            OSError: there is none.
        """
        self._used = 0
        for network in random.sample(range(1, 250), 249):
            self._claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self._claim.bind((f"127.{network}.255.254", 20_000 + _CLAIM_PORT))
            except OSError:
                self._claim.close()
                continue
            self._network = network
            return
        raise OSError("no network in 127.0.0.0/8 is free for pods: stop other lanes")

    def next(self) -> str:
        """Return an address that no pod had before."""
        block, host = divmod(self._used, _PODS_PER_BLOCK)
        self._used += 1
        return f"127.{self._network}.{block}.{host + 1}"

    def close(self) -> None:
        """Give the network back."""
        self._claim.close()


class Machine:
    """The node, for its pods.

    Attributes:
        folder: Holds a folder for each pod: its logs, its files.
        located: Address in a cluster → local address.
        session: For probes.
    """

    def __init__(
        self,
        api: Api,
        rules: Rules,
        located: Mapping[str, str],
        folder: Path,
        session: aiohttp.ClientSession,
        addresses: PodAddresses,
    ) -> None:
        self.api = api
        self.rules = rules
        self.located = located
        self.folder = folder
        self.session = session
        self.addresses = addresses

    async def read(self, namespace: str, kind: str, name: str) -> Manifest | None:
        """Return a ConfigMap or Secret, ``None`` if there is none."""
        plural = {"ConfigMap": "configmaps", "Secret": "secrets"}[kind]
        answer = await self.api.request("GET", f"/api/v1/namespaces/{namespace}/{plural}/{name}")
        return answer.body if answer.status == 200 else None

    async def warn(self, pod: Manifest, reason: str, message: str) -> None:
        """Write a warning about a pod, as `kubectl describe` shows them."""
        await self._event(pod, "Warning", reason, message)

    async def tell(self, pod: Manifest, reason: str, message: str) -> None:
        """Write a normal event about a pod."""
        await self._event(pod, "Normal", reason, message)

    async def _event(self, pod: Manifest, kind: str, reason: str, message: str) -> None:
        metadata = pod["metadata"]
        event = {
            "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                **{key: metadata[key] for key in ("name", "namespace", "uid")},
            },
            "type": kind,
            "reason": reason,
            "message": message,
            "count": 1,
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "source": {"component": "kubelet", "host": NODE},
        }
        # A namespace that is being deleted takes no new events.
        with contextlib.suppress(AssertionError):
            await self.api.expect("POST", f"/api/v1/namespaces/{metadata['namespace']}/events", event)
