"""Whether an installed WorkflowTemplate takes and gives what the worker's tasks expect of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts.templates import MAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contracts.templates import WorkflowTemplate


def differences(found: Mapping[str, Any], declared: WorkflowTemplate) -> list[str]:
    """Return how ``found`` differs from the contract, one phrase each; empty if a task can be sent to it."""
    templates = {one.get("name"): one for one in found.get("spec", {}).get("templates") or []}
    wrong = []
    for entry in declared.entries:
        template = templates.get(entry)
        if template is None:
            wrong.append(f"it has no entry {entry}")
            continue
        inputs = {one["name"]: one for one in (template.get("inputs") or {}).get("parameters") or []}
        missing = sorted(set(declared.inputs) - set(inputs))
        if missing:
            wrong.append(f"{entry} does not take {', '.join(missing)}")
        surplus = sorted(
            name
            for name, one in inputs.items()
            if name not in declared.inputs and "value" not in one and "default" not in one
        )
        if surplus:
            wrong.append(f"{entry} wants {', '.join(surplus)}, which the worker does not send")
        if entry == MAIN:
            outputs = {one["name"] for one in (template.get("outputs") or {}).get("parameters") or []}
            absent = sorted(set(declared.outputs) - outputs)
            if absent:
                wrong.append(f"{entry} does not give {', '.join(absent)}")
    return wrong
