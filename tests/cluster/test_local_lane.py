"""The local lane as a command: its exit code, what it exports, what it composes, and that nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.local_lane.rules import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("node agent")]

LANE = (sys.executable, "-m", "tests.local_lane")
PATIENCE = 90
EXAMPLES = ROOT / "platform" / "04-apis" / "examples"


@contextmanager
def started(tmp_path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a lane whose temporary folders are in ``tmp_path``; at the end it is gone, whatever the test found."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [*LANE, *arguments], env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def processes_below(folder: Path) -> list[str]:
    """Return the command lines of all processes that work in a folder."""
    listing = subprocess.run(["ps", "-ww", "-eo", "args"], check=True, capture_output=True, text=True)
    return [line for line in listing.stdout.splitlines() if str(folder) in line]


def test_the_command_finds_a_cluster_and_decides_the_exit_code(tmp_path: Path) -> None:
    script = 'echo "$LOCAL_LANE ${NATS_URL-unset}"; kubectl get --raw /readyz; platform-worker --version; exit 7'
    with started(tmp_path, "--", "sh", "-c", script) as process:
        output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 7, errors
    lane, ready, version = output.replace("ok", "ok\n", 1).splitlines()
    assert lane == "1 unset"
    assert ready == "ok"
    assert version.startswith("platform-worker")
    assert list(tmp_path.iterdir()) == []
    assert processes_below(tmp_path) == []


def test_a_signal_lets_the_command_clean_up_before_its_cluster_goes(tmp_path: Path) -> None:
    script = "trap 'kubectl get --raw /readyz; exit 3' TERM; kubectl get --raw /readyz; echo; sleep 60 & wait"
    with started(tmp_path, "--with", "nats,controllers", "--", "sh", "-c", script) as process:
        assert process.stdout is not None
        first, running = process.stdout.readline(), processes_below(tmp_path)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=PATIENCE)
    assert first == "ok\n"
    assert len(running) >= 4
    assert (process.returncode, output) == (3, "ok")
    assert "--- kube-controller-manager.log" in errors, "a failure shows the ends of the logs"
    assert list(tmp_path.iterdir()) == []
    assert processes_below(tmp_path) == []


def test_a_lane_that_is_killed_leaves_no_process_behind(tmp_path: Path) -> None:
    with started(tmp_path, "--", "sh", "-c", "echo on; exec sleep 60") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
    deadline = time.monotonic() + 10
    while processes_below(tmp_path):
        assert time.monotonic() < deadline, processes_below(tmp_path)
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--with", "nats,crossplane", "--", "true"),
            "there is no part crossplane: choose from nats, controllers, keda",
        ),
        (("--with", "nats"), "COMMAND"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    with started(tmp_path, *arguments) as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert words in errors


def test_without_the_servers_it_says_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with started(tmp_path, "--", "true") as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 69
    assert errors.strip().endswith("run: make tools")
    assert list(tmp_path.iterdir()) == []


def test_a_signal_at_the_start_ends_it_too(tmp_path: Path) -> None:
    with started(tmp_path, "--", "echo", "too late") as process:
        deadline = time.monotonic() + PATIENCE
        while not processes_below(tmp_path):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (143, "")
    assert list(tmp_path.iterdir()) == []
    assert processes_below(tmp_path) == []


def test_a_claim_that_no_case_makes_composes_nothing_and_says_so(tmp_path: Path) -> None:
    claim = tmp_path / "claim.yaml"
    text = (EXAMPLES / "minimal-claim.yaml").read_text()
    claim.write_text(text.replace("namespace: shop", "namespace: default").replace("consumer: ", "consumer: other-"))
    folder = tmp_path / "lane"
    folder.mkdir()
    script = (
        f"kubectl apply -f {claim} && "
        "kubectl wait eventdrivenservices/orders --for=condition=Synced=False --timeout=20s && "
        "kubectl get eventdrivenservices/orders -o jsonpath={.status.conditions[0].message} && "
        "kubectl get deployments,services,serviceaccounts -l app.kubernetes.io/name=orders -o name && "
        "kubectl delete eventdrivenservices/orders --timeout=20s"
    )
    with started(folder, "--", "sh", "-c", script) as process:
        output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert "no case of platform/04-apis/tests makes this claim" in output
    assert "deployment" not in output
