"""What Argo checks of the tags in a Workflow before it runs anything; a tag that leads nowhere is an invalid spec.

Only tags that begin as its variables do are looked at, and no expressions: those fail, or wait, when they are reached.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from worker.dev.argo.dag import InvalidSpecError
from worker.dev.argo.substitution import tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.dev.argo.dag import Dag, DagTask
    from worker.dev.argo.templates import Templates

_CHECKED = ("item.", "steps.", "inputs.", "outputs.", "pod.", "workflow.", "tasks.")
#: Known only when the Workflow runs.
_LATER = ("outputs.", "workflow.creationTimestamp", "workflow.scheduledTime", "workflow.duration", "tasks.name")
_OF_EVERY_TASK = ("id", "startedAt", "finishedAt", "status", "hostNodeName", "ip")


def check_tags(dag: Dag, scope: Mapping[str, str], templates: Templates) -> None:
    """Check the tags of the entry DAG's tasks.

    Args:
        dag: the entry DAG.
        scope: global variables.
        templates: the WorkflowTemplates; while none is loaded every output counts as declared.

    Raises:
        InvalidSpecError: a tag cannot be resolved.
        SubstitutionError: a tag has no end.
    """
    for task in dag.tasks.values():
        for tag in tags(json.dumps(task.raw, ensure_ascii=False)):
            if tag.startswith(_CHECKED) and tag not in scope and not tag.startswith(_LATER):
                if _is_output(tag, dag, task, templates):
                    continue
                where = f"templates.{dag.template}.tasks.{task.name}"
                raise InvalidSpecError(f"{where} failed to resolve {{{{{tag}}}}}")


def _is_output(tag: str, dag: Dag, task: DagTask, templates: Templates) -> bool:
    kind, _, rest = tag.partition(".")
    name, _, variable = rest.partition(".")
    if kind != "tasks" or name not in dag.ancestors(task.name):
        return False
    if variable in _OF_EVERY_TASK:
        return True
    definition = templates.definition(dag.tasks[name].template, dag.tasks[name].entry)
    if definition is None:
        return variable.startswith("outputs.parameters.")
    declared = (definition.get("outputs") or {}).get("parameters") or ()
    return variable in {f"outputs.parameters.{one['name']}" for one in declared}
