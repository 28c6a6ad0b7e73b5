"""Every placeholder stands for something where it stands: inputs, outputs of tasks that were waited for, globals.

Argo finds some of these at submit, and for expressions none: it looks for the variable again and again, without an end.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tools.workflow_lint.finding import inputs, names, outputs, strings, tasks
from tools.workflow_lint.graph import ancestors, needed
from tools.workflow_lint.references import target
from tools.workflow_lint.tags import tags
from worker.dev.argo.expression import BUILTINS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tools.workflow_lint.finding import Document, Finding, Json
    from tools.workflow_lint.tags import Tag

_GLOBALS = re.compile(
    r"workflow\.(name|namespace|uid|serviceAccountName|mainEntrypoint|creationTimestamp.*|priority|(labels|annotations)\..+)"
)
_LATE = re.compile(r"(item|retries|lastRetry\..+|pod\.name|node\.name)(\..*)?")
_OUTPUT = re.compile(r"tasks\.(?P<task>[^.]+)\.outputs\.parameters\.(?P<output>.+)")
_OF_TASK = re.compile(r"tasks\.(?P<task>[^.]+)\.(id|name|status|ip|startedAt|finishedAt|outputs\.(result|exitCode))")


def check(document: Document, library: Mapping[str, Document]) -> Iterator[Finding]:
    """Yield what is wrong with the placeholders of a document."""
    for name, template in document.templates.items():
        place = f"$.spec.templates[{name}]"
        scope = _Scope(document, template, library)
        for at, text, task in _texts(template, place):
            for tag in tags(text):
                if tag.error:
                    yield document.finding(at, "expression-syntax", f"{tag.text}: {tag.error}")
                for one in tag.names:
                    yield from scope.judge(one, tag, at, task)


def _texts(template: Json, place: str) -> Iterator[tuple[str, str, str]]:
    """Yield each text of a template with its place and the task that it belongs to, `""` outside of tasks."""
    for task in tasks(template):
        name = str(task.get("name"))
        for at, text in strings(task, f"{place}.dag.tasks[{name}]"):
            yield at, text, name
    rest = {key: value for key, value in template.items() if key != "dag"}
    for at, text in strings(rest, place):
        yield at, text, ""


class _Scope:
    """What is known within one template."""

    def __init__(self, document: Document, template: Json, library: Mapping[str, Document]) -> None:
        self._document = document
        self._inputs = set(names(inputs(template)))
        self._graph = needed(template)
        self._tasks = {str(task.get("name")): task for task in tasks(template)}
        self._called = {name: target(document, task, library) for name, task in self._tasks.items()}
        self._globals = set(names((document.spec.get("arguments") or {}).get("parameters") or []))

    def judge(self, name: str, tag: Tag, at: str, task: str) -> Iterator[Finding]:
        """Yield what is wrong with one name of a tag."""
        root = name.partition(".")[0]
        if root == "inputs":
            yield from self._input(name, tag, at)
        elif root == "tasks":
            yield from self._task(name, tag, at, task)
        elif name.startswith("workflow.parameters"):
            yield from self._parameter(name, tag, at)
        elif not (_GLOBALS.fullmatch(name) or _LATE.fullmatch(name) or _function(name, tag)):
            yield self._finding(at, "unresolved-placeholder", f"{tag.text}: {name} stands for nothing here")

    def _finding(self, at: str, rule: str, message: str) -> Finding:
        return self._document.finding(at, rule, message)

    def _input(self, name: str, tag: Tag, at: str) -> Iterator[Finding]:
        parameter = name.removeprefix("inputs.parameters.")
        if parameter not in self._inputs:
            message = f"{tag.text}: the template declares no input {parameter!r}"
            yield self._finding(at, "unresolved-placeholder", message)

    def _parameter(self, name: str, tag: Tag, at: str) -> Iterator[Finding]:
        if self._document.kind == "WorkflowTemplate":
            message = f"{tag.text}: a template that is referred to sees the caller's parameters: declare an input"
            yield self._finding(at, "global-parameter", message)
        elif name.removeprefix("workflow.parameters.") not in self._globals:
            yield self._finding(at, "unresolved-placeholder", f"{tag.text}: the Workflow has no such argument")

    def _task(self, name: str, tag: Tag, at: str, task: str) -> Iterator[Finding]:
        found = _OUTPUT.fullmatch(name) or _OF_TASK.fullmatch(name)
        if found is None or found["task"] not in self._tasks:
            yield self._finding(at, "unresolved-placeholder", f"{tag.text}: there is no task for {name}")
            return
        producer = found["task"]
        if task and producer not in ancestors(self._graph, task):
            message = f"{tag.text}: {task} does not wait for {producer}: name it in depends"
            yield self._finding(at, "output-without-depends", message)
        called = self._called[producer]
        if "output" not in found.re.groupindex or called is None:
            return
        declared = {str(one.get("name")): one for one in outputs(called)}
        wanted = declared.get(found["output"])
        if wanted is None:
            message = f"{tag.text}: the template of {producer} has no output {found['output']!r}"
            yield self._finding(at, "unknown-output", message)
        elif tag.tree is None and self._tasks[producer].get("when") and not _has_default(wanted):
            message = f"{tag.text}: {producer} may be skipped, and its output has no default: the run would fail"
            yield self._finding(at, "skipped-output", message)


def _has_default(output: Mapping[str, Any]) -> bool:
    return "default" in (output.get("valueFrom") or {})


def _function(name: str, tag: Tag) -> bool:
    return tag.tree is not None and (name in BUILTINS or name == "sprig" or name.startswith("sprig."))
