"""The API server that knows the kinds of all platform APIs, and the packages that validate-claim.sh installs."""

from __future__ import annotations

import functools
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tools.platform_api.apis import ROOT
from tools.platform_api.crds import claim_crd, composite_crd, load_definition

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.control_plane import ControlPlane
    from tools.platform_api.apis import Api

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?fieldValidation=Strict"
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
            control_plane.expect(201, "POST", CRDS, crd)
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
def validator() -> Path:
    """Folder of the installed validator; tests that need it are skipped, and say so, where there is no Node."""
    if shutil.which("node") is None:
        pytest.skip("NODE IS MISSING: claims are not checked by ajv here; install Node 18 or newer")
    script = ROOT / "scripts" / "validate-claim.sh"
    result = subprocess.run([script, "--install"], check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return Path(result.stdout.strip())
