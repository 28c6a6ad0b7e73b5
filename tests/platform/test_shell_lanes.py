"""The shell tests of the platform API: each passes in its local lane, each fails when something wrong is composed.

Faults are planted in what the lane's composer applies, several at a time: a script counts its failures and goes on.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tests.local_lane.lane import Part
from tests.platform import goldens
from tests.platform.faulty import faulty_lane
from tests.platform.goldens import Layout
from tests.support.control_plane_api import MERGE_PATCH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.platform.faulty import FaultyLane, Manifest

LAYOUT = Layout()
FOLDER = LAYOUT.root / "tests"
SCRIPTS = [
    "verify-composition",
    "test-minimal-deployment",
    "test-full-deployment",
    "verify-keda-config",
    "test-agent-executor-migration",
]
#: With the programs of the development environment, kubectl among them.
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
(COMPOSITION,) = goldens.load_all(LAYOUT.composition)
CLAIMS = "/apis/platform.bizmatters.io/v1alpha1"
COMPOSITIONS = "/apis/apiextensions.crossplane.io/v1/compositions"
_SUMMARY = re.compile(r"(\d+) passed, (\d+) failed$")

on_lane = [
    pytest.mark.cluster,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("faulty lane"),
]


def script(name: str) -> str:
    return str(FOLDER / f"{name}.sh")


def run(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": PATH, **environment}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.cluster
@pytest.mark.xdist_group("local-lane")  # one after the other: each is a cluster
@pytest.mark.parametrize("name", SCRIPTS)
def test_the_local_lane_passes(name: str) -> None:
    result = run(script(name), "--local")
    print(result.stdout)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    summary = _SUMMARY.search(result.stdout.strip())
    assert summary is not None
    assert int(summary[1]) > 40
    assert summary[2] == "0"
    assert "\033" not in result.stdout, "colours are for terminals"


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_and_wrong_usage(name: str) -> None:
    told = run(script(name), "--help")
    assert (told.returncode, told.stderr) == (0, "")
    assert f"{name}.sh --local" in told.stdout
    assert "Needs kubectl" in told.stdout
    wrong = run(script(name), "--wrong")
    assert wrong.returncode == 2
    assert "unknown option --wrong" in wrong.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_without_a_cluster_nothing_is_tried(name: str) -> None:
    result = run(script(name), KUBECONFIG=os.devnull)
    assert (result.returncode, result.stdout) == (2, "")
    assert "no cluster to ask" in result.stderr


# --- Faults -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planted:
    """Faults that a script has to find.

    Attributes:
        script: Its name.
        faults: What is done to what is composed.
        found: What the script has to say, each as a regular expression.
        timeout: Seconds that it may wait for anything; few where it has to wait in vain.
    """

    script: str
    faults: tuple[Callable[[Manifest], None], ...]
    found: tuple[str, ...]
    timeout: int = 120


def of(kind: str, change: Callable[[Manifest], object]) -> Callable[[Manifest], None]:
    """Return a fault in all manifests of a kind."""

    def fault(manifest: Manifest) -> None:
        if manifest["kind"] == kind:
            change(manifest)

    return fault


def pod(manifest: Manifest) -> Manifest:
    found: Manifest = manifest["spec"]["template"]["spec"]
    return found


def container(manifest: Manifest) -> Manifest:
    found: Manifest = pod(manifest)["containers"][0]
    return found


def trigger(manifest: Manifest) -> Manifest:
    found: Manifest = manifest["spec"]["triggers"][0]["metadata"]
    return found


def optional(manifest: Manifest) -> None:
    """Do what would let a pod start without its Secrets."""
    for variable in container(manifest)["env"]:
        if "valueFrom" in variable:
            variable["valueFrom"]["secretKeyRef"]["optional"] = True


def without_password(manifest: Manifest) -> None:
    env = container(manifest)["env"]
    env[:] = [variable for variable in env if variable["name"] != "POSTGRES_PASSWORD"]


def first_init(manifest: Manifest) -> Manifest:
    """Return the init container, of a claim that has one."""
    found: list[Manifest] = pod(manifest).get("initContainers", [{}])
    return found[0]


PLANTED = {
    "minimal": Planted(
        "test-minimal-deployment",
        (
            of("ServiceAccount", lambda found: found.update(automountServiceAccountToken=True)),
            of("Deployment", lambda found: container(found).update(image="ghcr.io/acme/orders:1.2.3")),
            of("Deployment", lambda found: container(found).update(imagePullPolicy="Always")),
            of("Deployment", lambda found: found["spec"].update(replicas=1)),
            of("Deployment", lambda found: container(found)["livenessProbe"].update(periodSeconds=11)),
            of("Deployment", lambda found: container(found)["resources"]["limits"].update(memory="8Gi")),
            of("Deployment", lambda found: pod(found).update(imagePullSecrets=[{"name": "placeholder"}])),
            of("Service", lambda found: found["spec"]["ports"][0].update(port=80)),
            of("Service", lambda found: found["spec"]["selector"].update(tier="back")),
            of("ScaledObject", lambda found: found["metadata"]["labels"].pop("app.kubernetes.io/component")),
            of("ScaledObject", lambda found: trigger(found).update(account="$SYS")),
            of("ScaledObject", lambda found: found["spec"].update(maxReplicaCount=11)),
        ),
        (
            r"serviceaccount/orders \.automountServiceAccountToken: expected false, found true",
            r"deployment/orders \.\S+\[service\]\.image: expected \"\S+:v1\.0\.0\", found \"\S+:1\.2\.3\"",
            r"deployment/orders \.\S+\.imagePullPolicy: expected \"IfNotPresent\", found \"Always\"",
            r"deployment/orders \.spec\.replicas is applied by: expected nobody, found \"provider-kubernetes\"",
            r"deployment/orders \.\S+\.livenessProbe\.periodSeconds: expected 10, found 11",
            r"deployment/orders \.\S+\.resources\.limits\.memory: expected \"4Gi\", found \"8Gi\"",
            r"deployment/orders \.\S+\.imagePullSecrets: should be absent, those of the ServiceAccount count",
            r"service/orders \.spec\.ports\[http\]\.port: expected 8080, found 80",
            r"service/orders \.spec\.selector has this many labels: expected 2, found 3",
            r"scaledobject/orders-scaler \.metadata\.labels\.\S+/component: expected \S+, found nothing",
            r"scaledobject/orders-scaler \.\S+\.account: expected \"\$G\", found \"\$SYS\"",
            r"scaledobject/orders-scaler \.spec\.maxReplicaCount: expected 10, found 11",
        ),
    ),
    "full": Planted(
        "test-full-deployment",
        (
            of("Deployment", optional),
            of("Deployment", lambda found: first_init(found).pop("envFrom", None)),
            of("Deployment", lambda found: first_init(found).update(args=["true"]) if first_init(found) else None),
            of("Deployment", lambda found: container(found)["resources"]["requests"].update(cpu="250m")),
            of("Deployment", lambda found: pod(found).pop("imagePullSecrets", None)),
            of("ScaledObject", lambda found: trigger(found).update(lagThreshold="5")),
        ),
        (
            r"\[POSTGRES_HOST\]\.\S+\.optional: should be absent, a missing Secret must fail the pod",
            r"initContainers\[init\]\.envFrom: expected 0, found none",
            r"initContainers\[init\]\.args\[0\]: expected \"cd /app && \./migrate up\", found \"true\"",
            r"containers\[service\]\.resources\.requests\.cpu: expected \"500m\", found \"250m\"",
            r"\.imagePullSecrets: expected acme-registry, found none",
            r"lagThreshold: expected \"50\", found \"5\"",
            r"its pod waits with CreateContainerConfigError: not within \d+ s",
        ),
        timeout=20,
    ),
    "keda": Planted(
        "verify-keda-config",
        (
            of(
                "ScaledObject",
                lambda found: trigger(found).update(natsServerMonitoringEndpoint="nats.nats.svc.cluster.local:8222"),
            ),
            of("ScaledObject", lambda found: trigger(found).update(stream="OTHERS", consumer="others")),
            of("ScaledObject", lambda found: found["spec"]["scaleTargetRef"].update(name="others")),
            of("ScaledObject", lambda found: found["spec"].pop("minReplicaCount")),
        ),
        (
            r"natsServerMonitoringEndpoint: expected \"nats-headless\.\S+\", found \"nats\.nats\.\S+\"",
            r"\.stream: expected \"ORDERS\", found \"OTHERS\"",
            r"\.consumer: expected \"billing-workers\", found \"others\"",
            r"scaleTargetRef\.name: expected \"orders\", found \"others\"",
            r"minReplicaCount: expected 2, found nothing",
        ),
    ),
    "migration": Planted(
        "test-agent-executor-migration",
        (
            of("Deployment", without_password),
            of("Deployment", lambda found: pod(found).update(terminationGracePeriodSeconds=31)),
            of("ScaledObject", lambda found: found["spec"].pop("cooldownPeriod")),
        ),
        (
            r"deployment \.\S+\.env\[POSTGRES_PASSWORD\]\S+: \"password\" -> nothing, and no reason is given",
            r"deployment \.\S+\.terminationGracePeriodSeconds: 30 -> 31, and no reason is given for it",
            r"scaledobject \.spec\.cooldownPeriod was to differ, but does not",
        ),
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lane() -> AsyncIterator[FaultyLane]:
    async with faulty_lane(Part.CONTROLLERS) as running:
        yield running


def namespaces(lane: FaultyLane) -> set[str]:
    """Return those that are not on their way out."""
    found = lane.running.server.expect(200, "GET", "/api/v1/namespaces")["items"]
    return {item["metadata"]["name"] for item in found if "deletionTimestamp" not in item["metadata"]}


class TestOnALane:
    """What needs no cluster of its own shares one."""

    pytestmark = on_lane

    @pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
    async def test_a_planted_fault_is_found(self, lane: FaultyLane, planted: Planted) -> None:
        before = namespaces(lane)
        lane.plant(*planted.faults)
        said = await lane.run(script(planted.script), TIMEOUT=str(planted.timeout))
        assert said.code == 1, said.text
        for words in planted.found:
            assert re.search(rf"^FAIL  .*{words}", said.text, re.MULTILINE), f"{words}\n\nnot in:\n{said.text}"
        assert "==> what is in namespace" in said.text
        assert namespaces(lane) == before, "it cleans up after a failure too"

    async def test_what_never_comes_is_not_awaited_for_ever(self, lane: FaultyLane) -> None:
        lane.plant(of("Service", lambda found: found["metadata"].update(name="elsewhere")))
        said = await lane.run(script("test-minimal-deployment"), TIMEOUT="15")
        assert said.code == 1
        assert "FAIL  service/orders exists: not within 15 s" in said.text

    async def test_an_interrupted_test_cleans_up(self, lane: FaultyLane) -> None:
        before = namespaces(lane)
        lane.plant(of("Service", lambda found: found["metadata"].update(name="elsewhere")))
        process = await lane.start(script("test-minimal-deployment"), TIMEOUT="100")
        assert process.stdout is not None
        while b"deployment/orders exists" not in await process.stdout.readline():
            assert process.returncode is None
        os.killpg(process.pid, signal.SIGTERM)
        said, _ = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode == 143
        assert b"==> clean-up" in said
        assert namespaces(lane) == before

    async def test_an_existing_claim_is_verified_too(self, lane: FaultyLane) -> None:
        lane.plant()
        server, namespace = lane.running.server, lane.running.server.namespace("existing")
        claim = goldens.claim_of(LAYOUT, "minimal-claim")
        claim["metadata"]["namespace"] = namespace
        server.expect(201, "POST", f"{CLAIMS}/namespaces/{namespace}/eventdrivenservices", claim)
        scaler = f"/apis/keda.sh/v1alpha1/namespaces/{namespace}/scaledobjects/orders-scaler"
        there = await lane.run("kubectl", "wait", "-n", namespace, "--for=create", "scaledobject/orders-scaler")
        assert there.code == 0, there.text
        said = await lane.run(script("verify-keda-config"), f"{namespace}/orders")
        assert said.code == 1
        assert re.findall("^FAIL.*", said.text, re.MULTILINE) == [
            "FAIL  KEDA calls orders-scaler ready: expected True, found nothing"
        ]
        ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}  # as KEDA would say
        server.expect(200, "PATCH", f"{scaler}/status", ready, content_type=MERGE_PATCH)
        said = await lane.run(script("verify-keda-config"), f"{namespace}/orders")
        assert said.code == 0, said.text

    async def test_a_claim_that_is_not_there_is_not_verified(self, lane: FaultyLane) -> None:
        missing = await lane.run(script("verify-keda-config"), "default/missing")
        assert missing.code == 1
        assert "FAIL  claim missing is not there" in missing.text
        wrong = await lane.run(script("verify-keda-config"), "missing")
        assert wrong.code == 2
        assert "missing is not NAMESPACE/CLAIM" in wrong.text

    async def test_where_crossplane_is_its_conditions_count_too(self, lane: FaultyLane) -> None:
        assert (await lane.run(script("verify-composition"))).code == 0  # which brings the kinds
        said = await lane.run(script("verify-composition"), LOCAL_LANE="")
        assert said.code == 1
        for wanted in ("Established", "Offered"):
            assert f"xeventdrivenservices.platform.bizmatters.io is {wanted}: expected True, found nothing" in said.text
        for function in ("function-go-templating", "function-patch-and-transform"):
            assert f"{function} is Healthy: expected True, found nothing" in said.text

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda found: None, "0 failed"),
            (lambda found: found["spec"].update(mode="Resources"), 'mode: expected "Pipeline", found "Resources"'),
            (
                lambda found: found["spec"]["compositeTypeRef"].update(kind="XOther"),
                'compositeTypeRef.kind: expected "XEventDrivenService", found "XOther"',
            ),
            (
                lambda found: found["spec"]["pipeline"][1]["functionRef"].update(name="function-kcl"),
                "no step of composition/event-driven-service runs function-patch-and-transform",
            ),
            (lambda found: resources(found).pop(2), "expected deployment scaledobject service serviceaccount, found"),
            (
                lambda found: resources(found)[1]["base"]["spec"].pop("readiness"),
                'deployment readiness.policy: expected "DeriveFromCelQuery", found nothing',
            ),
            (
                lambda found: resources(found)[1]["readinessChecks"].pop(0),
                "deployment counts as ready although it may not be Ready",
            ),
            (
                lambda found: resources(found)[1]["base"]["spec"]["forProvider"]["manifest"]["spec"].update(replicas=1),
                "the Composition sets spec.replicas of the Deployment",
            ),
        ],
        ids=["none", "mode", "definition", "function", "resource", "readiness", "check", "replicas"],
    )
    async def test_a_fault_in_the_composition_is_found(
        self, lane: FaultyLane, change: Callable[[Manifest], object], words: str
    ) -> None:
        if lane.running.server.request("GET", COMPOSITIONS).status == 404:
            assert (await lane.run(script("verify-composition"))).code == 0  # which brings the kinds
        composition: dict[str, Any] = copy.deepcopy(COMPOSITION)
        change(composition)
        path = f"{COMPOSITIONS}/{composition['metadata']['name']}"
        live = lane.running.server.expect(200, "GET", path)
        composition["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        lane.running.server.expect(200, "PUT", path, json.loads(json.dumps(composition)))
        said = await lane.run(script("verify-composition"))
        assert said.code == (0 if words == "0 failed" else 1), said.text
        assert words in said.text


def resources(composition: Manifest) -> list[Manifest]:
    found: list[Manifest] = composition["spec"]["pipeline"][1]["input"]["resources"]
    return found
