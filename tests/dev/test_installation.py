"""What dev mode installs comes with the package, for those too who have no `platform/` folder."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from contracts.templates import MAIN, SHARED, TEARDOWN, TEMPLATES
from tools import dev_manifests
from worker.dev import installation
from worker.dev.argo.client import ApiAnswerError, ApiClient
from worker.dev.kubernetes import KubernetesApi

ROOT = Path(__file__).resolve().parents[2]


def test_all_templates_claims_and_their_rights_are_shipped() -> None:
    found = installation.shipped()
    templates = {one["metadata"]["name"]: one for one in found if one["kind"] == "WorkflowTemplate"}
    assert templates.keys() == {*TEMPLATES, SHARED}
    for name in TEMPLATES:
        assert {entry["name"] for entry in templates[name]["spec"]["templates"]} >= {MAIN, TEARDOWN}
    kinds = {one["spec"]["names"]["kind"] for one in found if one["kind"] == "CustomResourceDefinition"}
    assert kinds >= {claim for template in TEMPLATES.values() for claim in template.claims}
    assert [one["metadata"]["name"] for one in found if one["kind"] == "ServiceAccount"] == ["platform-workflows"]


def test_the_shipped_files_are_those_of_the_platform() -> None:
    stale = [path.name for path, text in dev_manifests.files().items() if path.read_text(encoding="utf-8") != text]
    assert not stale, "run: make generate"
    assert not dev_manifests.strangers()


def test_a_wheel_has_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    source = tmp_path / "source"
    listed = subprocess.run(["git", "ls-files", "-z", "worker", "contracts"], cwd=ROOT, check=True, capture_output=True)
    for name in [*filter(None, listed.stdout.decode().split("\0")), "pyproject.toml", "README.md", "LICENSE"]:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(source)], check=True)
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {f"worker/dev/manifests/{path.name}" for path in installation.SHIPPED.glob("*.json")}
    assert shipped
    assert shipped <= set(names)
    assert "worker/dev/scenario/scenario.yaml" in names


async def test_dev_mode_makes_namespaces_that_are_missing() -> None:
    path, value = "/api/v1/namespaces/team-a/configmaps", {"metadata": {"name": "x"}}
    async with KubernetesApi(provide_namespaces=True) as api, ApiClient(api.url, api.token) as client:
        await client.call("POST", path, value, query={"dryRun": "All"})
        with pytest.raises(ApiAnswerError, match="404"):
            await client.call("GET", "/api/v1/namespaces/team-a")
        await client.call("POST", path, value)
        assert (await client.call("GET", "/api/v1/namespaces/team-a"))["status"]["phase"] == "Active"
    async with KubernetesApi() as api, ApiClient(api.url, api.token) as client:
        with pytest.raises(ApiAnswerError, match='namespaces \\\\"team-a\\\\" not found'):
            await client.call("POST", path, value)


def test_an_incomplete_installation_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "SHIPPED", tmp_path)
    with pytest.raises(installation.ManifestsError, match="this installation is not complete"):
        installation.shipped()


def test_templates_of_a_folder_replace_the_shipped_ones(tmp_path: Path) -> None:
    template = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {"name": "own"},
        "spec": {},
    }
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "own.yaml").write_text(yaml.safe_dump(template))
    found = installation.with_templates(installation.shipped(), tmp_path)
    assert [one["metadata"]["name"] for one in found if one["kind"] == "WorkflowTemplate"] == ["own"]
    assert any(one["kind"] == "CustomResourceDefinition" for one in found)


@pytest.mark.parametrize(("text", "part"), [("a: [b", "cannot be read"), ("kind: Other", "no WorkflowTemplates in")])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, text: str, part: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(installation.ManifestsError, match=part):
        installation.with_templates([], tmp_path)
