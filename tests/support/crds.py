"""Installs CustomResourceDefinitions on a real API server and waits until they are of use.

The project's are the very files that the embedded API loads, so both servers refuse the same objects.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

import worker.dev

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.control_plane_api import ControlPlaneApi

FOLDER = Path(worker.dev.__file__).parent / "crds"
_COLLECTION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_TIMEOUT = 30.0
_POLL = 0.05


def load_crds() -> list[dict[str, Any]]:
    """Return the definitions of Workflow, WorkflowTemplate and Application."""
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.yaml"))]


def install_crds(api: ControlPlaneApi, crds: Sequence[dict[str, Any]] | None = None) -> None:
    """Create definitions (the project's, if none are given) and return when their kinds can be created at full speed.

    A kube-apiserver delays creates of a kind until two seconds after its definition was Established, so one dry-run
    create per kind takes the delay here instead of in the first test.

    Raises:
        AssertionError: a definition was refused.
        TimeoutError: one was accepted but not served within 30 s.
    """
    crds = load_crds() if crds is None else crds
    for crd in crds:
        api.expect(201, "POST", _COLLECTION, crd)
    deadline = time.monotonic() + _TIMEOUT
    for crd in crds:
        while not _serves(api, crd):
            if time.monotonic() > deadline:
                name = crd["metadata"]["name"]
                conditions = api.request("GET", f"{_COLLECTION}/{name}").body.get("status", {}).get("conditions")
                raise TimeoutError(f"{name} is not served after {_TIMEOUT:g} s; its conditions: {conditions}")
            time.sleep(_POLL)


def _serves(api: ControlPlaneApi, crd: dict[str, Any]) -> bool:
    """Whether a create of the kind reaches its schema: 404 until it is served, then 422 for an empty object."""
    spec = crd["spec"]
    group, version = spec["group"], spec["versions"][0]["name"]
    scope = "namespaces/default/" if spec["scope"] == "Namespaced" else ""
    path = f"/apis/{group}/{version}/{scope}{spec['names']['plural']}?dryRun=All"
    probe = {"apiVersion": f"{group}/{version}", "kind": spec["names"]["kind"], "metadata": {"name": "probe"}}
    return api.request("POST", path, probe).status in {201, 422}
