"""Whose an object is, before it is written: server-side apply by one field manager takes over whatever it meets.

A name may be given by hand, so the task that applies something with an owner has to wait for the one that has looked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.workflow_lint.finding import tasks
from tools.workflow_lint.graph import ancestors, needed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.workflow_lint.finding import Document, Finding, Json

#: Name of the template that looks, and refuses what another owner has.
GUARD = "guard-claim"
_OWNER = "platform.io/owner:"


def check(document: Document) -> Iterator[Finding]:
    """Yield tasks that apply an object with an owner and do not wait for a guard."""
    for name, template in document.templates.items():
        graph = needed(template)
        guards = {str(task.get("name")) for task in tasks(template) if _called(task) == GUARD}
        for task in tasks(template):
            written = document.templates.get(str(task.get("template")), {}).get("resource") or {}
            if _applies_with_owner(written) and not guards & ancestors(graph, str(task.get("name"))):
                message = f"an object of another owner would be written over: wait for a task that calls {GUARD}"
                place = f"$.spec.templates[{name}].dag.tasks[{task.get('name')}]"
                yield document.finding(place, "apply-without-guard", message)


def _called(task: Json) -> str:
    return str((task.get("templateRef") or task).get("template"))


def _applies_with_owner(resource: Json) -> bool:
    return resource.get("action") in {"apply", "replace", "patch"} and _OWNER in str(resource.get("manifest"))
