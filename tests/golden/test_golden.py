"""The Workflows of all scenarios are what is kept, and none of them could be rejected or misread by Argo."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from hera.workflows.models import Workflow

from tests.golden.regenerate import main
from tests.golden.scenarios import FOLDER, SCENARIOS, golden, workflow_of

TAG = re.compile(r"\{\{tasks\.([a-z0-9-]+)\.outputs\.parameters\.([a-z_]+)\}\}")


def tasks_of(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = workflow["spec"]["templates"][0]["dag"]["tasks"]
    return tasks


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_workflow_is_the_one_that_is_kept(name: str) -> None:
    assert golden(name) == (FOLDER / f"{name}.yaml").read_text(), "run: python -m tests.golden.regenerate"


def test_check_reports_drift_and_strays(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: Any) -> None:
    monkeypatch.setattr("tests.golden.regenerate.FOLDER", tmp_path)
    monkeypatch.setattr("tests.golden.regenerate.SCENARIOS", {"teardown": SCENARIOS["teardown"]})
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
    (tmp_path / "stray.yaml").write_text("")
    assert main(["--check"]) == 1
    assert "stray.yaml" in capsys.readouterr().out
    assert main(["--chekc"]) == 2


@pytest.mark.parametrize("name", SCENARIOS)
def test_argo_can_read_it(name: str) -> None:
    workflow = json.loads(workflow_of(SCENARIOS[name]()))
    Workflow.model_validate(workflow)
    tasks = tasks_of(workflow)
    names = [task["name"] for task in tasks]

    assert len(set(names)) == len(names)
    assert len(workflow["metadata"]["name"]) <= 63
    assert all(len(value) <= 63 for value in workflow["metadata"]["labels"].values())
    assert workflow["spec"]["suspend"] is True
    ancestors: dict[str, set[str]] = {}
    for task in tasks:  # a task may only name those before it: no cycle can exist
        assert re.fullmatch(r"[a-z][a-z0-9-]{0,127}", task["name"])
        needed = [part.removesuffix(".Succeeded") for part in task.get("depends", "").split(" && ") if part]
        assert set(needed) <= ancestors.keys()
        ancestors[task["name"]] = {*needed, *(older for one in needed for older in ancestors[one])}
        for parameter in task["arguments"]["parameters"]:
            opened = parameter["value"].count("{{")
            tags = TAG.findall(parameter["value"])
            assert opened == len(tags)
            assert all(source in ancestors[task["name"]] for source, _ in tags)


@pytest.mark.parametrize("name", SCENARIOS)
def test_metadata_opens_no_tag(name: str) -> None:
    assert "{{" not in json.dumps(json.loads(workflow_of(SCENARIOS[name]()))["metadata"])


def test_hostile_json_arrives_unchanged() -> None:
    workflow = json.loads(workflow_of(SCENARIOS["hostile-strings"]()))
    values = {
        parameter["name"]: parameter["value"]
        for task in tasks_of(workflow)
        if task["name"] == "c-chat"
        for parameter in task["arguments"]["parameters"]
    }
    wanted = ["{{workflow.uid}}", "{{=sprig.env('HOME')}}", '"}} {{{{', "\u2028"]
    assert json.loads(values["settings"]) == {"policies": wanted}
    assert values["settings"].isprintable()


def test_the_bytes_depend_on_nothing_but_the_story() -> None:
    code = (
        "import sys; from tests.golden.scenarios import *; "
        "sys.stdout.buffer.write(workflow_of(SCENARIOS['all-sixteen']()))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {workflow_of(SCENARIOS["all-sixteen"]())}
