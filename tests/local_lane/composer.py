"""Plays Crossplane and provider-kubernetes: claims in, composed resources out, readiness back into the claim's status.

What a claim composes is not decided here: it is the golden render of its case, changed only by `rules`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.local_lane.claim_status import claim_status, observed
from tests.local_lane.node.status import now
from tests.local_lane.renders import CLAIMS
from tests.support.control_plane_api import APPLY_PATCH, MERGE_PATCH

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.local_lane.api import Api
    from tests.local_lane.renders import Renders

Manifest = dict[str, Any]
#: As Crossplane's: a claim goes after what it composed.
FINALIZER = "finalizer.apiextensions.crossplane.io"
_PATHS = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Service": "/api/v1/namespaces/{}/services",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "ScaledObject": "/apis/keda.sh/v1alpha1/namespaces/{}/scaledobjects",
}
_WATCHED = ("/apis/apps/v1/deployments", "/apis/keda.sh/v1alpha1/scaledobjects")
_NAME_LABEL = "app.kubernetes.io/name"


class Composer:
    """Reconciles claims, one at a time, whenever one or something that it composed has changed."""

    def __init__(self, api: Api, renders: Renders, patched: Callable[[Manifest], Manifest]) -> None:
        """Prepare a composer.

        Args:
            api: The API server.
            renders: What claims compose.
            patched: Returns a manifest as the lane applies it.
        """
        self._api = api
        self._renders = renders
        self._patched = patched
        self._changed: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._waiting: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Compose until cancelled.

        Raises:
            ExceptionGroup: a golden render is stale, or the API server refused what it must take.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_claims())
            for collection in _WATCHED:
                group.create_task(self._follow_composed(collection))
            while True:
                key = await self._changed.get()
                self._waiting.discard(key)
                await self._reconcile(*key)

    async def _follow_claims(self) -> None:
        async for claim, _ in self._api.watch(f"{CLAIMS}/eventdrivenservices"):
            self._note(claim["metadata"]["namespace"], claim["metadata"]["name"])

    async def _follow_composed(self, collection: str) -> None:
        async for manifest, _ in self._api.watch(collection):
            labels = manifest["metadata"].get("labels", {})
            if labels.get("app.kubernetes.io/managed-by") == "crossplane":
                self._note(manifest["metadata"]["namespace"], labels[_NAME_LABEL])

    def _note(self, namespace: str, name: str) -> None:
        if (namespace, name) not in self._waiting:
            self._waiting.add((namespace, name))
            self._changed.put_nowait((namespace, name))

    async def _reconcile(self, namespace: str, name: str) -> None:
        path = f"{CLAIMS}/namespaces/{namespace}/eventdrivenservices/{name}"
        answer = await self._api.request("GET", path)
        if answer.status == 404:
            return
        claim = answer.body
        composed = self._renders.composed(claim)
        if "deletionTimestamp" in claim["metadata"]:
            await self._decompose(path, claim)
            return
        if FINALIZER not in claim["metadata"].get("finalizers", []):
            await self._api.request("PATCH", path, {"metadata": {"finalizers": [FINALIZER]}}, MERGE_PATCH)
        if composed is None:
            message = "no case of platform/04-apis/tests makes this claim, so the local lane has no render of it"
            await self._write_status(path, claim, {"ready": False}, _synced("ReconcileError", message))
            return
        objects = {kind: await self._apply(manifest) for kind, manifest in composed.items()}
        await self._write_status(path, claim, claim_status(name, objects), _synced())

    async def _apply(self, manifest: Manifest) -> Manifest:
        """Apply a composed resource as provider-kubernetes does; return its Object."""
        wanted = self._patched(manifest)
        path = f"{_path(wanted)}?fieldManager=provider-kubernetes&force=true&fieldValidation=Strict"
        answer = await self._api.request("PATCH", path, wanted, APPLY_PATCH)
        if answer.status < 400:
            return observed(answer.body)
        live = await self._api.request("GET", _path(wanted))
        return observed(live.body if live.status == 200 else None, f"cannot apply object: {answer.message}")

    async def _decompose(self, path: str, claim: Manifest) -> None:
        """Delete what carries the labels of the claim, then let the claim go."""
        metadata = claim["metadata"]
        selector = f"{_NAME_LABEL}%3D{metadata['name']},app.kubernetes.io/managed-by%3Dcrossplane"
        left = 0
        for collection in _PATHS.values():
            base = collection.format(metadata["namespace"])
            for item in (await self._api.expect("GET", f"{base}?labelSelector={selector}"))["items"]:
                left += 1
                await self._api.request("DELETE", f"{base}/{item['metadata']['name']}?propagationPolicy=Background")
        if left:
            self._note(metadata["namespace"], metadata["name"])  # look again: finalizers may hold some for a while
            await asyncio.sleep(0.05)
            return
        remaining = [entry for entry in metadata.get("finalizers", []) if entry != FINALIZER]
        await self._api.request("PATCH", path, {"metadata": {"finalizers": remaining}}, MERGE_PATCH)

    async def _write_status(self, path: str, claim: Manifest, status: Manifest, synced: Manifest) -> None:
        """Write the status, unless it says the same already."""
        ready = (
            _condition("Ready", "True", "Available")
            if status["ready"]
            else _condition("Ready", "False", "Waiting", "Claim is waiting for composite resource to become Ready")
        )
        before = claim.get("status", {})
        since = {entry["type"]: entry for entry in before.get("conditions", [])}
        conditions = []
        for condition in (synced, ready):
            old = since.get(condition["type"], {})
            same = old.get("status") == condition["status"]
            conditions.append({**condition, "lastTransitionTime": old["lastTransitionTime"] if same else now()})
        wanted = {**status, "conditions": conditions}
        if {key: before.get(key) for key in wanted} != wanted:
            answer = await self._api.request("PATCH", f"{path}/status", {"status": wanted}, MERGE_PATCH)
            if answer.status >= 400 and answer.status != 404:
                raise AssertionError(f"status of {path}: {answer.status} {answer.message}")


def _path(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return f"{_PATHS[manifest['kind']].format(metadata['namespace'])}/{metadata['name']}"


def _synced(reason: str = "ReconcileSuccess", message: str = "") -> Manifest:
    return _condition("Synced", "False" if message else "True", reason, message)


def _condition(kind: str, status: str, reason: str, message: str = "") -> Manifest:
    return {"type": kind, "status": status, "reason": reason, **({"message": message} if message else {})}
