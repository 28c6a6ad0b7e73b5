"""The lane changes addresses and scaling intervals of a golden render, and nothing else; an image becomes a process."""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest

from tests.local_lane.rules import Image, NoSuchImageError, NoSuchProgramError, Rules, localised
from tests.platform import goldens
from tests.platform.goldens import Layout

RUNNING = {"nats": "nats://127.0.0.1:20001", "nats-monitoring": "127.0.0.1:20002"}
LAYOUT = Layout()


@pytest.fixture(scope="module")
def rules() -> Rules:
    return Rules.read()


@functools.cache
def manifests(name: str) -> list[dict[str, Any]]:
    objects = goldens.objects(goldens.rendered(LAYOUT, name)).values()
    return [found["spec"]["forProvider"]["manifest"] for found in objects]


def differences(before: Any, after: Any, path: str = "") -> dict[str, tuple[Any, Any]]:
    """Return path → both values, for all that differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = before.keys() | after.keys()
        found = [differences(before.get(key), after.get(key), f"{path}.{key}") for key in sorted(keys)]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        found = [differences(*pair, f"{path}[{index}]") for index, pair in enumerate(zip(before, after, strict=True))]
    else:
        return {} if before == after else {path: (before, after)}
    return {where: values for part in found for where, values in part.items()}


@pytest.mark.parametrize("name", LAYOUT.cases())
def test_without_nats_and_keda_nothing_changes(rules: Rules, name: str) -> None:
    for manifest in manifests(name):
        assert rules.patched(manifest, {}, scaling=False) == manifest


@pytest.mark.parametrize("name", LAYOUT.cases())
def test_with_them_the_trigger_and_the_intervals_change_and_nothing_else(rules: Rules, name: str) -> None:
    for manifest in manifests(name):
        before = copy.deepcopy(manifest)
        after = rules.patched(manifest, RUNNING, scaling=True)
        assert manifest == before
        changed = set(differences(before, after))
        if manifest["kind"] != "ScaledObject":
            assert not changed
            continue
        allowed = (".spec.pollingInterval", ".spec.cooldownPeriod", ".spec.advanced", ".spec.triggers[0].metadata.nats")
        assert all(path.startswith(allowed) for path in changed), changed
        assert after["spec"]["pollingInterval"] == 1


def test_the_addresses_of_the_default_claim_are_those_of_the_lane(rules: Rules) -> None:
    by_kind = {manifest["kind"]: manifest for manifest in manifests("minimal-claim")}
    (trigger,) = rules.patched(by_kind["ScaledObject"], RUNNING, scaling=False)["spec"]["triggers"]
    assert trigger["metadata"]["natsServerMonitoringEndpoint"] == "127.0.0.1:20002"
    (container,) = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"]
    url = next(variable["value"] for variable in container["env"] if variable["name"] == "NATS_URL")
    assert localised(url, rules.located(RUNNING)) == "nats://127.0.0.1:20001"


@pytest.mark.parametrize("name", sorted(path.stem for path in LAYOUT.api.examples.glob("*.yaml")))
def test_a_process_stands_for_every_container_of_the_examples(rules: Rules, name: str) -> None:
    (deployment,) = (manifest for manifest in manifests(name) if manifest["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        assert rules.argv(container, container.get("command", []), container.get("args", []))


def test_a_process_takes_the_place_of_entry_point_and_commands() -> None:
    image = Image(["service"], ["serve"], {"/bin/migrate": ["init", "--quick"]})
    rules = Rules({}, {"acme:1": image}, {})
    container = {"name": "x", "image": "acme:1"}
    assert rules.argv(container, [], []) == ["service", "serve"]
    assert rules.argv(container, [], ["other"]) == ["service", "other"]
    assert rules.argv(container, ["/bin/migrate", "up"], ["now"]) == ["init", "--quick", "up", "now"]
    with pytest.raises(NoSuchProgramError, match="/bin/sh"):
        rules.argv(container, ["/bin/sh"], [])
    with pytest.raises(NoSuchImageError, match="acme:2"):
        rules.argv({**container, "image": "acme:2"}, [], [])
