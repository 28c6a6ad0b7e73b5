"""What a rule has to say, and the documents that rules look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Json = dict[str, Any]
KINDS = ("Workflow", "WorkflowTemplate")

#: Every rule, with what would happen without it.
RULES = {
    "action": "an action that kubectl does not know fails when the step runs",
    "apply-without-guard": "an object of another owner would be written over",
    "covered-failure": "a run succeeds although what it waited for has failed",
    "deadline": "a step that waits for ever holds its run, and the mutex of its application",
    "decoded-value": "an escape that is decoded in an expression opens a tag, which the next pass expands",
    "delete-without-owner": "an object of another owner would be deleted",
    "depends-bare": "a task would run although the one before was skipped",
    "depends-cycle": "no task of the circle would ever run",
    "depends-mixed": "Argo refuses the whole Workflow",
    "depends-name": "Argo refuses the whole Workflow",
    "depends-syntax": "Argo refuses the whole Workflow",
    "duplicate-name": "one of the two would never be used",
    "expression-syntax": "the run fails with an error of the controller",
    "global-parameter": "a template that is referred to sees only the caller's parameters",
    "manifest": "kubectl refuses the object, or puts it into the wrong namespace",
    "missing-argument": "Argo refuses the whole Workflow, with an error that names neither task nor file",
    "old-ready": "a claim that was ready before counts as changed before anything was changed",
    "output-without-depends": "the controller would wait for the value without an end",
    "owner-reference": "the claim is deleted with its Workflow",
    "raw-value": "a value that ends the line writes YAML of its own",
    "selector-syntax": "the step fails once its object is made",
    "server-side-apply": "fields that are left out stay, or fields of others are taken",
    "skipped-output": "the run fails where the step is skipped",
    "step-kind": "a program would run with what users wrote",
    "surplus-argument": "what is given is dropped without a word",
    "task-name": "Argo refuses the whole Workflow",
    "template-by-parameter": "who sets the parameter runs any template",
    "unknown-field": "a typo is ignored without a word",
    "unknown-output": "the controller would wait for the value without an end",
    "unknown-template": "the run fails at this task",
    "unresolved-placeholder": "the text of the tag becomes the value, or the run never ends",
    "wrong-value": "Argo refuses the object, or reads zero",
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One fault.

    Attributes:
        file: where it is.
        path: place in the document, such as `$.spec.templates[main].dag.tasks[db].depends`.
        rule: name of the rule.
        message: what is wrong, why, and what to write instead.
    """

    file: str
    path: str
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.path}: {self.message} [{self.rule}]"


@dataclass(frozen=True, slots=True)
class Document:
    """One Workflow or WorkflowTemplate.

    Attributes:
        file: name for findings.
        body: as it was read.
        templates: its templates by name; of two with one name the last.
    """

    file: str
    body: Json
    templates: Mapping[str, Json] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Workflow or WorkflowTemplate."""
        return str(self.body.get("kind"))

    @property
    def name(self) -> str:
        """Name of the object."""
        return str((self.body.get("metadata") or {}).get("name"))

    @property
    def spec(self) -> Json:
        """Its spec."""
        spec: Json = self.body.get("spec") or {}
        return spec

    def finding(self, path: str, rule: str, message: str) -> Finding:
        """Return a finding in this document.

        Raises:
            KeyError: there is no such rule.
        """
        RULES[rule]
        return Finding(self.file, path, rule, message)


def read(path: Path) -> list[Document]:
    """Return the Workflows and WorkflowTemplates of a file; other kinds are nobody's business here.

    Raises:
        OSError: it cannot be read.
        yaml.YAMLError: it is not YAML.
    """
    bodies = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    return [document(str(path), body) for body in bodies if isinstance(body, dict) and body.get("kind") in KINDS]


def document(file: str, body: Json) -> Document:
    """Return a document with its templates by name."""
    listed = (body.get("spec") or {}).get("templates") or ()
    return Document(file, body, {str(one.get("name")): one for one in listed})


def inputs(template: Mapping[str, Any]) -> list[Json]:
    """Return the input parameters of a template."""
    return list((template.get("inputs") or {}).get("parameters") or ())


def outputs(template: Mapping[str, Any]) -> list[Json]:
    """Return the output parameters of a template."""
    return list((template.get("outputs") or {}).get("parameters") or ())


def tasks(template: Mapping[str, Any]) -> list[Json]:
    """Return the tasks of a DAG; none of another template."""
    return list((template.get("dag") or {}).get("tasks") or ())


def names(parameters: Sequence[Json]) -> list[str]:
    """Return the names of parameters."""
    return [str(one.get("name")) for one in parameters]


def strings(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Yield every text within a value, with its place; named entries of lists are called by their names."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from strings(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            place = inner.get("name", index) if isinstance(inner, Mapping) else index
            yield from strings(inner, f"{path}[{place}]")
