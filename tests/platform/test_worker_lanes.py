"""test-functional.sh and test-autoscaling.sh pass in their local lanes: all is real but Crossplane and the kubelet.

That they can fail is shown by faults in what is composed: a probe that asks in the wrong place, a scaler that may not
scale.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.local_lane.lane import Part
from tests.platform.faulty import faulty_lane
from tests.platform.goldens import Layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.platform.faulty import Manifest

FOLDER = Layout().root / "tests"
SCRIPTS = ["test-functional", "test-autoscaling"]
_SUMMARY = re.compile(r"(\d+) passed, (\d+) failed$")
_SECONDS = re.compile(r"pods wanted and ready, (\d+) of each, after (\d+) s")


def wrong_probe(manifest: Manifest) -> None:
    if manifest["kind"] == "Deployment":
        manifest["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["httpGet"]["path"] = "/nowhere"


def never_up(manifest: Manifest) -> None:
    if manifest["kind"] == "ScaledObject":
        behavior = manifest["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        behavior["scaleUp"] = {"selectPolicy": "Disabled"}


def run(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(FOLDER / f"{name}.sh"), *arguments]
    result = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    print(result.stdout)
    return result


def passed(result: subprocess.CompletedProcess[str]) -> int:
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    summary = _SUMMARY.search(result.stdout.strip())
    assert summary is not None
    assert summary[2] == "0"
    return int(summary[1])


@pytest.mark.cluster
@pytest.mark.xdist_group("local-lane")
def test_an_event_becomes_a_workflow() -> None:
    assert passed(run("test-functional", "--local")) >= 10


@pytest.mark.cluster
@pytest.mark.xdist_group("local-lane")
def test_a_backlog_brings_pods_and_its_end_takes_them() -> None:
    result = run("test-autoscaling", "--local")
    assert passed(result) >= 10
    before, peak, after = (int(pods) for pods, _ in _SECONDS.findall(result.stdout))
    assert (before, after) == (1, 1)
    assert peak > 2


@pytest.mark.cluster
@pytest.mark.xdist_group("local-lane")
@pytest.mark.parametrize(
    ("script", "fault", "seconds", "words"),
    [
        ("test-functional", wrong_probe, 12, "FAIL  the claim is ready: not within 12 s"),
        # Long enough for the claim to become ready on a busy machine: that is no fault.
        ("test-autoscaling", never_up, 45, "FAIL  pods wanted and ready, 4 of each: not within 45 s"),
    ],
    ids=["wrong probe", "never up"],
)
async def test_a_fault_is_found(script: str, fault: Callable[[Manifest], None], seconds: int, words: str) -> None:
    async with faulty_lane(Part.NATS, Part.KEDA, Part.CONTROLLERS) as lane:
        lane.plant(fault)
        said = await lane.run(FOLDER / f"{script}.sh", TIMEOUT=str(seconds))
        print(said.text)
        assert said.code == 1
        assert words in said.text
        assert "1 failed" in said.text.splitlines()[-1]
        left = await lane.running.api.expect("GET", "/apis/platform.bizmatters.io/v1alpha1/eventdrivenservices")
        assert left["items"] == []
