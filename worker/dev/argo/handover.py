"""What templates hand to each other: variables of tasks and steps that ended, and the outputs that go up.

An output of a task that was skipped is its declared default, or None: absent, which an input's default or an
expression's `??` has to handle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from worker.dev.argo.expression import ExpressionError, evaluate, parse
from worker.dev.argo.expression.functions import go_text
from worker.dev.argo.expression_tag import nested
from worker.dev.argo.nodes import ENDED
from worker.dev.argo.processing import inputs_of
from worker.dev.argo.substitution import SubstitutionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from worker.dev.argo.nodes import Json

Scope = dict[str, str | None]
_NOT_RUN = frozenset({"Skipped", "Omitted"})


@dataclass(slots=True)
class Ended:
    """How a node ended."""

    phase: str
    message: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)


def inputs_scope(template: Json) -> Scope:
    """Return the variables of a processed template's inputs."""
    return {f"inputs.parameters.{name}": value for name, value in inputs_of(template).items()}


def outputs_scope(
    kind: str, names: Iterable[str], ends: Mapping[str, Ended], declared: Callable[[str], Mapping[str, Any]]
) -> Scope:
    """Return the variables of tasks or steps that have ended.

    Args:
        kind: `tasks` or `steps`.
        names: which of them may be used.
        ends: how they ended.
        declared: returns the definition of the template that one of them refers to.
    """
    scope: Scope = {}
    for name in names:
        end = ends.get(name)
        if end is None or end.phase not in ENDED:
            continue
        outputs: Mapping[str, str | None] = end.outputs
        if end.phase in _NOT_RUN:
            listed = (declared(name).get("outputs") or {}).get("parameters") or ()
            outputs = {one["name"]: (one.get("valueFrom") or {}).get("default") for one in listed}
        scope[f"{kind}.{name}.status"] = end.phase
        scope |= {f"{kind}.{name}.outputs.parameters.{key}": value for key, value in outputs.items()}
    return scope


def exports(template: Json, scope: Scope) -> dict[str, str]:
    """Return the outputs that a DAG or steps template hands on.

    Raises:
        SubstitutionError: one leads to nothing and has no default.
        ExpressionError: an expression cannot be evaluated and has no default.
    """
    outputs: dict[str, str] = {}
    for one in (template.get("outputs") or {}).get("parameters") or ():
        source = one.get("valueFrom")
        if not source:
            raise SubstitutionError("output parameters must have a valueFrom specified")
        value = _resolved(source, scope)
        if value is None:
            value = source.get("default")
        if value is None:
            raise SubstitutionError(f'output parameter "{one["name"]}": {source} leads to nothing, and has no default')
        outputs[one["name"]] = go_text(value)
    return outputs


def _resolved(source: Json, scope: Scope) -> Any:
    if "expression" in source:
        try:
            return evaluate(parse(source["expression"]), nested(scope))
        except ExpressionError:
            if "default" in source:
                return None
            raise
    tag = str(source.get("parameter", "")).removeprefix("{{").removesuffix("}}").strip()
    if tag not in scope and "default" not in source:
        raise SubstitutionError(f'Unable to resolve: "{tag}"')
    return scope.get(tag)


def without_absent(arguments: Json, scope: Scope) -> Json:
    """Return arguments with None in place of those that are nothing but an absent output."""
    listed = []
    for one in arguments.get("parameters") or ():
        text = one.get("value")
        pure = isinstance(text, str) and text.startswith("{{") and text.endswith("}}")
        name = text[2:-2].strip() if pure else ""
        listed.append({**one, "value": None} if name in scope and scope[name] is None else one)
    return {**arguments, "parameters": listed}
