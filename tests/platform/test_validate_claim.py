"""`scripts/validate-claim.sh` judges each claim of a file by the schema of its own kind."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tools.platform_api.apis import APIS, ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = ROOT / "scripts" / "validate-claim.sh"
GOOD = """\
apiVersion: platform.example.org/v1alpha1
kind: AppContainerClaim
metadata: {name: shop, namespace: shop}
spec: {name: shop}
"""
OTHER = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: whatever}
"""
BAD = """\
apiVersion: platform.example.org/v1alpha1
kind: ApplicationClaim
metadata: {name: orders, namespace: shop}
spec: {name: orders, language: cobol}
"""
#: File, its text, and the beginning of each thing that is said about it.
FILES = {
    "mixed": (
        f"{GOOD}---\n{OTHER}---\n{BAD}",
        [
            "1: AppContainerClaim/shop is valid",
            '13: spec.language: must be one of "", python, java, rasa, nodejs, go',
        ],
    ),
    "kind": (
        GOOD.replace("AppContainerClaim", "AppContainer"),
        ["2: kind: must be one of AppContainerClaim, ApplicationClaim, "],
    ),
    "version": (GOOD.replace("v1alpha1", "v1"), ["1: apiVersion: must be platform.example.org/v1alpha1"]),
    "group": (GOOD.replace("example.org", "io"), ["1: apiVersion: must be platform.example.org/v1alpha1"]),
    "no-kind": (
        GOOD.replace("kind: AppContainerClaim\n", ""),
        ["1: kind: required, but missing; must be one of AppContainerClaim, "],
    ),
    "other": (OTHER, ["1: no claim in this file"]),
}


@pytest.fixture(scope="module")
def said(validator: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What is said about each file, in one run for all."""
    folder = tmp_path_factory.mktemp("claims")
    for name, (text, _) in FILES.items():
        (folder / name).write_text(text)
    command = [SCRIPT, *(folder / name for name in FILES)]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 1, result.stderr
    lines = (result.stdout + result.stderr).splitlines()
    return {
        name: [line.removeprefix(f"{folder / name}:") for line in lines if line.startswith(f"{folder / name}:")]
        for name in FILES
    }


@pytest.mark.parametrize("name", FILES)
def test_each_claim_is_judged_as_what_it_means_to_be(said: dict[str, list[str]], name: str) -> None:
    told, (_, expected) = said[name], FILES[name]
    assert len(told) == len(expected), told
    for line, beginning in zip(told, expected, strict=True):
        assert line.startswith(beginning)


def test_there_is_a_schema_for_each_api_and_no_other() -> None:
    assert {api.schema for api in APIS} == set(APIS[0].schema.parent.glob("*.json"))
