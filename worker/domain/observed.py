"""A Workflow as the cluster shows it, reduced to what decisions need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ObservedNode:
    """One task's node.

    Attributes:
        phase: Argo's node phase: ``Pending``, ``Running``, ``Succeeded``, ``Failed``, ``Error``, ``Omitted``, …
        outputs: Output parameters by name.
    """

    phase: str
    message: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObservedRun:
    """One Workflow.

    Attributes:
        namespace, application: The application it was made for, from its labels and annotations.
        phase: Argo's workflow phase, ``""`` while the controller has not seen it.
        nodes: Nodes by DAG task name (``displayName``); the DAG's own node is not in it.
        finished: Argo says that it is over (label ``workflows.argoproj.io/completed``, or a final phase and
            ``finishedAt``).
        superseded_by: Value of the annotation that our stop wrote, ``""`` if somebody else stopped it.
        created_at: Creation time in seconds since the epoch.
    """

    name: str
    namespace: str
    application: str
    delivery: str = ""
    phase: str = ""
    message: str = ""
    suspended: bool = False
    shutdown: str = ""
    finished: bool = False
    superseded_by: str = ""
    nodes: Mapping[str, ObservedNode] = field(default_factory=dict)
    created_at: float = 0.0
    finished_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A Workflow as it is now."""

    run: ObservedRun


@dataclass(frozen=True, slots=True)
class Gone:
    """A Workflow was deleted; ``run`` is how it was seen last."""

    run: ObservedRun


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of all Workflows is complete: one that was there before it began, and is not in ``names``, is gone."""

    names: frozenset[str]


#: What a watch tells.
Delta = Seen | Gone | Listed
