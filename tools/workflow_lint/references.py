"""Who calls whom: references lead to a template, and arguments and inputs fit in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.workflow_lint.finding import inputs, names, outputs, tasks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tools.workflow_lint.finding import Document, Finding, Json

#: WorkflowTemplates by name.
Library = dict[str, "Document"]


def target(document: Document, task: Mapping[str, Json], library: Mapping[str, Document]) -> Json | None:
    """Return the template that a task calls, or None."""
    reference = task.get("templateRef")
    if reference:
        owner = library.get(str(reference.get("name")))
        return dict(owner.templates[reference["template"]]) if owner and _has(owner, reference) else None
    found = document.templates.get(str(task.get("template")))
    return None if found is None else dict(found)


def _has(owner: Document, reference: Mapping[str, object]) -> bool:
    return reference.get("template") in owner.templates


def check(document: Document, library: Mapping[str, Document]) -> Iterator[Finding]:
    """Yield what is wrong with the calls of a document."""
    entry = document.spec.get("entrypoint")
    shared = entry is None and document.kind == "WorkflowTemplate"  # only others begin in it
    if entry not in document.templates and not shared:
        yield document.finding("$.spec.entrypoint", "unknown-template", f"there is no template {entry!r} to begin with")
    for name, template in document.templates.items():
        place = f"$.spec.templates[{name}]"
        for part, parameters in (("inputs", inputs(template)), ("outputs", outputs(template))):
            listed = names(parameters)
            for twice in sorted({one for one in listed if listed.count(one) > 1}):
                yield document.finding(f"{place}.{part}", "duplicate-name", f"parameter {twice!r} is declared twice")
        for task in tasks(template):
            yield from _call(document, task, library, f"{place}.dag.tasks[{task.get('name')}]")


def _call(document: Document, task: Json, library: Mapping[str, Document], at: str) -> Iterator[Finding]:
    reference = task.get("templateRef") or {}
    called = f"{reference.get('name')}/{reference.get('template')}" if reference else str(task.get("template"))
    if "{{" in called:
        message = "which template runs must not depend on a parameter: whoever sets it could run any template"
        yield document.finding(at, "template-by-parameter", message)
        return
    template = target(document, task, library)
    if template is None:
        yield document.finding(at, "unknown-template", f"there is no template {called!r}")
        return
    given = names((task.get("arguments") or {}).get("parameters") or [])
    declared = {str(one.get("name")): one for one in inputs(template)}
    for twice in sorted({one for one in given if given.count(one) > 1}):
        yield document.finding(f"{at}.arguments", "duplicate-name", f"argument {twice!r} is given twice")
    for one in sorted(set(given) - declared.keys()):
        message = f"{called!r} declares no input {one!r}: it would be dropped without a word"
        yield document.finding(f"{at}.arguments", "surplus-argument", message)
    for one, about in declared.items():
        if one not in given and "value" not in about and "default" not in about:
            message = f"{called!r} needs the input {one!r}, which has no default"
            yield document.finding(f"{at}.arguments", "missing-argument", message)
