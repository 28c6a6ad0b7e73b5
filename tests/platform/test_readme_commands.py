"""The commands of the README work: those that look for troubles, on a claim in trouble, and the steps of a move."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.local_lane.lane import Part
from tests.platform.faulty import faulty_lane
from tests.platform.goldens import Layout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.platform.faulty import FaultyLane

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("lane of the README")]
on_lane = pytest.mark.asyncio(loop_scope="module")

README = (Layout().root / "README.md").read_text(encoding="utf-8")
EXAMPLE = Layout().root / "examples" / "agent-executor-claim.yaml"
PLACES = {
    "<namespace>": "intelligence-deepagents",
    "<claim>": "agent-executor",
    "<secret>": "agent-executor-db-conn",
    "<pull-secret>": "ghcr-pull-secret",
}
#: Need what the lane has no image or Deployment of.
ELSEWHERE = ("kubectl run nats-look", "kubectl logs -n keda ")
#: All Secrets but the one with the keys of the models: the migrations run, the service waits.
SET_UP = f"""
kubectl create namespace intelligence-deepagents
kubectl config set-context --current --namespace intelligence-deepagents
kubectl create secret generic agent-executor-db-conn --from-literal=endpoint=x --from-literal=port=1 \
    --from-literal=database=x --from-literal=username=x --from-literal=password=x
kubectl create secret generic agent-executor-cache-conn --from-literal=endpoint=x --from-literal=port=1 \
    --from-literal=password=x
kubectl create secret docker-registry ghcr-pull-secret --docker-server=x --docker-username=x --docker-password=x
kubectl create quota pods --hard=pods=9
kubectl apply -f {EXAMPLE}
"""


SECTION = README[README.index("## Troubleshooting") : README.index("## Security")]


def commands(text: str = SECTION) -> list[str]:
    """Return the commands in a text, those that go over several lines joined."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in re.sub(r"\\\n *", "", block).splitlines()]


def placed(command: str) -> str:
    for place, found in PLACES.items():
        command = command.replace(place, found)
    assert "<" not in command, "a place that this test knows nothing of"
    return command


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lane() -> AsyncIterator[FaultyLane]:
    async with faulty_lane(Part.CONTROLLERS) as running:
        said = await running.run("sh", "-ec", SET_UP)
        assert said.code == 0, said.text
        waits = "until kubectl get pods | grep -q CreateContainerConfigError; do sleep 0.2; done"
        said = await running.run("timeout", "120", "sh", "-c", waits)
        assert said.code == 0, said.text
        yield running


TROUBLES = (
    "ImagePullBackOff",
    "CreateContainerConfigError",
    "Init:CrashLoopBackOff",
    "TriggerError of KEDA",
    "Pending",
    "FailedCreate: quota exceeded",
)


def test_each_trouble_has_commands_and_a_resolution() -> None:
    _, *parts = SECTION.split("\n### ")
    assert tuple(part.partition("\n")[0] for part in parts) == TROUBLES
    for part in parts:
        assert len(commands(part)) >= 2
        assert "\nResolution: " in part


@on_lane
@pytest.mark.parametrize("command", [command for command in commands() if not command.startswith(ELSEWHERE)])
async def test_a_command_of_the_readme_works(lane: FaultyLane, command: str) -> None:
    command = placed(command)
    # Whatever follows the first pipe only chooses lines, and may find none.
    said = await lane.run("sh", "-c", command.partition(" | ")[0])
    assert said.code == 0, said.text
    said = await lane.run("sh", "-c", command)
    assert said.code == 0 or "| grep " in command, said.text


@on_lane
async def test_the_status_names_what_is_missing(lane: FaultyLane) -> None:
    reasons = await lane.run("sh", "-c", placed(commands()[0]))
    assert "Deployment/agent-executor: MinimumReplicasUnavailable" in reasons.text
    events = await lane.run("kubectl", "get", "events", "--field-selector", "reason=Failed")
    assert 'secret "agent-executor-llm-keys" not found' in events.text


# --- Moving from direct manifests -------------------------------------------------------------------------------------

HOME = "intelligence-deepagents"
MOVED = "moved-agents"
DIRECT = Layout().root / "tests" / "migration" / "agent-executor-direct.yaml"
MIGRATION = README[README.index("## Moving from direct manifests") : README.index("## Troubleshooting")]
STEPS = MIGRATION[MIGRATION.index("**Steps**") : MIGRATION.index("**Rollback**")]
#: What is there before: manifests, Secrets, and a pod that works.
BEFORE = f"""
kubectl create namespace {MOVED}
kubectl create secret generic agent-executor-db-conn -n {MOVED} --from-literal=endpoint=x --from-literal=port=1 \
    --from-literal=database=x --from-literal=username=x --from-literal=password=x
kubectl create secret generic agent-executor-cache-conn -n {MOVED} --from-literal=endpoint=x --from-literal=port=1 \
    --from-literal=password=x
kubectl create secret generic agent-executor-llm-keys -n {MOVED} --from-literal=OPENAI_API_KEY=x
kubectl apply -f direct.yaml
kubectl rollout status deployment/agent-executor -n {MOVED} --timeout=120s
"""
#: There is no KEDA in this lane to say it.
SCALER_WORKS = f"""kubectl patch scaledobject agent-executor-scaler -n {MOVED} --subresource=status --type=merge \
    --patch '{{"status": {{"conditions": [{{"type": "Ready", "status": "True"}}]}}}}'"""


def steps() -> list[str]:
    """Return the kubectl commands of the steps in their order, those in the text among them."""
    text = re.sub(r"\\\n *", "", STEPS)
    return [found.strip() for found in re.findall(r"(?:^ *|`)(kubectl [^`\n]*)", text, re.MULTILINE)]


@on_lane
async def test_the_steps_of_the_migration_move_a_service(lane: FaultyLane, tmp_path: Path) -> None:
    for name, source in (("direct.yaml", DIRECT), ("agent-executor-claim.yaml", EXAMPLE)):
        (tmp_path / name).write_text(source.read_text(encoding="utf-8").replace(HOME, MOVED), encoding="utf-8")

    async def sh(script: str) -> str:
        said = await lane.run("sh", "-ec", f"cd '{tmp_path}'\n{script}")
        assert said.code == 0, f"{script}\n{said.text}"
        return said.text

    await sh(BEFORE)
    assert len(steps()) == 6
    for command in steps():
        if "wait eventdrivenservice" in command:
            await sh(f"kubectl wait --for=create scaledobject/agent-executor-scaler -n {MOVED} --timeout=120s")
            await sh(SCALER_WORKS)
        await sh(command.replace(HOME, MOVED))

    saved = (tmp_path / "before.yaml").read_text(encoding="utf-8")
    for kind in ("Deployment", "Service", "ServiceAccount", "ScaledObject"):
        assert saved.count(f"\n  kind: {kind}\n") == 1
    assert "selector:\n      matchLabels:\n        app: agent-executor\n" in saved
    selector = await sh(
        f"kubectl get deployment agent-executor -n {MOVED} -o jsonpath='{{.spec.selector.matchLabels}}'"
    )
    assert set(json.loads(selector)) == {"app.kubernetes.io/name", "app.kubernetes.io/component"}
    await sh(
        f"kubectl wait pod -n {MOVED} -l app.kubernetes.io/name=agent-executor --for=condition=Ready --timeout=120s"
    )
    await sh(f"kubectl wait pod -n {MOVED} -l app=agent-executor --for=delete --timeout=120s")
