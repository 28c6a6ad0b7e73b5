"""What the doctor looks for is what platform/ installs: nothing is missing from either list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from contracts.requirements import requirements
from tools.platform_api.apis import APIS
from worker.outbound.doctor.versions import at_least, version_of

_ROOT = Path(__file__).parents[2]
_PREREQUISITES = _ROOT / "platform" / "04-apis" / "prerequisites"


def documents(folder: Path) -> list[dict[str, Any]]:
    return [
        document
        for path in sorted(folder.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if document
    ]


def test_every_api_is_looked_for_with_its_composition() -> None:
    names = {
        api.plural: yaml.safe_load(api.composition.read_text(encoding="utf-8"))["metadata"]["name"] for api in APIS
    }
    assert {(one.claims, one.group) for one in requirements().apis} == {(api.plural, api.group) for api in APIS}
    assert {one.claims: one.composition for one in requirements().apis} == names


def test_every_package_is_looked_for_in_a_version_that_is_installed() -> None:
    packages = {
        (f"{one['kind'].lower()}s", one["metadata"]["name"]): version_of(one["spec"]["package"])
        for one in documents(_PREREQUISITES)
        if one["apiVersion"].startswith("pkg.crossplane.io/") and one["kind"] in {"Function", "Provider"}
    }
    wanted = {(one.kind, one.name): one.at_least for one in requirements().packages}
    assert wanted.keys() == packages.keys()
    assert all(at_least(packages[key], wanted[key]) for key in wanted)


def test_every_provider_config_is_looked_for() -> None:
    configured = {
        (one["apiVersion"], one["metadata"]["name"])
        for one in documents(_PREREQUISITES)
        if one["kind"] == "ProviderConfig"
    }
    looked_for = {(f"{one.group}/{one.version}", one.name) for one in requirements().objects if one.needed}
    assert looked_for == configured


def test_every_secret_of_a_provider_is_looked_for() -> None:
    configured = {
        (reference["namespace"], reference["name"])
        for one in documents(_PREREQUISITES)
        if one["kind"] == "ProviderConfig"
        for reference in [one["spec"].get("credentials", {}).get("secretRef")]
        if reference
    }
    assert {(one.namespace, one.name) for one in requirements().secrets} == configured


def test_the_rights_of_the_steps_are_those_that_are_given() -> None:
    given: dict[tuple[str, str], set[str]] = {}
    for one in yaml.safe_load_all((_ROOT / "platform/05-workflows/rbac.yaml").read_text(encoding="utf-8")):
        if one["kind"] not in {"Role", "ClusterRole"} or "servicebinding.io/controller" in one["metadata"]["labels"]:
            continue
        for rule in one["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    given.setdefault((group, resource), set()).update(rule["verbs"])
    [account] = [one for one in requirements().accounts if one.name == "platform-workflows"]
    looked_for = {(one.group, one.resource): set(one.verbs) for one in (*account.may, *account.may_everywhere)}
    assert looked_for == given
