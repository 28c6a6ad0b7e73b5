"""Ctrl-C and SIGTERM while something goes on: the exit code says so, no traceback, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from worker.cli.app import cli
from worker.cli.exits import Exit

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("dev")


@pytest.mark.parametrize(
    ("command", "first", "number"),
    [
        ("dev", "starting the servers", signal.SIGINT),
        ("dev", "starting the worker", signal.SIGTERM),
        ("demo", "creating streams", signal.SIGINT),
        ("demo", "starting the worker", signal.SIGTERM),
    ],
)
def test_what_is_still_starting_ends_at_once(command: str, first: str, number: signal.Signals, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "worker", command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stderr is not None
    told = ""
    while first not in told:
        line = process.stderr.readline()
        assert line, told
        told += line
    process.send_signal(number)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED
    assert "Traceback" not in rest
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("option", ["--nats-port", "--http-port"])
def test_a_port_that_is_taken_is_told_before_anything_starts(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = CliRunner().invoke(cli, ["dev", option, str(port)])
    assert done.exit_code == Exit.INVALID
    assert f"error: {option} {port}: somebody listens on 127.0.0.1:{port} already; end that program" in done.stderr


def test_a_cluster_that_cannot_be_used_is_told_before_anything_starts(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text("x: 1\n")
    done = CliRunner().invoke(cli, ["dev", "--kubeconfig", str(file)])
    assert done.exit_code == Exit.UNAVAILABLE
    assert "no access to the Kubernetes API" in done.stderr
    assert "starting the worker" not in done.stderr


def test_a_kubeconfig_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    for value, words in (("", "KUBECONFIG is not set, there is no "), (str(tmp_path / "none"), "there is no file ")):
        asked = CliRunner().invoke(cli, ["doctor"], env={"KUBECONFIG": value, "NATS_URL": "nats://127.0.0.1:1"})
        assert words in asked.stderr
        assert asked.exit_code in {Exit.INVALID, Exit.UNAVAILABLE}
