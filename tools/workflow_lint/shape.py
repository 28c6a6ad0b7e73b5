"""Fields: every one is known to Argo and has its type, judged by hera's models, which are made from Argo's own schema.

The models drop what they do not know; what is missing afterwards is what a typo has added.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hera.workflows.models import Workflow, WorkflowTemplate
from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.workflow_lint.finding import Document, Finding

_MODELS: dict[str, type[Workflow | WorkflowTemplate]] = {"Workflow": Workflow, "WorkflowTemplate": WorkflowTemplate}


def check(document: Document) -> Iterator[Finding]:
    """Yield a finding for each unknown field, or else for each wrong value."""
    # Keys of the worker's own record are no fields: an annotation is a text on a cluster, and golden files unfold it.
    metadata = {**document.body.get("metadata", {}), "annotations": {}}
    body = {**document.body, "metadata": metadata}
    try:
        model = _MODELS[document.kind].model_validate(body)
    except ValidationError as error:
        for one in error.errors():
            place = ".".join(str(part) for part in one["loc"])
            yield document.finding(f"$.{place}", "wrong-value", one["msg"])
        return
    known = model.model_dump(by_alias=True, exclude_unset=True, mode="json")
    for place, key in _unknown(body, known, "$"):
        yield document.finding(place, "unknown-field", f"Argo knows no field {key!r} here and would ignore it")


def _unknown(given: object, known: object, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(given, Mapping) and isinstance(known, Mapping):
        for key, value in given.items():
            if key not in known:
                yield place, str(key)
            else:
                yield from _unknown(value, known[key], f"{place}.{key}")
    elif isinstance(given, list) and isinstance(known, list):
        for index, (left, right) in enumerate(zip(given, known, strict=True)):
            name = left.get("name", index) if isinstance(left, Mapping) else index
            yield from _unknown(left, right, f"{place}[{name}]")
