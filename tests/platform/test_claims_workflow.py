"""The pull request check of claims does what it says: its own steps run here, on a copy, and notice what they are for.

What it installs and the runner that it needs are the hosting's; each command line between them is run as it stands.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tools.platform_api.apis import EVENT_DRIVEN_SERVICE, ROOT

if TYPE_CHECKING:
    from pathlib import Path

WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "validate-claims.yml").read_text())
FOLDERS = ("platform/04-apis", "scripts", "tools/platform_api", "requirements")
DEFINITION = EVENT_DRIVEN_SERVICE.definition.relative_to(ROOT)
SCHEMA = EVENT_DRIVEN_SERVICE.schema.relative_to(ROOT)
EXAMPLE = EVENT_DRIVEN_SERVICE.examples.relative_to(ROOT) / "minimal-claim.yaml"


def steps(job: str) -> dict[str, str]:
    """Return the command lines of a job by the names of the steps."""
    return {step["name"]: step["run"] for step in WORKFLOW["jobs"][job]["steps"] if "run" in step}


@dataclass
class Checkout:
    """A copy of the repository as a pull request has it."""

    root: Path
    temp: Path

    def run(self, job: str, step: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a step as the runner does: with `bash -e`, and only the step's own variables beside the machine's."""
        known = {"GITHUB_OUTPUT": str(self.temp / "output"), "RUNNER_TEMP": str(self.temp)}
        path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])  # noqa: PTH120 - the venv's, not the link's
        command = ["bash", "-e", "-o", "pipefail", "-c", steps(job)[step]]
        variables = {**os.environ, **known, "PATH": path, **environment}
        return subprocess.run(command, cwd=self.root, env=variables, check=False, capture_output=True, text=True)

    def commit(self) -> str:
        """Commit everything; return the commit."""
        who = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
        self.git("add", "--all")
        self.git(*who, "commit", "--quiet", "--allow-empty", "--message", "test")
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True).stdout

    def edit(self, path: Path, old: str, new: str) -> None:
        text = (self.root / path).read_text(encoding="utf-8")
        assert old in text
        (self.root / path).write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root, temp = tmp_path / "copy", tmp_path / "temp"
    temp.mkdir()
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", "golden"))
    shutil.copy(ROOT / "tools" / "__init__.py", root / "tools")
    (root / ".gitignore").write_text("__pycache__\n")
    made = Checkout(root, temp)
    made.git("init", "--quiet")
    return made


def test_it_runs_on_every_pull_request_and_may_write_nothing() -> None:
    triggers = WORKFLOW[True]  # `on` is a boolean of YAML 1.1
    assert triggers == {"pull_request": None}
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in WORKFLOW["jobs"].values())


def test_what_it_installs_is_what_the_generator_imports(checkout: Checkout) -> None:
    script = steps("schema")["Install the reader of the definition, pinned by hash"]
    listing = re.sub(r"^python .*$", "", script, flags=re.MULTILINE)
    subprocess.run(
        ["bash", "-ec", listing], cwd=checkout.root, env={**os.environ, "RUNNER_TEMP": str(checkout.temp)}, check=True
    )
    text = (checkout.temp / "pyyaml.txt").read_text()
    assert re.findall(r"^[a-z]\S+", text, re.MULTILINE) == [re.findall(r"pyyaml==\S+", text)[0]]
    assert "--hash=sha256:" in text
    known = sys.stdlib_module_names | {"yaml", "tools"}
    for path in (checkout.root / "tools" / "platform_api").glob("*.py"):
        imported = re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.MULTILINE)
        assert set(imported) <= known, path.name


def test_a_definition_that_changes_is_seen(checkout: Checkout) -> None:
    base = checkout.commit()
    seen = checkout.temp / "output"
    step = "Look whether the definition changed"
    checkout.edit(EXAMPLE, "v1.0.0", "v1.0.1")
    checkout.commit()
    assert checkout.run("schema", step, BASE=base).returncode == 0
    assert seen.read_text() == "changed=false\n"
    checkout.edit(DEFINITION, "default: 8080", "default: 8081")
    checkout.commit()
    assert checkout.run("schema", step, BASE=base).returncode == 0
    assert seen.read_text() == "changed=false\nchanged=true\n"


def test_a_schema_that_was_forgotten_fails_with_the_difference(checkout: Checkout) -> None:
    checkout.commit()
    step = "Extract the schema anew"
    assert checkout.run("schema", step).returncode == 0
    checkout.edit(DEFINITION, "default: 8080", "default: 8081")
    checkout.commit()
    forgotten = checkout.run("schema", step)
    assert forgotten.returncode == 1
    assert '+          "default": 8081' in forgotten.stdout
    checkout.commit()  # with the schema that the step has written
    assert checkout.run("schema", step).returncode == 0


def test_a_definition_that_cannot_be_read_fails(checkout: Checkout) -> None:
    checkout.commit()
    checkout.edit(DEFINITION, "enum: [small, medium, large]", "enum: [small, medium, large")
    assert checkout.run("schema", "Extract the schema anew").returncode == 1


def test_a_schema_that_was_edited_by_hand_fails(checkout: Checkout) -> None:
    step = "Nobody edited what is derived"
    assert checkout.run("schema", step).returncode == 0
    checkout.edit(SCHEMA, "8080", "8081")
    edited = checkout.run("schema", step)
    assert edited.returncode == 1
    assert f"stale: {SCHEMA}" in edited.stdout


def test_an_example_that_is_wrong_fails(validator: Path, checkout: Checkout) -> None:
    step = "Validate all examples"
    good = checkout.run("claims", step)
    assert good.returncode == 0, good.stderr
    folder = checkout.root / "platform" / "04-apis" / "examples"
    claims = good.stdout.splitlines()
    assert len(claims) >= len(list(folder.rglob("*.yaml")))
    (folder / "new-claim.yaml").write_text((checkout.root / EXAMPLE).read_text() + "  size: tiny\n")
    wrong = checkout.run("claims", step)
    assert wrong.returncode == 1
    assert "spec.size: must be one of small, medium, large" in wrong.stderr


def test_the_fixtures_are_tested_by_a_script_that_is_there() -> None:
    script = ROOT / steps("claims")["Test the schema with its fixtures"].strip()
    assert os.access(script, os.X_OK)
