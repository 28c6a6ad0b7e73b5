"""`demo` as a user calls it: a process that starts servers and a worker, and ends with what became of each event."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from worker.dev.demo_scenario import SHIPPED

pytestmark = pytest.mark.xdist_group("demo")


#: What a shell may say of another installation must not reach the demo.
ELSEWHERE = {"NATS_URL": "nats://127.0.0.1:1", "NATS_TOKEN": "x", "NATS_STREAM_NAME": "OTHER", "PLATFORM_INSTANCE": "b"}


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "worker", "demo", *arguments]
    environment = {**os.environ, **ELSEWHERE}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)


def scenario(folder: Path, *names: str, **changes: object) -> Path:
    """Write a scenario of some shipped steps, the last one with another expectation."""
    document = yaml.safe_load(SHIPPED.read_text())
    steps = [step for stage in document["stages"] for step in stage if step["name"] in names]
    steps[-1]["expect"] |= changes
    for step in steps:
        if "file" in step:
            step["file"] = str(SHIPPED.parent / step["file"])
    path = folder / "scenario.yaml"
    path.write_text(yaml.safe_dump({"stages": [[step] for step in steps]}))
    return path


def test_the_demo_ends_well_and_says_what_became_of_each_event() -> None:
    started = time.monotonic()
    done = demo("--output", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["ok"] is True
    assert len(found["events"]) == 12
    assert {event["became"]["disposition"] for event in found["events"]} == {
        "accepted",
        "unchanged",
        "superseded",
        "rejected",
        "not stored",
    }
    assert all(event["deviations"] == [] for event in found["events"])
    # Without a terminal progress comes as lines.
    assert "succeeded  default/everything" in done.stderr
    # 20 s is the promise for an idle machine; suites share theirs.
    assert time.monotonic() - started < 60


def test_a_deviation_ends_badly(tmp_path: Path) -> None:
    done = demo("--scenario", str(scenario(tmp_path, "unknown-skipped", "wrong-size", deadLetter="unknown-type")))
    assert done.returncode == 1
    assert "A value that is not allowed: dead letters: not-allowed instead of unknown-type" in done.stdout
    assert "1 of 2 events became what they had to become" in done.stdout
    assert "✘" in done.stdout


def test_a_failing_component_is_named_and_a_retry_ends_it() -> None:
    done = demo("--fail", "user-db", "--output", "json")
    assert done.returncode == 0, done.stderr
    failed, retried = json.loads(done.stdout)["events"]
    assert failed["became"]["end"] == "failed"
    assert [error["component"] for error in failed["became"]["errors"]] == ["user-db"]
    assert retried["became"]["end"] == "succeeded"
    assert set(retried["became"]["actions"]) == {"user-db", "user-service"}


def test_sigterm_takes_the_servers_along(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "worker", "demo"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("starting the worker"):
            break
    assert list(tmp_path.iterdir())
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert not list(tmp_path.iterdir())


def test_an_unknown_component_cannot_fail() -> None:
    done = demo("--fail", "nobody")
    assert done.returncode == 2
    assert "has no component 'nobody'" in done.stderr
