"""The linter finds each fault by its rule, at its place and in these words; and nothing in what the platform has."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.workflow_lint.__main__ import default_files, main
from tools.workflow_lint.finding import RULES, Finding, document
from tools.workflow_lint.lint import lint

KEPT = yaml.safe_load(Path(__file__).with_name("faults.yaml").read_text(encoding="utf-8"))
FAULTS: list[dict[str, Any]] = KEPT["faults"]


def judged(bodies: list[dict[str, Any]]) -> list[Finding]:
    return lint([document(f"{body['kind']}.yaml", body) for body in bodies])


def changed(fault: dict[str, Any]) -> list[dict[str, Any]]:
    bodies: list[dict[str, Any]] = copy.deepcopy(KEPT["sound"])
    place: Any = bodies
    *path, last = fault["at"]
    for part in path:
        place = place[part]
    if fault.get("drop"):
        del place[last]
    elif isinstance(place, list) and last == len(place):
        place.append(fault["set"])
    else:
        place[last] = fault["set"]
    return bodies


def test_the_sound_documents_are_sound() -> None:
    assert judged(KEPT["sound"]) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault['rule']}: {fault.get('why', fault['at'][-1])}")
def test_a_fault_is_found(fault: dict[str, Any]) -> None:
    found = judged(changed(fault))
    named = [one for one in found if one.rule == fault["rule"] and one.path == fault["path"]]
    assert [fault["message"] in one.message for one in named] == [True], found
    others = {one.rule for one in found} - {fault["rule"]}
    assert others <= set(fault.get("also", ())), found


def test_every_rule_has_a_fault() -> None:
    assert {fault["rule"] for fault in FAULTS} == set(RULES)


def test_the_platform_has_no_faults(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(default_files()) >= 18
    assert main([]) == 0
    assert capsys.readouterr().out.endswith("Workflows and WorkflowTemplates: no findings\n")


def test_findings_are_printed_with_their_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "order.yaml"
    file.write_text(yaml.safe_dump_all(changed(FAULTS[0])), encoding="utf-8")
    assert main([str(file)]) == 1
    line = f"{file}: {FAULTS[0]['path']}: {FAULTS[0]['message']} [unknown-field]\n"
    assert line in capsys.readouterr().out


@pytest.mark.parametrize("text", ["a: [", None])
def test_a_file_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None) -> None:
    file = tmp_path / "order.yaml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    assert main([str(file)]) == 2
    assert "cannot read" in capsys.readouterr().err
