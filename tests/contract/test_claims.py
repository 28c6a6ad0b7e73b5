"""Whatever the contract lets through, the claim takes: no event is accepted whose run must fail for its values.

Properties are made from the contract's own JSON Schemas, so the values lie at the edge of what it allows. They go the
whole way: event, decision, parameters, the steps of the WorkflowTemplate, claim; the claim is judged by its published
schema as the API server judges it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from contracts.components import PROPERTIES
from contracts.components.forms import GITHUB_OWNER
from contracts.fields import DNS_LABEL, DNS_SUBDOMAIN
from contracts.names import InboundType, Label, oam_subject
from contracts.templates import MAIN
from tests.contract.claim_judge import complaints
from tests.contract.library import schema
from tests.contract.values import matching, values_of_properties
from tests.workflows.library import PROVIDED
from tests.workflows.rehearsal import rehearse
from worker.domain.decide import Launch, Settle, decide
from worker.domain.decode import decode
from worker.domain.events import Delivery, Event, InboundMessage
from worker.domain.handlers import handler_for
from worker.domain.model import Task
from worker.domain.record import Record
from worker.outbound.workflow_text import literal

THOROUGH = os.environ.get("PLATFORM_TEST_PROFILE") == "thorough"
#: A walk through a template's steps takes a twentieth of a second.
SEARCH = settings(
    max_examples=500 if THOROUGH else 25,
    deadline=None,
    derandomize=not THOROUGH,
    # A failure of the short search is shown at once; the thorough one takes the time to make it small.
    phases=list(Phase) if THOROUGH else [Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
#: Names that a reference can lead to: siblings, words, a platform of others, nothing.
SIBLINGS = [
    {"name": "db", "type": "postgresql"},
    {"name": "cache", "type": "redis"},
    {"name": "rt", "type": "realtime-platform"},
]
_PLATFORMS = st.sampled_from(["rt", "rt", "none", "of-others", ""])
REFERENCES = {
    "database": st.sampled_from(["db", "db", "none", "postgres", "postgresql", "mysql", "mongodb", "redis", ""]),
    "cache": st.sampled_from(["cache", "cache", "none", "redis", "postgres", ""]),
    "realtime": _PLATFORMS,
    "realtimePlatform": _PLATFORMS,
}
#: Mostly as they should be: what is refused shows nothing.
LABELS = st.one_of(
    st.just(""), matching(DNS_LABEL, 63), matching(DNS_LABEL, 63), st.sampled_from(["Shop_Repo", "a" * 64])
)
OWNERS = st.one_of(st.just(""), matching(GITHUB_OWNER, 39), matching(GITHUB_OWNER, 39), st.sampled_from(["a_b", "-a"]))
CLUSTERS = st.sampled_from([None, None, None, "local", "edge", "", "a" * 63, "prod.eu"])
NAMES = st.one_of(matching(DNS_LABEL, 63), st.sampled_from(["9", "0-a", "a" * 63, "a-" * 31 + "a"]))
APPLICATIONS = st.one_of(matching(DNS_SUBDOMAIN, 80), st.sampled_from(["9lives", "a.b", "a" * 253, "a" * 30 + "--b"]))


def written(kind: str) -> dict[str, list[str]]:
    """Return the properties of a type that reach its claim, as documents write them, and those that are references."""
    model = PROPERTIES[kind]
    fields = [name if name in model.model_fields else f"{name}_" for name in handler_for(kind).mapped_properties(kind)]
    return {
        "mapped": [model.documented(name) for name in fields],
        "references": [*map(model.documented, model.references)],
    }


def wishes(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Nearly all properties of a type that reach its claim, with values at the edge of what the contract allows."""
    names, made = written(kind), values_of_properties(schema("components", kind))
    values = {name: made[name] for name in names["mapped"]} | {name: REFERENCES[name] for name in names["references"]}
    left_out = st.lists(st.sampled_from([*values, "targetEnvironment"]), max_size=3)
    values["targetEnvironment"] = made["targetEnvironment"]
    return st.builds(
        lambda properties, out: {name: value for name, value in properties.items() if name not in out},
        st.fixed_dictionaries(values),
        left_out,
    )


def event(kind: str, properties: Mapping[str, Any], application: str, name: str, labels: Mapping[str, str]) -> Event:
    metadata = {"name": application, "namespace": "shop", "labels": {k: v for k, v in labels.items() if k != "cluster"}}
    spec: dict[str, Any] = {"components": [{"name": name, "type": kind, "properties": properties}, *SIBLINGS]}
    if "cluster" in labels:
        spec["policies"] = [{"type": "topology", "properties": {"clusters": [labels["cluster"]]}}]
    body = {
        "specversion": "1.0",
        "id": "one",
        "source": "urn:test",
        "type": InboundType.APPLICATION_CHANGED,
        "data": {
            "application": {
                "apiVersion": "core.oam.dev/v1beta1",
                "kind": "Application",
                "metadata": metadata,
                "spec": spec,
            }
        },
    }
    place = Delivery("PLATFORM_EVENTS", "2026-01-01T00:00:00Z", 1)
    subject = oam_subject("shop", application)
    found = decode(InboundMessage(subject, {}, json.dumps(body).encode(), place))
    assert isinstance(found, Event)
    return found


