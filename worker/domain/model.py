"""The vocabulary of planning: components that are wanted, and the tasks that make them so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any


class Pattern(IntEnum):
    """How a component is provisioned; higher patterns first, because lower ones use what they make."""

    FOUNDATIONAL = 1
    COMPOSITIONAL = 2
    INFRASTRUCTURAL = 3


class Action(StrEnum):
    """What a plan does with one component."""

    CREATE = "create"
    CHANGE = "change"
    REMOVE = "remove"
    RETAIN = "retain"


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """What makes a component the same component: another type or target is another one.

    Attributes:
        target: Name of the vCluster that it runs in; ``""`` is the host.
    """

    name: str
    type: str
    target: str = ""

    def __str__(self) -> str:
        where = f" in {self.target}" if self.target else ""
        return f"{self.name} ({self.type}{where})"


class ReferenceKind(StrEnum):
    """Where the value behind a reference comes from."""

    SIBLING = "sibling"
    """A component of the same application."""
    FOREIGN = "foreign"
    """A component of another application of the same namespace."""
    LITERAL = "literal"
    """A word that the platform knows, such as ``postgres`` or ``none``."""
    EXTERNAL = "external"
    """A realtime platform that this worker does not manage."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A resolved reference of a component, for example its ``database``."""

    kind: ReferenceKind
    name: str
    app: str = ""


@dataclass(frozen=True, slots=True)
class ComponentSpec:
    """A wanted component, normalised: only declared, secret-free input; safe to store and to show.

    Attributes:
        inputs: The user's own values that the type's handler maps to parameters, by property name; without defaults.
        references: Resolved references by property name.
        depends_on: Names of sibling components that must be provisioned first, besides references.
    """

    identity: Identity
    inputs: Mapping[str, Any] = field(default_factory=dict)
    references: Mapping[str, Reference] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the component."""
        return self.identity.name

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of all siblings that must come first, each once, in a stable order."""
        siblings = (ref.name for ref in self.references.values() if ref.kind is ReferenceKind.SIBLING)
        return tuple(dict.fromkeys((*siblings, *self.depends_on)))


@dataclass(frozen=True, slots=True)
class OutputOf:
    """A parameter value that another task of the same run will produce."""

    task: str
    output: str


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a run: one component, one WorkflowTemplate, one entry template.

    Attributes:
        name: Name inside the DAG; starts with a letter, unique in the run.
        action: ``create``, ``change`` or ``remove``.
        entry: ``main`` or ``teardown``.
        depends_on: Names of tasks that must have succeeded.
        parameters: Literal parameter values by name; no secrets, but perhaps hostile text: it is escaped only when the
            Workflow is built.
        outputs_of: Parameters whose values other tasks produce.
        digest: Digest of the user's input that this task applies; ``""`` for removals.
        reason: Why the task is in the plan, for people.
    """

    name: str
    identity: Identity
    pattern: Pattern
    action: Action
    template: str
    entry: str
    depends_on: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs_of: Mapping[str, OutputOf] = field(default_factory=dict)
    digest: str = ""
    reason: str = ""

    @property
    def component(self) -> str:
        """Name of the component."""
        return self.identity.name


@dataclass(frozen=True, slots=True)
class Problem:
    """One error in the desired state, in the words of the contract: what, where, why, and the fix."""

    code: str
    message: str
    path: str
    component: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A component of an Application that is not this platform's business."""

    component: str
    type: str
    reason: str


@dataclass(frozen=True, slots=True)
class Retained:
    """A component that is not wanted any more but stays, and why."""

    identity: Identity
    pattern: Pattern
    reason: str
