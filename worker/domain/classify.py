"""The 3/2/1 rule: which pattern, and so which place in the order and which WorkflowTemplate, a component type has.

One row per type: adding a type is adding a row here, a property model in ``contracts/components`` and its inputs in
``handlers``.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import StrEnum

from worker.domain.model import Pattern


class Provides(StrEnum):
    """What other components can get from a component by reference."""

    DATABASE = "database"
    CACHE = "cache"
    REALTIME = "realtime"


@dataclass(frozen=True, slots=True)
class ComponentType:
    """One row of the component table.

    Attributes:
        template: WorkflowTemplate that provisions it (``main``) and takes it away (``teardown``).
        provides: What it can be referenced as.
        references: Properties that may name another component, with what that component must provide.
        retained: A component that is not wanted any more stays unless its removal is asked for: it holds data.
    """

    name: str
    pattern: Pattern
    template: str
    provides: Provides | None = None
    references: tuple[tuple[str, Provides], ...] = ()
    retained: bool = False


PROVIDER_TEMPLATE = "pattern3-provider-workflow"
INFRASTRUCTURE_TEMPLATE = "pattern3-infrastructure-workflow"
COMPOSITIONAL_TEMPLATE = "pattern2-compositional-workflow"
FOUNDATIONAL_TEMPLATE = "pattern1-foundational-workflow"

_P3, _P2, _P1 = Pattern.INFRASTRUCTURAL, Pattern.COMPOSITIONAL, Pattern.FOUNDATIONAL
_SERVICE_REFERENCES = (("database", Provides.DATABASE), ("cache", Provides.CACHE), ("realtime", Provides.REALTIME))

TYPES: dict[str, ComponentType] = {
    row.name: row
    for row in (
        ComponentType("neon-postgres", _P3, PROVIDER_TEMPLATE, Provides.DATABASE, retained=True),
        ComponentType("auth0-idp", _P3, PROVIDER_TEMPLATE, retained=True),
        ComponentType("postgresql", _P3, INFRASTRUCTURE_TEMPLATE, Provides.DATABASE, retained=True),
        ComponentType("mongodb", _P3, INFRASTRUCTURE_TEMPLATE, Provides.DATABASE, retained=True),
        ComponentType("redis", _P3, INFRASTRUCTURE_TEMPLATE, Provides.CACHE, retained=True),
        ComponentType("kafka", _P3, INFRASTRUCTURE_TEMPLATE, retained=True),
        ComponentType("clickhouse", _P3, INFRASTRUCTURE_TEMPLATE, Provides.DATABASE, retained=True),
        ComponentType("realtime-platform", _P3, "realtime-platform-workflow", Provides.REALTIME, retained=True),
        ComponentType(
            "camunda-orchestrator",
            _P3,
            "orchestration-workflow",
            references=(("realtime_platform", Provides.REALTIME),),
            retained=True,
        ),
        ComponentType("rasa-chatbot", _P2, COMPOSITIONAL_TEMPLATE, references=_SERVICE_REFERENCES),
        ComponentType("graphql-gateway", _P2, COMPOSITIONAL_TEMPLATE, references=_SERVICE_REFERENCES),
        ComponentType("graphql-platform", _P2, COMPOSITIONAL_TEMPLATE),
        ComponentType("identity-service", _P2, COMPOSITIONAL_TEMPLATE),
        ComponentType("webservice", _P1, FOUNDATIONAL_TEMPLATE, references=_SERVICE_REFERENCES),
        ComponentType("webservice-k8s", _P1, FOUNDATIONAL_TEMPLATE, references=_SERVICE_REFERENCES),
        ComponentType("vcluster", _P1, "vcluster-workflow", retained=True),
    )
}

#: Names that look like component types and are not, with what to do instead.
NOT_COMPONENTS = {
    "application-infrastructure": "it was removed from the platform: list the components that it stood for one by one",
    "orchestration-platform": "it is the claim behind camunda-orchestrator: use the type camunda-orchestrator",
}


def explain_unknown(type_name: str) -> str:
    """Return what to do about an unknown component type, with the nearest known names."""
    if type_name in NOT_COMPONENTS:
        return NOT_COMPONENTS[type_name]
    near = difflib.get_close_matches(type_name, TYPES, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(near) + "?"
    return "the known types are " + ", ".join(sorted(TYPES))
