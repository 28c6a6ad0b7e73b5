"""The pure parts of the doctor: versions in references, and what a WorkflowTemplate lacks."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.templates import TEMPLATES
from worker.outbound.doctor.templates import differences
from worker.outbound.doctor.versions import at_least, version_of

_VCLUSTER = TEMPLATES["vcluster-workflow"]


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("ghcr.io/kedacore/keda:2.20.1", "2.20.1"),
        ("localhost:5000/keda:v2.20.1", "2.20.1"),
        ("localhost:5000/keda", ""),
        ("quay.io/argoproj/workflow-controller:v3.7.18-rc1", "3.7.18-rc1"),
        ("xpkg.crossplane.io/crossplane-contrib/function-go-templating:v0.12.2@sha256:" + "0" * 64, "0.12.2"),
        ("keda:latest", ""),
        ("keda", ""),
    ],
)
def test_the_version_of_a_reference(reference: str, version: str) -> None:
    assert version_of(reference) == version


@pytest.mark.parametrize(
    ("version", "wanted", "enough"),
    [
        ("2.20.0", "2.20", True),
        ("2.9.5", "2.20", False),
        ("3.0", "2.20", True),
        ("2.20", "2.20.1", False),
        ("2.21.0-rc.1", "2.20", True),
        ("", "0.1", False),
    ],
)
def test_versions_are_compared_by_number(version: str, wanted: str, enough: bool) -> None:
    assert at_least(version, wanted) is enough


def installed() -> dict[str, Any]:
    inputs = {"parameters": [{"name": name, "default": ""} for name in _VCLUSTER.inputs]}
    outputs = {"parameters": [{"name": name} for name in _VCLUSTER.outputs]}
    main = {"name": "main", "inputs": inputs, "outputs": outputs}
    return {"spec": {"templates": [main, {"name": "teardown", "inputs": {"parameters": [*inputs["parameters"]]}}]}}


def test_a_template_that_fits_has_no_differences() -> None:
    assert differences(installed(), _VCLUSTER) == []


def test_each_difference_is_said() -> None:
    found = installed()
    main, teardown = found["spec"]["templates"]
    main["inputs"]["parameters"] = [one for one in main["inputs"]["parameters"] if one["name"] != "values"]
    main["outputs"]["parameters"].pop()
    teardown["inputs"]["parameters"].append({"name": "confirm"})
    assert differences(found, _VCLUSTER) == [
        "main does not take values",
        f"main does not give {list(_VCLUSTER.outputs)[-1]}",
        "teardown wants confirm, which the worker does not send",
    ]


def test_a_template_without_entries_has_none_of_them() -> None:
    assert differences({"spec": {}}, _VCLUSTER) == ["it has no entry main", "it has no entry teardown"]
