"""`scripts/validate-claim.sh` judges each claim by the schema of its own kind, and guesses at what was meant."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tools.platform_api.apis import APIS, ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = ROOT / "scripts" / "validate-claim.sh"
README = ROOT / "platform" / "04-apis" / "README.md"
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
LIST = """\
apiVersion: v1
kind: List
items:
- {apiVersion: platform.example.org/v1alpha1, kind: AppContainerClaim, metadata: {name: shop}, spec: {name: a}}
- apiVersion: platform.example.org/v1alpha1
  kind: AppContainerClaim
  metadata: {name: shop}
  spec: {}
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
    "list": (LIST, ["4: AppContainerClaim/shop is valid", "8: spec.name: required, but missing"]),
    "alias of an alias": (
        f"a: &a [{'x, ' * 40}]\nb: &b [{'*a, ' * 40}]\nc: &c [{'*b, ' * 40}]\nd: [{'*c, ' * 40}]\n",
        ["1: Excessive alias count indicates a resource exhaustion attack"],
    ),
    "windows": ("\ufeff" + GOOD.replace("\n", "\r\n"), ["1: AppContainerClaim/shop is valid"]),
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


# --- Slips ------------------------------------------------------------------------------------------------------------

SERVICE = """\
apiVersion: platform.bizmatters.io/v1alpha1
kind: EventDrivenService
metadata: {name: orders, namespace: shop}
spec:
"""
IMAGE = "  image: ghcr.io/acme/orders:v1\n"
NATS = "  nats: {stream: ORDERS, consumer: orders}\n"
#: What somebody writes who means something else, and all that is said about it: path, and how the sentence ends.
SLIPS = {
    "replicas": (f"{IMAGE}{NATS}  replicas: 3\n", [("spec.replicas", "; that is spec.scaling here")]),
    "misplaced": (
        f"{IMAGE}{NATS}  lagThreshold: 9\n",
        [("spec.lagThreshold", "; did you mean spec.scaling.lagThreshold?")],
    ),
    "no spec": (
        "image: ghcr.io/acme/orders:v1\n",
        [
            ("spec", "(What runs, what it consumes, and how it scales)"),
            ("image", "; did you mean spec.image?"),
        ],
    ),
    "name with an addition": (
        f"{IMAGE}  nats: {{streamName: ORDERS, consumer: orders}}\n",
        [
            ("spec.nats.stream", "No spaces, '.', '*', '>', '/', '\\')"),
            ("spec.nats.streamName", "; did you mean spec.nats.stream?"),
        ],
    ),
    "misspelt": (
        f"{IMAGE}{NATS}  imagePullSecret: []\n",
        [("spec.imagePullSecret", "; did you mean spec.imagePullSecrets?")],
    ),
    "nobody knows": (f"{IMAGE}{NATS}  gpu: 1\n", [("spec.gpu", ", resourceRef, writeConnectionSecretToRef")]),
    "as in a pod": (
        f"{IMAGE}{NATS}  env: [{{name: A, value: a, valueFrom: {{}}}}]\n",
        [("spec.env[0].valueFrom", "; that is spec.secretRefs here")],
    ),
    "map for a list": (f"{IMAGE}{NATS}  env: {{A: a}}\n", [("spec.env", "; write a list: - {name: …, value: …}")]),
    "text for a list": (f"{IMAGE}{NATS}  command: /run\n", [("spec.command", "; write a list: - …")]),
    "list for a map": (f"{IMAGE}  nats:\n  - {{stream: S}}\n", [("spec.nats", '; it is no list: leave out the "- "')]),
    "text for a map": (
        f"{IMAGE}{NATS}  imagePullSecrets: [ghcr]\n",
        [("spec.imagePullSecrets[0]", "; write {name: …}")],
    ),
    "number for a text": (
        f"{IMAGE}{NATS}  env: [{{name: A, value: 1}}]\n",
        [("spec.env[0].value", "; put it in quotes")],
    ),
    "text for a number": (f'{IMAGE}{NATS}  port: "80"\n', [("spec.port", "; leave out the quotes")]),
    "half a core": (
        f"{IMAGE}{NATS}  resources: {{requests: {{cpu: 0.5, memory: 1Gi}}, limits: {{cpu: 1, memory: 1Gi}}}}\n",
        [("spec.resources.requests.cpu", "; put it in quotes")],
    ),
    "memory without a unit": (
        f"{IMAGE}{NATS}  resources: {{requests: {{cpu: 1, memory: 512}}, limits: {{cpu: 1, memory: 1Gi}}}}\n",
        [("spec.resources.requests.memory", "(Bytes with a unit, for example 512Mi or 2Gi)")],
    ),
    "upper case": (f"  image: ghcr.io/Acme/orders:v1\n{NATS}", [("spec.image", "; write it in lower case")]),
    "with a scheme": (
        f"  image: https://ghcr.io/acme/orders\n{NATS}",
        [("spec.image", '; leave out what ends in "://"')],
    ),
    "without a scheme": (
        f"{IMAGE}  nats: {{stream: ORDERS, consumer: orders, url: 'nats.nats.svc:4222'}}\n",
        [("spec.nats.url", "; begin it with nats://")],
    ),
    "space": (
        f"{IMAGE}  nats: {{stream: 'ORDERS ', consumer: ''}}\n",
        [("spec.nats.stream", "; leave out the spaces around it"), ("spec.nats.consumer", "; it is empty")],
    ),
    "tab": ("\timage: x\n", [("this is no YAML", "Tabs are not allowed as indentation")]),
}


