"""The tasks of a DAG: names that Argo accepts, `depends` that can be read and leads somewhere, and no cycles."""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from tools.workflow_lint.finding import tasks
from worker.dev.argo import depends

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tools.workflow_lint.finding import Document, Finding, Json

#: With `depends` a name may not begin with a digit: the expression would read a number.
_NAME = re.compile(r"[A-Za-z][-A-Za-z0-9]{0,127}")
_BARE = re.compile(r"(?<![\w.-])[A-Za-z][-A-Za-z0-9]*(?![\w.-])")


def check(document: Document) -> Iterator[Finding]:
    """Yield what is wrong with the DAGs of a document."""
    seen: set[str] = set()
    for template in document.spec.get("templates") or ():
        name = str(template.get("name"))
        place = f"$.spec.templates[{name}]"
        if name in seen:
            yield document.finding(place, "duplicate-name", f"there are two templates {name!r}")
        seen.add(name)
        if tasks(template):
            yield from _dag(document, template, f"{place}.dag.tasks")


def _dag(document: Document, template: Json, place: str) -> Iterator[Finding]:
    listed = tasks(template)
    known = {str(task.get("name")) for task in listed}
    if len(known) < len(listed):
        twice = sorted({str(task["name"]) for task in listed if listed.count(task) > 1} or known)
        yield document.finding(place, "duplicate-name", f"two tasks have one name: look among {', '.join(twice)}")
    for task in listed:
        at = f"{place}[{task.get('name')}]"
        yield from _task(document, task, known, at)
    yield from _covered(document, template, place)
    try:
        TopologicalSorter(needed(template)).prepare()
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        yield document.finding(place, "depends-cycle", f"tasks wait for each other: {circle}")


def _task(document: Document, task: Json, known: set[str], at: str) -> Iterator[Finding]:
    name = str(task.get("name"))
    if not _NAME.fullmatch(name):
        yield document.finding(at, "task-name", f"{name!r} must begin with a letter and hold letters, digits and '-'")
    if "dependencies" in task:
        yield document.finding(at, "depends-mixed", "write depends in place of dependencies: one DAG cannot have both")
    if "continueOn" in task:
        yield document.finding(at, "depends-mixed", "continueOn is refused beside depends: name the result there")
    text = str(task.get("depends") or "")
    try:
        found = depends.parse(text)
    except depends.DependsError as error:
        yield document.finding(f"{at}.depends", "depends-syntax", str(error))
        return
    for one in sorted(found.names - known):
        yield document.finding(f"{at}.depends", "depends-name", f"there is no task {one!r} in this DAG")
    for one in _BARE.findall(text):
        message = f"{one!r} alone also holds when it was skipped: write {one}.Succeeded"
        yield document.finding(f"{at}.depends", "depends-bare", message)


def _covered(document: Document, template: Json, place: str) -> Iterator[Finding]:
    """Yield tasks whose failure only those see that carry on with it: a DAG has the result of its last tasks."""
    graph = needed(template)
    texts = {str(task.get("name")): str(task.get("depends") or "") for task in tasks(template)}
    for name in graph:
        after = {one for one, before in graph.items() if name in before}
        carrying = {one for one in after if re.search(rf"(?<![\w-]){name}\.(Failed|Errored)", texts[one])}
        if carrying and carrying == after:
            message = (
                f"the success of {', '.join(sorted(carrying))} covers the failure of {name} up: let another task, "
                f'for example one with when: "false", depend on {name}.Succeeded'
            )
            yield document.finding(f"{place}[{name}]", "covered-failure", message)


def needed(template: Json) -> dict[str, set[str]]:
    """Return for each task the tasks of the same DAG that its `depends` names; nothing for one that cannot be read."""
    found: dict[str, set[str]] = {}
    for task in tasks(template):
        try:
            found[str(task.get("name"))] = set(depends.parse(str(task.get("depends") or "")).names)
        except depends.DependsError:
            found[str(task.get("name"))] = set()
    return found


def ancestors(graph: Mapping[str, set[str]], name: str) -> set[str]:
    """Return all tasks that a task waits for, directly or not."""
    found: set[str] = set()
    waiting = list(graph.get(name, ()))
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(graph.get(one, ()))
    return found