def tasks(one: Event) -> tuple[Task, ...]:
    """Return what would be run; nothing if the event is rejected, and then each reason names its place."""
    decision = decide(Record(one.app), one, {}, "default")
    if isinstance(decision, Launch):
        return decision.plan.tasks
    assert isinstance(decision, Settle)
    assert decision.problems
    assert all(problem.path.startswith("$.") and problem.fix for problem in decision.problems), decision.problems
    return ()


async def claims_of(task: Task) -> list[dict[str, Any]]:
    """Return the claims that the task's steps apply."""
    arguments = {name: literal(value, name, task) for name, value in task.parameters.items()}
    arguments |= {name: PROVIDED[name] for name in task.outputs_of}
    found = await rehearse(task.template, MAIN, arguments)
    assert found.phase == "Succeeded", found.message
    return [
        step["object"] for step in found.steps if step["action"] == "apply" and step["object"]["kind"].endswith("Claim")
    ]


@pytest.mark.parametrize("kind", PROPERTIES)
def test_what_the_contract_accepts_the_claim_accepts(kind: str) -> None:
    tried: set[str] = set()

    @SEARCH
    @given(wishes(kind), APPLICATIONS, NAMES, LABELS, OWNERS, CLUSTERS)
    def check(
        properties: dict[str, Any], application: str, name: str, container: str, owner: str, cluster: str | None
    ) -> None:
        if name in {one["name"] for one in SIBLINGS}:
            return
        labels = {str(Label.APP_CONTAINER): container, str(Label.GITHUB_OWNER): owner}
        labels |= {"cluster": cluster} if cluster is not None else {}
        for task in tasks(event(kind, properties, application, name, labels)):
            if task.component == name:
                tried.update(properties)
                for claim in asyncio.run(claims_of(task)):
                    assert not complaints(claim), (properties, labels, claim)

    check()
    assert tried >= {*written(kind)["mapped"], *written(kind)["references"], "targetEnvironment"}


REFUSED = [
    ("camunda-orchestrator", {"sagaPatterns": ["Book a flight"]}, "sagaPatterns[0]"),
    ("camunda-orchestrator", {"sagaPatterns": ["retry", "retry"]}, "sagaPatterns"),
    ("postgresql", {"database": "postgres"}, "database"),
    ("postgresql", {"database": "my db"}, "database"),
    ("postgresql", {"version": "14-alpine"}, "version"),
    ("redis", {"storage": "0Gi"}, "storage"),
    ("neon-postgres", {"region": "us west"}, "region"),
    ("auth0-idp", {"credentialsSecretRef": {"name": "My_Secret"}}, "credentialsSecretRef.name"),
    ("realtime-platform", {"dataRetention": "000d"}, "dataRetention"),
    ("rasa-chatbot", {"rasaImage": "Chat:latest"}, "rasaImage"),
    ("rasa-chatbot", {"maxScale": 0}, "maxScale"),
    ("graphql-platform", {"schemaRefreshInterval": "5m" * 9}, "schemaRefreshInterval"),
    ("graphql-platform", {"customResolvers": [{"name": "a", "endpoint": "ftp://x"}]}, "customResolvers[0].endpoint"),
    ("graphql-platform", {"resources": {"cpu": "0"}}, "resources.cpu"),
    ("identity-service", {"repository": "a/"}, "repository"),
    ("webservice", {"framework": "spring boot"}, "framework"),
    ("webservice-k8s", {"repository": f"https://github.com/a/{'b' * 101}"}, "repository"),
    ("vcluster", {"storageSize": "500Mi"}, "storageSize"),
    ("webservice", {"targetEnvironment": "prod.eu"}, "targetEnvironment"),
]


@pytest.mark.parametrize(("kind", "properties", "where"), REFUSED)
def test_what_no_claim_takes_is_refused_at_its_place(kind: str, properties: dict[str, Any], where: str) -> None:
    decision = decide(Record(event(kind, {}, "a", "b", {}).app), event(kind, properties, "a", "b", {}), {}, "default")
    assert isinstance(decision, Settle)
    assert [p.path for p in decision.problems] == [f"$.data.application.spec.components[0].properties.{where}"]


def test_together_too_much_is_refused_too() -> None:
    for kind, properties in (
        ("rasa-chatbot", {"minScale": 11}),
        ("rasa-chatbot", {"actionsMinScale": 3, "actionsMaxScale": 2}),
        ("realtime-platform", {"iot": False, "enableKafka": False, "enableWebSocket": False}),
    ):
        one = event(kind, properties, "a", "b", {})
        decision = decide(Record(one.app), one, {}, "default")
        assert isinstance(decision, Settle), kind
        assert decision.problems[0].path == "$.data.application.spec.components[0].properties"
