"""DAGs: the inline one of a Workflow and those of templates, checked as the controller checks them before they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from worker.dev.argo.depends import Depends, DependsError, parse
from worker.dev.argo.nodes import BROKEN, ENDED, Json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from worker.dev.argo.templates import Templates

_SUCCEEDED_RUN = frozenset({"Succeeded", "Failed", "Error"})


class InvalidSpecError(ValueError):
    """A Workflow that Argo would fail with `invalid spec: …`."""


@dataclass(frozen=True, slots=True)
class DagTask:
    """One task.

    Attributes:
        raw: as it is written.
        reference: its templateRef; empty for a template beside the DAG.
    """

    name: str
    raw: Json
    reference: Mapping[str, Any]
    depends: Depends

    @property
    def template(self) -> str:
        """Name of the WorkflowTemplate."""
        return str(self.reference.get("name", ""))

    @property
    def entry(self) -> str:
        """Name of the template in it."""
        return str(self.reference.get("template", ""))

    @property
    def arguments(self) -> Mapping[str, str]:
        """Its arguments, before any substitution."""
        return arguments_of(self.raw)

    def decided(self, phases: Mapping[str, str]) -> bool:
        """Tell whether everything that it depends on has ended."""
        return all(phases.get(name) in ENDED for name in self.depends.names)


@dataclass(frozen=True, slots=True)
class Dag:
    """A DAG.

    Attributes:
        template: name of its template.
        tasks: by name, as listed.
        fail_fast: whether a failed branch ends the DAG once nothing runs any more.
    """

    template: str
    tasks: Mapping[str, DagTask]
    fail_fast: bool

    @classmethod
    def of(cls, spec: Json) -> Dag:
        """Read the entry DAG of a Workflow's spec.

        Raises:
            InvalidSpecError: there is none, or it is not sound.
        """
        entry = spec.get("entrypoint", "")
        found = next((t for t in spec.get("templates") or () if t.get("name") == entry), None)
        if found is None:
            raise InvalidSpecError(f"template name '{entry}' undefined")
        if "dag" not in found:
            raise InvalidSpecError(f"templates.{entry} has no dag: the simulator walks an inline DAG only")
        for one in found["dag"].get("tasks") or ():
            if not isinstance(one.get("templateRef"), dict):
                where = f"templates.{entry}.tasks.{one.get('name', '')}"
                raise InvalidSpecError(f"{where} has no templateRef: the simulator runs referenced templates only")
        return cls.inside(found)

    @classmethod
    def inside(cls, template: Json) -> Dag:
        """Read the DAG of a template.

        Raises:
            InvalidSpecError: it is not sound.
        """
        name = template.get("name", "")
        listed = [_task(name, one) for one in template["dag"].get("tasks") or ()]
        tasks = {task.name: task for task in listed}
        if len(tasks) < len(listed):
            raise InvalidSpecError(f"templates.{name}.tasks name is not unique")
        dag = cls(name, tasks, template["dag"].get("failFast", True) is not False)
        dag._check_order()
        return dag

    def ancestors(self, name: str) -> set[str]:
        """Return the tasks whose outputs a task may use: all that it depends on, directly or not."""
        found: set[str] = set()
        ahead = set(self.tasks[name].depends.names)
        while ahead:
            one = ahead.pop()
            if one not in found:
                found.add(one)
                ahead |= self.tasks[one].depends.names
        return found

    def _check_order(self) -> None:
        for task in self.tasks.values():
            for needed in task.depends.names - self.tasks.keys():
                raise InvalidSpecError(f"templates.{self.template}.tasks.{task.name} dependency '{needed}' not defined")
        done: set[str] = set()
        while len(done) < len(self.tasks):
            ready = {t.name for t in self.tasks.values() if t.name not in done and t.depends.names <= done}
            if not ready:
                rest = ", ".join(name for name in self.tasks if name not in done)
                raise InvalidSpecError(f"templates.{self.template}.tasks dependency cycle among {rest}")
            done |= ready

    def check_references(self, templates: Templates) -> None:
        """Check every templateRef against the WorkflowTemplates that are loaded.

        Raises:
            InvalidSpecError: a template or entry does not exist, or an input without default is not given.
        """
        for task in self.tasks.values():
            where = f"templates.{self.template}.tasks.{task.name}"
            if not templates.known(task.template, task.entry):
                raise InvalidSpecError(f"{where} template reference {task.template}.{task.entry} not found")
            for name in templates.required(task.template, task.entry) - task.arguments.keys():
                raise InvalidSpecError(f"{where} templates.{task.entry} inputs.parameters.{name} was not supplied")

    def leaves(self) -> Iterator[DagTask]:
        """Yield the tasks that nothing depends on: they decide how the DAG ends."""
        needed = {name for task in self.tasks.values() for name in task.depends.names}
        return (task for task in self.tasks.values() if task.name not in needed)

    def result(self, phases: Mapping[str, str]) -> str:
        """Return the DAG's phase for the phases of its nodes: Running, Succeeded, Failed or Error.

        A branch that ends in omitted tasks has the result of what was run before them.
        """
        if "Running" in phases.values() or "Pending" in phases.values():
            return "Running"
        ends = [self._branch(task, phases) for task in self.leaves()]
        broken = next((phase for phase in ends if phase in BROKEN), "")
        if "" in ends and not (broken and self.fail_fast):
            return "Running"
        return broken or "Succeeded"

    def _branch(self, task: DagTask, phases: Mapping[str, str]) -> str:
        phase = phases.get(task.name, "")
        if phase in _SUCCEEDED_RUN or not phase:
            return phase
        before = [self._branch(self.tasks[name], phases) for name in task.depends.names]
        return next((one for one in before if one in BROKEN), "Succeeded")


def arguments_of(holder: Json) -> dict[str, str]:
    """Return the parameters that a task or step hands over."""
    given = (holder.get("arguments") or {}).get("parameters") or ()
    return {parameter["name"]: str(parameter.get("value", "")) for parameter in given}


def _task(entry: str, one: Json) -> DagTask:
    name = one.get("name", "")
    expression = one.get("depends") or " && ".join(one.get("dependencies") or ())
    try:
        depends = parse(expression)
    except DependsError as error:
        raise InvalidSpecError(f"templates.{entry}.tasks.{name} {error}") from error
    return DagTask(name, one, one.get("templateRef") or {}, depends)
