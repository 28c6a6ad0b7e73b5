"""What dev mode installs into its API before anything runs: CRDs of the claims, WorkflowTemplates, their rights.

All of it is in the package, made from `platform/` by `tools.dev_manifests`. Installing goes over HTTP, so the embedded
API and a bare kube-apiserver are prepared by the same code.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from worker.dev.argo.client import ApiAnswerError
from worker.dev.argo.kubectl import Discovery, KubectlError, Place
from worker.dev.kubernetes.server import SHIPPED_DEFINITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.dev.argo.client import ApiClient

SHIPPED = Path(__file__).with_name("manifests")
_TEMPLATE, _CRD = "WorkflowTemplate", "CustomResourceDefinition"
_MANAGER = "platform-worker-dev"
_PATIENCE = 30.0
_NOT_FOUND = 404

Manifest = dict[str, Any]


class ManifestsError(RuntimeError):
    """Claims or templates that were not found, or that the API refused; the text says what to do."""


def shipped() -> list[Manifest]:
    """Return what the package has.

    Raises:
        ManifestsError: this installation has no manifests.
    """
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(SHIPPED.glob("*.json"))]
    if not any(one["kind"] == _TEMPLATE for one in found):
        raise ManifestsError(f"no WorkflowTemplates in {SHIPPED}: this installation is not complete; install it anew")
    return found


def with_templates(manifests: Iterable[Manifest], folder: Path) -> list[Manifest]:
    """Return manifests with the WorkflowTemplates of a folder in place of their own.

    Raises:
        ManifestsError: the folder has none, or a file in it is not YAML.
    """
    try:
        files = sorted(folder.rglob("*.y*ml"))
        documents = [one for path in files for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))]
    except (OSError, yaml.YAMLError) as error:
        raise ManifestsError(f"the WorkflowTemplates of {folder} cannot be read: {error}") from error
    templates = [one for one in documents if isinstance(one, dict) and one.get("kind") == _TEMPLATE]
    if not templates:
        raise ManifestsError(f"no WorkflowTemplates in {folder}: give the folder of their YAML files")
    return [*(one for one in manifests if one["kind"] != _TEMPLATE), *templates]


def definitions_of_argo() -> list[Manifest]:
    """Return the CRDs that the embedded API serves from the start, for an API that does not."""
    files = sorted(SHIPPED_DEFINITIONS.glob("*.yaml"))
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in files]


async def install(client: ApiClient, manifests: Iterable[Manifest], *, namespace: str) -> None:
    """Apply manifests: the namespace, then definitions, then the rest once its kinds are served.

    Args:
        client: open, with an administrator's rights.
        manifests: what to apply.
        namespace: of objects that name none.

    Raises:
        ManifestsError: the API refused one, or did not serve its kind in time.
    """
    discovery = Discovery(client)
    everything = list(manifests)
    crds = [one for one in everything if one["kind"] == _CRD]
    rest = [one for one in everything if one["kind"] != _CRD]
    await _apply(
        client, discovery, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, namespace
    )
    for one in crds:
        await _apply(client, discovery, one, namespace)
    for one in crds:
        await _served(client, one)
    for one in rest:
        await _apply(client, discovery, one, namespace)


async def _apply(client: ApiClient, discovery: Discovery, manifest: Manifest, namespace: str) -> None:
    try:
        place = await discovery.of_manifest(manifest, namespace)
        metadata = {**manifest["metadata"], **({"namespace": place.namespace} if place.namespace else {})}
        await _create_or_apply(client, place, {**manifest, "metadata": metadata})
    except (ApiAnswerError, KubectlError) as error:
        why = error.said if isinstance(error, ApiAnswerError) else str(error)
        name = f"{manifest['kind']} {manifest['metadata']['name']}"
        raise ManifestsError(f"{name} cannot be installed: {why}") from error


async def _create_or_apply(client: ApiClient, place: Place, manifest: Manifest) -> None:
    try:
        await client.call("POST", place.collection, manifest, query={"fieldManager": _MANAGER})
    except ApiAnswerError as error:
        if error.reason != "AlreadyExists":
            raise
        query = {"fieldManager": _MANAGER, "force": "true"}
        await client.call("PATCH", place.path, manifest, content_type="application/apply-patch+yaml", query=query)


async def _served(client: ApiClient, definition: Manifest) -> None:
    """Wait until objects of a kind can be created: a real server takes seconds from accepting a definition to that."""
    spec = definition["spec"]
    version = next(one["name"] for one in spec["versions"] if one["storage"])
    within = "/namespaces/default" if spec["scope"] == "Namespaced" else ""
    path = f"/apis/{spec['group']}/{version}{within}/{spec['names']['plural']}"
    probe = {"apiVersion": f"{spec['group']}/{version}", "kind": spec["names"]["kind"], "metadata": {"name": "probe"}}
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while True:
        try:
            await client.call("POST", path, probe, query={"dryRun": "All"})
        except ApiAnswerError as error:
            if error.code != _NOT_FOUND:
                return  # refused by its schema: the kind is served
            if asyncio.get_running_loop().time() > deadline:
                raise ManifestsError(f"{definition['metadata']['name']} is not served after {_PATIENCE:g} s") from error
            await asyncio.sleep(0.1)
        else:
            return
