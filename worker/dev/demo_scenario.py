"""The demo's scenario as data: which events are published in which order, and what each has to become.

Scenarios are YAML beside their documents (``scenario/scenario.yaml``), so that the expectation of an event can be
read next to the event, and another one can be given to ``demo --scenario``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

#: What the provider says of a claim that ``demo --fail`` lets fail.
REASON = "told to fail by the demo"
SHIPPED = Path(__file__).with_name("scenario") / "scenario.yaml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Expectation(_Strict):
    """What an event has to become; what is not said is not compared.

    Attributes:
        stored: The stream takes it; ``False`` for a duplicate.
        end: The last word of the ledger about it.
        actions: What the plan does, by component.
        order: Components in the order of their tasks.
        skipped: Components that are passed over.
        errors: JSON paths of errors.
        failing: Components that the errors of a failed run name.
        reason: What the text of one of the errors contains.
        claims: Kinds of claims by component at the end of the step's stage, in the order in which they were made;
            those in one mapping in any order.
        binds: Which component's connection Secret the last claim names in which field.
        dead_letter: Error class under which the original bytes lie in the DLQ.
    """

    stored: bool = True
    disposition: str | None = None
    end: str | None = None
    actions: Mapping[str, str] | None = None
    order: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    reason: str = ""
    claims: tuple[Mapping[str, str], ...] = ()
    binds: Mapping[str, str] = Field(default_factory=dict)
    dead_letter: str | None = Field(default=None, alias="deadLetter")


class Step(_Strict):
    """One event: a document that is published as ``publish`` would, bytes that are sent as they are, or a command.

    Attributes:
        file: Path of the document, relative to the scenario.
        command: Words of a ``platform-worker`` command that publishes one event, such as ``retry``.
        same_id_as: Name of an earlier step whose event id this one takes.
        repaired: Claims that were told to fail become ready from here on.
    """

    name: str
    title: str
    file: str | None = None
    command: tuple[str, ...] = ()
    body: str | None = None
    subject: str | None = None
    same_id_as: str | None = None
    repaired: bool = False
    expect: Expectation

    @model_validator(mode="after")
    def _one_source(self) -> Step:
        given = [self.file is not None, bool(self.command), self.body is not None]
        if sum(given) != 1 or (self.body is None) is not (self.subject is None):
            raise ValueError("give a file, a command, or a body with its subject")
        return self


class Scenario(_Strict):
    """Stages of events; the events of one stage are published together.

    Attributes:
        folder: Where the documents are.
        failing: Components whose claims are told to fail, with the provider's reason.
    """

    stages: tuple[tuple[Step, ...], ...]
    failing: Mapping[str, str] = Field(default_factory=dict)
    folder: Path = SHIPPED.parent

    @property
    def steps(self) -> list[Step]:
        """All steps in order."""
        return [step for stage in self.stages for step in stage]


class ScenarioError(ValueError):
    """The file is no scenario; the text says why."""


def load(path: Path = SHIPPED) -> Scenario:
    """Read a scenario.

    Raises:
        ScenarioError: The file cannot be read, or is no scenario.
    """
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Scenario.model_validate({**document, "folder": path.parent})
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
        raise ScenarioError(
            f"{path} is no scenario: {first['msg']} (at ${where}); see {SHIPPED.parent.name}/{SHIPPED.name}"
        ) from error
    except (OSError, yaml.YAMLError, TypeError) as error:
        raise ScenarioError(f"{path} is no scenario: {' '.join(str(error).split())}") from error


def failure(component: str) -> Scenario:
    """Return the scenario of ``demo --fail COMPONENT``: the reference Application fails there, and a retry ends it.

    Raises:
        ScenarioError: The reference Application has no such component.
    """
    reference = load().steps[0]
    names = reference.expect.actions or {}
    if component not in names:
        raise ScenarioError(f"the reference Application has no component {component!r}; it has {', '.join(names)}")
    failed = Expectation(disposition="accepted", end="failed", actions=names, failing=(component,), reason=REASON)
    retried = Expectation(
        disposition="accepted", end="succeeded", claims=reference.expect.claims, binds=reference.expect.binds
    )
    return Scenario(
        failing={component: REASON},
        stages=(
            (
                reference.model_copy(
                    update={"title": f"The reference Application, {component} fails", "expect": failed}
                ),
            ),
            (
                Step(
                    name="retry",
                    title="A retry, after the cause is gone",
                    command=("retry", "default/test-reference-app", "--reason", "the cause of the failure is gone"),
                    repaired=True,
                    expect=retried,
                ),
            ),
        ),
    )
