"""One `resource` step: what `argoexec resource` does in its pod, done over HTTP.

The action by kubectl, then the wait for the conditions, then the outputs. Error texts are those that Argo shows of a
failed pod, since people and the observer read them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import aiohttp

from worker.dev.argo import conditions
from worker.dev.argo.client import ApiAnswerError, ApiClient
from worker.dev.argo.kubectl import Discovery, Flags, KubectlError, Place
from worker.dev.argo.output_paths import OutputError, jq_filter, json_path
from worker.dev.kubernetes.parsing import MalformedBodyError, load_yaml

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from worker.dev.argo.nodes import Json

_FORBIDDEN, _NOT_FOUND, _GONE = 403, 404, 410
_PATCHES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
#: What only a server that is busy or gone answers; argoexec tries again.
_TRANSIENT = frozenset({429, 500, 502, 503, 504})
_ATTEMPTS = 4


class StepFailedError(Exception):
    """The step's pod ends with a failure; the text is that of its node."""


def _failed(why: object) -> StepFailedError:
    return StepFailedError(f"main: Error (exit code 64): {why}")


@dataclass(frozen=True, slots=True)
class ResourceSteps:
    """Executes resource steps with the rights of one client.

    Attributes:
        interval: seconds between two looks at a resource (5 on a cluster).
    """

    client: ApiClient
    discovery: Discovery
    interval: float = 0.1

    async def execute(self, template: Json, namespace: str) -> dict[str, str]:
        """Carry out a step to its end; it ends never while neither condition holds.

        Args:
            template: the template as its pod gets it.
            namespace: of the pod, and so of objects that name none.

        Returns:
            Its output parameters.

        Raises:
            StepFailedError: with the text that Argo shows.
        """
        resource = template["resource"]
        outputs = (template.get("outputs") or {}).get("parameters") or []
        try:
            found, place = await self._act(resource, namespace, waits=bool(outputs))
            if resource["action"] == "delete":
                return {}
            await self._wait(resource, place if found is not None else None)
            return await self._outputs(outputs, place if found is not None else None)
        except ApiAnswerError as error:
            raise _failed(f"no more retries {_said(error)}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _failed(f"no more retries {type(error).__name__}: {error}") from error
        except (KubectlError, MalformedBodyError, OutputError, conditions.ConditionError) as error:
            raise _failed(error) from error

    async def _act(self, resource: Json, namespace: str, *, waits: bool) -> tuple[Json | None, Place]:
        flags = Flags.of(resource.get("flags") or ())
        manifest = _object(resource.get("manifest") or "")
        namespace = flags.values.get("namespace", namespace)
        action = resource["action"]
        if flags.arguments:
            place = await self.discovery.of_words(flags.arguments, namespace, named=not flags.selection)
        elif isinstance(manifest, dict):
            place = await self.discovery.of_manifest(manifest, namespace)
        else:
            raise KubectlError("Must provide at least one of flags or manifest.")
        if action == "delete" and (waits or resource.get("successCondition") or resource.get("failureCondition")):
            raise KubectlError("successCondition, failureCondition and outputs are not supported for delete action")
        return await self._again(lambda: self._send(action, resource, flags, manifest, place)), place

    async def _again(self, send: Callable[[], Awaitable[Json | None]]) -> Json | None:
        """Send, and again with growing pauses while the server is busy or cannot be reached."""
        for attempt in range(_ATTEMPTS):
            try:
                found = await send()
            except ApiAnswerError as error:
                if error.code not in _TRANSIENT or not error.reason or attempt == _ATTEMPTS - 1:
                    raise
            except (aiohttp.ClientError, TimeoutError):
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return found
            await asyncio.sleep(self.interval * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    async def _send(self, action: str, resource: Json, flags: Flags, manifest: Any, place: Place) -> Json | None:
        strict = {"fieldValidation": "Strict", **_dry_run(flags)}
        manager = {"fieldManager": flags.values["field-manager"]} if "field-manager" in flags.values else {}
        sub = f"/{flags.values['subresource']}" if "subresource" in flags.values else ""
        if flags.selection and action != "delete":
            raise KubectlError(f"the simulator does not know selectors of the action {action!r}")
        if action == "get":
            return await self._get(place, missing_ok=flags.on("ignore-not-found"))
        if action == "create":
            return await self.client.call("POST", place.collection, manifest, query={**strict, **manager})
        if action == "apply":
            if not flags.on("server-side"):
                raise KubectlError("the simulator applies on the server only: give the flag --server-side")
            query = {"fieldManager": "kubectl", **strict, **manager, "force": str(flags.on("force-conflicts")).lower()}
            kind = "application/apply-patch+yaml"
            return await self.client.call("PATCH", place.path + sub, manifest, content_type=kind, query=query)
        if action == "patch":
            kind = _PATCHES[resource.get("mergeStrategy") or "strategic"]
            query = {"fieldManager": "kubectl-patch", **strict, **manager}
            return await self.client.call("PATCH", place.path + sub, manifest, content_type=kind, query=query)
        if action == "delete" and "dryRun" in strict:
            raise KubectlError("the simulator does not know --dry-run of the action 'delete'")
        if action == "delete":
            for one in await self._selected(place, flags):
                await self._delete(one, wait=flags.on("wait", default=True))
            return None
        raise KubectlError(f"the simulator does not know the action {action!r}")

    async def _get(self, place: Place, *, missing_ok: bool) -> Json | None:
        try:
            return await self.client.call("GET", place.path)
        except ApiAnswerError as error:
            if error.code == _NOT_FOUND and missing_ok:
                return None
            raise

    async def _selected(self, place: Place, flags: Flags) -> list[Place]:
        """Return the objects that the flags select, or the one that is named."""
        if not flags.selection:
            return [place]
        listed = await self.client.call("GET", place.collection, query=flags.selection)
        return [replace(place, name=one["metadata"]["name"]) for one in listed["items"]]

    async def _delete(self, place: Place, *, wait: bool) -> None:
        """Delete, always with `--ignore-not-found` as argoexec does, and wait until the object is gone."""
        try:
            found = await self.client.call("DELETE", place.path)
        except ApiAnswerError as error:
            if error.code == _NOT_FOUND:
                return
            raise
        if wait:
            await self._gone(place, (found.get("details") or found.get("metadata") or {}).get("uid"))

    async def _gone(self, place: Place, uid: str | None) -> None:
        """Wait until an object is gone as kubectl does: by list and watch, and not at all for want of a right."""
        selection = {"fieldSelector": f"metadata.name={place.name}"}
        while True:
            try:
                listed = await self.client.call("GET", place.collection, query=selection)
                if all(one["metadata"]["uid"] != uid for one in listed["items"]):
                    return
                revision = str(listed["metadata"]["resourceVersion"])
                async for event in self.client.watch(place.collection, revision, selection):
                    if event["type"] == "DELETED" and event["object"]["metadata"]["uid"] == uid:
                        return
            except ApiAnswerError as error:
                if error.code == _FORBIDDEN:
                    return
                if error.code != _GONE:
                    raise

    async def _wait(self, resource: Json, place: Place | None) -> None:
        """Wait for the conditions; what was not found (``get --ignore-not-found``) never has any field."""
        success = conditions.parse(resource.get("successCondition") or "")
        failure = conditions.parse(resource.get("failureCondition") or "")
        while success or failure:
            try:
                found = await self._again(lambda: self._get(place, missing_ok=False)) if place is not None else {}
            except ApiAnswerError as error:
                if error.code != _NOT_FOUND:
                    raise
                raise _failed(
                    "The resource has been deleted while its status was still being checked. Will not be retried: "
                    f"{error.said}"
                ) from error
            for requirement in failure:
                if requirement.matches(found):
                    raise _failed(f"failure condition '{requirement}' evaluated true")
            if all(requirement.matches(found) for requirement in success):
                return
            await asyncio.sleep(self.interval)

    async def _outputs(self, declared: list[Json], place: Place | None) -> dict[str, str]:
        outputs: dict[str, str] = {}
        found = await self.client.call("GET", place.path) if place is not None and declared else None
        for one in declared:
            source: Mapping[str, Any] = one.get("valueFrom") or {}
            if found is None:
                outputs[one["name"]] = str(source.get("default", ""))
            elif "jsonPath" in source:
                outputs[one["name"]] = json_path(found, source["jsonPath"])
            elif "jqFilter" in source:
                outputs[one["name"]] = jq_filter(found, source["jqFilter"])
            elif "value" in one:
                outputs[one["name"]] = str(one["value"])
        return outputs


def _dry_run(flags: Flags) -> dict[str, str]:
    asked = flags.values.get("dry-run", "none")
    if asked not in {"none", "server"}:
        raise KubectlError(f"the simulator knows --dry-run=server only, not {asked!r}")
    return {"dryRun": "All"} if asked == "server" else {}


def _object(manifest: str) -> Any:
    """Return what a manifest holds, None for an empty one."""
    return load_yaml(manifest.encode()) if manifest.strip() else None


def _said(error: ApiAnswerError) -> str:
    """Return what kubectl prints of a refusal."""
    return f"Error from server ({error.reason}): {error.said}" if error.reason else f"error: {error.said}"
