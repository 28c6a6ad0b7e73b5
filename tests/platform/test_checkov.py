"""What is composed passes checkov, but for checks that are left out with a reason, each of which would fail."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.platform import goldens
from tests.platform.goldens import Layout
from tools import checkov

if TYPE_CHECKING:
    from pathlib import Path

# One process, because it takes seconds to start and has few tests.
pytestmark = pytest.mark.xdist_group("checkov")

LAYOUT = Layout()
CONFIGURATION = LAYOUT.root / "tests" / "checkov.yaml"
SKIPPED: list[str] = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))["skip-check"]
#: Left out because of what some claims ask for: the least claim does not fail them.
OF_CLAIMS = {"CKV_K8S_14", "CKV_K8S_35", "CKV_K8S_38"}


def manifests(name: str) -> list[dict[str, Any]]:
    objects = goldens.objects(goldens.rendered(LAYOUT, name)).values()
    return [made["spec"]["forProvider"]["manifest"] for made in objects]


def judge(*arguments: str | Path) -> dict[str, Any]:
    """Return checkov's report on Kubernetes manifests."""
    result = checkov.run("--compact", "--quiet", "--output", "json", *arguments)
    assert result.stdout, result.stderr
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def failed(report: dict[str, Any]) -> set[str]:
    return {found["check_id"] for found in report["results"]["failed_checks"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all that the goldens compose."""
    made = tmp_path_factory.mktemp("composed")
    for name in LAYOUT.goldens():
        (made / f"{name}.yaml").write_text(yaml.safe_dump_all(manifests(name)))
    return made


def test_nothing_fails(folder: Path) -> None:
    report = judge("--config-file", CONFIGURATION, "--directory", folder)
    assert report["summary"]["failed"] == 0, failed(report)
    assert report["summary"]["parsing_errors"] == 0
    # ServiceAccount, Deployment, Service and ScaledObject, and checkov's own view of each pod.
    assert report["summary"]["resource_count"] >= 4 * len(LAYOUT.goldens())
    assert report["summary"]["passed"] > 50 * len(LAYOUT.goldens())


def test_everything_that_is_left_out_would_fail(folder: Path) -> None:
    assert failed(judge("--framework", "kubernetes", "--directory", folder)) == set(SKIPPED)


def test_nothing_is_left_out_without_a_reason() -> None:
    text = CONFIGURATION.read_text(encoding="utf-8")
    for check in SKIPPED:
        assert re.search(rf"^# \w.*\.\n- {check}$", text, re.MULTILINE), f"{check} is left out without a reason"
    assert set(SKIPPED) > OF_CLAIMS


def test_what_claims_may_ask_for_is_not_there_by_default(tmp_path: Path) -> None:
    (tmp_path / "minimal.yaml").write_text(yaml.safe_dump_all(manifests("minimal-claim")))
    assert failed(judge("--framework", "kubernetes", "--directory", tmp_path)) == set(SKIPPED) - OF_CLAIMS


def test_a_weakened_pod_fails(tmp_path: Path) -> None:
    weakened = manifests("minimal-claim")
    (deployment,) = (found for found in weakened if found["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    (tmp_path / "weakened.yaml").write_text(yaml.safe_dump_all(weakened))
    assert failed(judge("--config-file", CONFIGURATION, "--directory", tmp_path)) == {"CKV_K8S_20"}
