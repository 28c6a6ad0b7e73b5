"""One contract: what handlers send, what contracts/ declares, and what the templates take and yield is the same."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.components import PROPERTIES
from contracts.templates import MAIN, SHARED, SHARED_ENTRIES, TEARDOWN, TEMPLATES
from tests.workflows import rehearsal
from tests.workflows.library import PROVIDED, inputs_of, parameters, tasks_of, template_of
from worker.domain.classify import TYPES

ENTRIES = (MAIN, TEARDOWN)


def entry(name: str, which: str) -> dict[str, Any]:
    found = rehearsal.entry(name, which)
    assert found is not None
    return found


def test_there_is_a_file_for_each_template_of_the_contract_and_one_for_what_they_share() -> None:
    assert {name: body["metadata"]["name"] for name, body in rehearsal.TEMPLATES.items()} == {
        one: one for one in [*TEMPLATES, SHARED]
    }


def test_what_they_share_can_neither_be_submitted_nor_be_mistaken_for_one_of_them() -> None:
    shared = rehearsal.TEMPLATES[SHARED]["spec"]
    assert shared.keys() == {"templates"}
    listed = {one["name"] for one in shared["templates"]}
    assert not listed & {MAIN, TEARDOWN}
    assert set(SHARED_ENTRIES) <= listed


def test_nothing_else_is_referred_to() -> None:
    referred = {
        (task["templateRef"]["name"], task["templateRef"]["template"])
        for body in rehearsal.TEMPLATES.values()
        for template in body["spec"]["templates"]
        for task in template.get("dag", {}).get("tasks", ())
        if "templateRef" in task
    }
    assert referred == {(SHARED, one) for one in SHARED_ENTRIES}


@pytest.mark.parametrize("which", ENTRIES)
@pytest.mark.parametrize("name", TEMPLATES)
def test_inputs_are_those_of_the_contract(name: str, which: str) -> None:
    declared = [(one["name"], one.get("default")) for one in entry(name, which)["inputs"]["parameters"]]
    assert declared == [(one.name, one.default) for one in TEMPLATES[name].inputs.values()]


@pytest.mark.parametrize("name", TEMPLATES)
def test_outputs_are_those_of_the_contract(name: str) -> None:
    yielded = {one["name"] for one in entry(name, MAIN)["outputs"]["parameters"]}
    assert yielded == set(TEMPLATES[name].outputs)
    assert "outputs" not in entry(name, TEARDOWN)


@pytest.mark.parametrize("name", TEMPLATES)
def test_claims_are_those_of_the_contract(name: str) -> None:
    files = {path.stem: path.read_text(encoding="utf-8") for path in rehearsal.FILES}
    text = files[name] + (files[SHARED] if "template: check-appcontainer}" in files[name] else "")
    claims = {word for one in TEMPLATES.values() for word in one.claims}
    assert {claim for claim in claims if f"kind: {claim}\n" in text} == set(TEMPLATES[name].claims)


@pytest.mark.parametrize("component_type", PROPERTIES)
def test_handlers_send_what_is_declared_and_all_that_is_required(component_type: str) -> None:
    template = TEMPLATES[template_of(component_type)]
    required = {one.name for one in template.inputs.values() if one.required}
    for example, inputs in inputs_of(component_type):
        sent = parameters(component_type, inputs)
        assert sent.keys() <= template.inputs.keys(), example
        assert required <= sent.keys(), example


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_input_is_sent_by_some_handler(name: str) -> None:
    sent: set[str] = set()
    for component_type, row in TYPES.items():
        if row.template == name:
            sent |= {
                parameter for _, inputs in inputs_of(component_type) for parameter in parameters(component_type, inputs)
            }
            sent |= TEMPLATES[name].inputs.keys() & PROVIDED.keys() & _referable(component_type)
    assert TEMPLATES[name].inputs.keys() - sent == set()


def _referable(component_type: str) -> set[str]:
    """Return the parameters that a type's references fill in."""
    references = set(getattr(PROPERTIES[component_type], "references", ()))
    words = {"database": {"database", "database_secret"}, "cache": {"cache", "cache_secret"}}
    words["realtime"] = {"realtime_endpoint", "realtime_secret"}
    words["realtime_platform"] = {"realtime_platform"}
    return {parameter for reference in references for parameter in words[reference]}


@pytest.mark.parametrize(
    "scenario", ["all-sixteen", "teardown", "replacement-by-type", "removal-of-one", "guided-request"]
)
def test_tasks_of_real_workflows_fit_for_both_actions(scenario: str) -> None:
    for task in tasks_of(scenario):
        template = TEMPLATES[task["templateRef"]["name"]]
        given = {one["name"] for one in task["arguments"]["parameters"]}
        assert task["templateRef"]["template"] in ENTRIES
        assert given <= template.inputs.keys()
        assert {one.name for one in template.inputs.values() if one.required} <= given
        yielded = [one["value"] for one in task["arguments"]["parameters"] if "{{tasks." in one["value"]]
        assert all(value.split(".")[-1].rstrip("}") in _outputs() for value in yielded)


def _outputs() -> set[str]:
    return {output for template in TEMPLATES.values() for output in template.outputs}


def test_the_stories_have_both_actions() -> None:
    assert {task["templateRef"]["template"] for task in tasks_of("teardown")} == set(ENTRIES)
    assert {task["templateRef"]["name"] for task in tasks_of("all-sixteen")} == set(TEMPLATES)
