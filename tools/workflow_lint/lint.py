"""All rules over all documents of one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.workflow_lint import graph, guards, placeholders, references, shape, steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.workflow_lint.finding import Document, Finding


def lint(documents: Sequence[Document]) -> list[Finding]:
    """Return what is wrong with Workflows and WorkflowTemplates that belong together, sorted by place."""
    library = {one.name: one for one in documents if one.kind == "WorkflowTemplate"}
    found: list[Finding] = []
    for document in documents:
        found += shape.check(document)
        if any(one.rule == "wrong-value" and one.file == document.file for one in found):
            continue  # the other rules rely on the types
        found += graph.check(document)
        found += references.check(document, library)
        found += placeholders.check(document, library)
        found += steps.check(document)
        found += guards.check(document)
    return sorted(set(found))