@pytest.fixture(scope="module")
def slips(validator: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What is said about each slip, without file and line, in one run for all."""
    folder = tmp_path_factory.mktemp("slips")
    for name, (text, _) in SLIPS.items():
        start = SERVICE.removesuffix("spec:\n") if name == "no spec" else SERVICE
        (folder / f"{name}.yaml").write_text(start + text, encoding="utf-8")
    result = subprocess.run([SCRIPT, folder], check=False, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    said: dict[str, list[str]] = {name: [] for name in SLIPS}
    for line in result.stderr.splitlines():
        file, _, words = line.removeprefix(f"{folder}/").partition(": ")
        said[file.partition(".yaml")[0]].append(words)
    return said


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_told_what_was_meant(slips: dict[str, list[str]], name: str) -> None:
    told, (_, expected) = slips[name], SLIPS[name]
    assert len(told) == len(expected), told
    for line, (path, end) in zip(told, expected, strict=True):
        assert line.startswith(f"{path}: ")
        assert line.endswith(end)


def test_no_value_is_repeated(validator: Path, tmp_path: Path) -> None:
    secret = "hunter2"
    claim = tmp_path / "claim.yaml"
    claim.write_text(f"{SERVICE}  image: {secret} x\n  nats: {{stream: a.{secret}, url: {secret}}}\n  size: {secret}\n")
    result = subprocess.run([SCRIPT, claim], check=False, capture_output=True, text=True)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 5
    assert secret not in result.stderr + result.stdout


# --- Files, folders, standard input -----------------------------------------------------------------------------------


def check(*places: Path | str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, *places], input=given, check=False, capture_output=True, text=True)


def test_of_a_folder_all_claims_below_it_are_judged_and_the_rest_is_left_alone(validator: Path, tmp_path: Path) -> None:
    (tmp_path / "team" / "orders").mkdir(parents=True)
    (tmp_path / "team" / "orders" / "claim.yml").write_text(SERVICE + IMAGE + NATS)
    (tmp_path / "team" / "claim.json").write_text(json.dumps(yaml.safe_load(GOOD)))
    (tmp_path / "values.yaml").write_text("replicas: 3\n")
    (tmp_path / "other.yaml").write_text(OTHER)
    (tmp_path / "notes.txt").write_text(BAD)
    good = check(tmp_path)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.splitlines() == [
        f"{tmp_path}/team/claim.json:1: AppContainerClaim/shop is valid",
        f"{tmp_path}/team/orders/claim.yml:1: EventDrivenService/orders is valid",
    ]
    (tmp_path / "bad.yaml").write_text(BAD)
    assert check(tmp_path, tmp_path / "team").returncode == 1


def test_a_folder_without_a_claim_is_no_success(validator: Path, tmp_path: Path) -> None:
    empty = check(tmp_path)
    assert (empty.returncode, empty.stdout) == (2, "")
    assert "has no file that ends in .yaml, .yml or .json" in empty.stderr
    (tmp_path / "other.yaml").write_text(OTHER)
    nothing = check(tmp_path)
    assert (nothing.returncode, nothing.stderr) == (1, f"{tmp_path}: no claim in this folder\n")


def test_a_claim_may_come_from_standard_input(validator: Path) -> None:
    good = check("-", given=SERVICE + IMAGE + NATS)
    assert (good.returncode, good.stdout) == (0, "<stdin>:1: EventDrivenService/orders is valid\n")
    bad = check("-", given=SERVICE + IMAGE + NATS + "  size: tiny\n")
    assert (bad.returncode, bad.stderr) == (1, "<stdin>:7: spec.size: must be one of small, medium, large\n")


def test_the_readme_shows_what_is_said(validator: Path, tmp_path: Path) -> None:
    shown = README.read_text(encoding="utf-8").partition("$ scripts/validate-claim.sh orders.yaml\norders.yaml:7")
    lines = f"orders.yaml:7{shown[2]}".partition("```")[0].splitlines()
    claim = SERVICE.replace("metadata: {name: orders, namespace: shop}", "metadata:\n  name: orders\n  namespace: shop")
    (tmp_path / "orders.yaml").write_text(f"{claim}  size: tiny\n{IMAGE}  nats:\n    consumer: orders\n")
    result = subprocess.run([SCRIPT, "orders.yaml"], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert result.returncode == 1
    told = result.stderr.splitlines()
    assert len(told) == len(lines)
    for line, example in zip(told, lines, strict=True):
        for part in example.split("…"):
            assert part in line


# --- A fresh machine --------------------------------------------------------------------------------------------------


def test_packages_are_pinned_by_digest_and_come_from_no_certain_address() -> None:
    folder = SCRIPT.parent / "claim-validator"
    wanted = json.loads((folder / "package.json").read_text())
    packages = json.loads((folder / "package-lock.json").read_text())["packages"]
    assert all(version[0].isdigit() for version in (*wanted["dependencies"].values(), *wanted["overrides"].values()))
    assert packages.pop("")["dependencies"] == wanted["dependencies"]
    assert len(packages) > 10
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name


def test_what_was_installed_once_needs_no_registry(validator: Path, tmp_path: Path) -> None:
    (tmp_path / "npm").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "npm").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    claim = ROOT / "platform" / "04-apis" / "examples" / "minimal-claim.yaml"
    again = subprocess.run([SCRIPT, claim], env=environment, check=False, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr

    cache = tmp_path / "cache"
    fresh = environment | {"XDG_CACHE_HOME": str(cache)}
    first = subprocess.run([SCRIPT, claim], env=fresh, check=False, capture_output=True, text=True)
    assert (first.returncode, first.stdout) == (2, "")
    assert "npm ci failed (see above): is the package registry reachable?" in first.stderr
    assert list(cache.glob("platform-worker/*")) == [], "nothing half-made is left"


def test_there_is_a_schema_for_each_api_and_no_other() -> None:
    assert {api.schema for api in APIS} == set(APIS[0].schema.parent.glob("*.json"))
