"""The API server that knows the kinds of all platform APIs, and the packages that validate-claim.sh installs."""

from __future__ import annotations

import functools
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.control_plane_api import APPLY_PATCH
from tests.support.crds import install_crds
from tools.platform_api.apis import ROOT
from tools.platform_api.crds import claim_crd, composite_crd, load_definition

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.control_plane import ControlPlane
    from tools.platform_api.apis import Api

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?fieldValidation=Strict"
_DATA = Path(__file__).parent / "data"
_TIMEOUT = 30.0
_POLL = 0.05


@pytest.fixture(scope="session")
def platform_api(control_plane: ControlPlane) -> Callable[[Api], ControlPlane]:
    """Asked for an API, a real API server with the CRDs that Crossplane would make of its definition."""

    @functools.cache
    def serve(api: Api) -> ControlPlane:
        definition = load_definition(api)
        deadline = time.monotonic() + _TIMEOUT
        for crd in (composite_crd(definition), claim_crd(definition)):
            answer = control_plane.request("POST", CRDS, crd)
            if answer.reason == "AlreadyExists":  # dev mode's own, by a test of it on the same server
                there = control_plane.expect(200, "GET", f"{CRDS.partition('?')[0]}/{crd['metadata']['name']}")
                crd["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"]
                answer = control_plane.request("PUT", CRDS.replace("?", f"/{crd['metadata']['name']}?"), crd)
            assert answer.status in {200, 201}, answer.message
            version = f"{api.group}/{crd['spec']['versions'][0]['name']}"
            names, claim = crd["spec"]["names"], crd["spec"]["scope"] == "Namespaced"
            collection = f"/apis/{version}/{'namespaces/default/' if claim else ''}{names['plural']}"
            probe = {"apiVersion": version, "kind": names["kind"], "metadata": {"name": "probe"}}
            # An empty object is invalid as soon as its kind is served, and is not found before.
            while control_plane.request("POST", f"{collection}?dryRun=All", probe).status == 404:
                assert time.monotonic() < deadline, f"{collection} is not served after {_TIMEOUT:g} s"
                time.sleep(_POLL)
        return control_plane

    return serve


@pytest.fixture(scope="session")
def vendored(control_plane: ControlPlane) -> ControlPlane:
    """A real API server with the kinds of KEDA and of provider-kubernetes."""
    definitions = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(_DATA.glob("*.yaml"))]
    for definition in definitions:
        definition["spec"].pop("conversion", None)  # by a webhook of the provider; only one version is used here
    install_crds(control_plane, definitions)
    return control_plane


@pytest.fixture(scope="session")
def restricted(control_plane: ControlPlane) -> Callable[[], str]:
    """Makes a namespace that takes restricted pods only, and returns its name."""

    def make() -> str:
        name = control_plane.namespace("restricted")
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        patch = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        path = f"/api/v1/namespaces/{name}?fieldManager=test"
        control_plane.expect(200, "PATCH", path, yaml.safe_dump(patch).encode(), content_type=APPLY_PATCH)
        return name

    return make


@pytest.fixture(scope="session")
def validator() -> Path:
    """Folder of the installed validator; tests that need it are skipped, and say so, where there is no Node."""
    if shutil.which("node") is None:
        pytest.skip("NODE IS MISSING: claims are not checked by ajv here; install Node 18 or newer")
    script = ROOT / "scripts" / "validate-claim.sh"
    result = subprocess.run([script, "--install"], check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return Path(result.stdout.strip())
