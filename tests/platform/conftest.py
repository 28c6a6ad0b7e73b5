"""The API server that knows both kinds of the platform API, and the packages that validate-claim.sh installs."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tools.platform_api.crds import ROOT, claim_crd, composite_crd, load_definition

if TYPE_CHECKING:
    from tests.support.control_plane import ControlPlane

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?fieldValidation=Strict"
API = "/apis/platform.bizmatters.io/v1alpha1"
_TIMEOUT = 30.0
_POLL = 0.05


@pytest.fixture(scope="session")
def platform_api(control_plane: ControlPlane) -> ControlPlane:
    """A real API server with the CRDs that Crossplane would make of the definition."""
    definition = load_definition()
    for crd in (composite_crd(definition), claim_crd(definition)):
        control_plane.expect(201, "POST", CRDS, crd)
    deadline = time.monotonic() + _TIMEOUT
    for collection in ("xeventdrivenservices", "namespaces/default/eventdrivenservices"):
        # An empty object is invalid as soon as its kind is served, and is not found before.
        while control_plane.request("POST", f"{API}/{collection}?dryRun=All", _probe(collection)).status == 404:
            assert time.monotonic() < deadline, f"{collection} is not served after {_TIMEOUT:g} s"
            time.sleep(_POLL)
    return control_plane


def _probe(collection: str) -> dict[str, object]:
    kind = "XEventDrivenService" if collection.startswith("x") else "EventDrivenService"
    return {"apiVersion": "platform.bizmatters.io/v1alpha1", "kind": kind, "metadata": {"name": "probe"}}


@pytest.fixture(scope="session")
def validator() -> Path:
    """Folder of the installed validator; tests that need it are skipped, and say so, where there is no Node."""
    if shutil.which("node") is None:
        pytest.skip("NODE IS MISSING: claims are not checked by ajv here; install Node 18 or newer")
    script = ROOT / "scripts" / "validate-claim.sh"
    result = subprocess.run([script, "--install"], check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return Path(result.stdout.strip())
