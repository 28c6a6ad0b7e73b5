"""`demo` as a user calls it: a process that starts servers and a worker, and ends with what became of each event."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from worker.dev.demo_scenario import SHIPPED

if TYPE_CHECKING:
    from tests.support.control_plane import ControlPlane

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
    assert len(found["events"]) == 14
    assert {event["became"]["disposition"] for event in found["events"]} == {
        "accepted",
        "unchanged",
        "superseded",
        "rejected",
        "not stored",
    }
    assert all(event["deviations"] == [] for event in found["events"])
    events = {event["name"]: event["became"] for event in found["events"]}
    claims = events["reference"]["claims"]
    assert {claim["component"] for claim in claims[:3]} == {"user-db", "user-cache", "streaming"}
    secrets = {claim["component"]: claim["connectionSecret"] for claim in claims[:3]}
    assert all(secrets.values())
    assert (claims[3]["kind"], claims[3]["component"]) == ("ApplicationClaim", "user-service")
    assert claims[3]["binds"] == {
        "databaseSecretRef": secrets["user-db"],
        "cacheSecretRef": secrets["user-cache"],
        "realtimeSecretRef": secrets["streaming"],
    }
    [error] = events["failing"]["errors"]
    assert error["component"] == "ledger-db"
    assert "no node has room for a volume of 100Gi" in error["message"]
    assert events["retry"]["end"] == "succeeded"
    assert [claim["ready"] for claim in events["retry"]["claims"]] == [True, True]
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


def test_claims_that_deviate_end_badly(tmp_path: Path) -> None:
    wanted = [{"user-db": "InfrastructureClaim"}, {"user-service": "ApplicationClaim"}]
    done = demo("--scenario", str(scenario(tmp_path, "reference", claims=wanted)))
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert "instead of InfrastructureClaim of user-db, ApplicationClaim of user-service" in said


def test_templates_of_a_folder_are_run_in_place_of_the_shipped_ones(tmp_path: Path) -> None:
    shipped = SHIPPED.parents[1] / "manifests"
    for path in shipped.glob("workflowtemplate-*.json"):
        template = json.loads(path.read_text())
        for entry in template["spec"]["templates"]:
            if entry["name"] == "create-application-claim":
                entry["resource"]["action"] = "replace"
        (tmp_path / f"{path.stem}.yaml").write_text(yaml.safe_dump(template))
    path = scenario(tmp_path, "unknown-skipped")
    (tmp_path / "templates").mkdir()
    for one in tmp_path.glob("workflowtemplate-*.yaml"):
        one.rename(tmp_path / "templates" / one.name)
    done = demo("--scenario", str(path), "--templates", str(tmp_path / "templates"))
    assert done.returncode == 1
    assert "the simulator does not know the action 'replace'" in " ".join(done.stdout.split())


def test_a_folder_without_templates_is_refused(tmp_path: Path) -> None:
    done = demo("--templates", str(tmp_path))
    assert done.returncode == 1
    assert f"no WorkflowTemplates in {tmp_path}: give the folder of their YAML files" in done.stderr


def test_the_demo_runs_on_a_real_api_server(control_plane: ControlPlane) -> None:
    done = demo("--kubeconfig", str(control_plane.kubeconfig()), "--output", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["ok"] is True
    assert len(found["events"]) == 14


def test_a_failing_component_is_named_and_a_retry_ends_it() -> None:
    done = demo("--fail", "user-db", "--output", "json")
    assert done.returncode == 0, done.stderr
    failed, retried = json.loads(done.stdout)["events"]
    assert failed["became"]["end"] == "failed"
    [error] = failed["became"]["errors"]
    assert error["component"] == "user-db"
    assert "told to fail by the demo" in error["message"]
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
