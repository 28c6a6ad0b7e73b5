"""The tables of the platform agree with each other: types, property models, handlers, template interfaces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from contracts.components import PROPERTIES
from contracts.templates import TEMPLATES
from worker.domain.classify import TYPES, explain_unknown
from worker.domain.events import EventKind, Settings
from worker.domain.handlers import (
    HANDLERS,
    CompositionalHandler,
    FoundationalHandler,
    HandlerContext,
    InfrastructuralHandler,
    PatternHandler,
    handler_for,
)
from worker.domain.model import ComponentSpec, Identity, OutputOf, Pattern, Task
from worker.domain.orchestrator import ORCHESTRATOR
from worker.domain.record import Record
from worker.domain.references import outputs_for

from .build import APP, INSTANCE, component, event, finished, launch

EXPECTED = {
    "neon-postgres": (3, "pattern3-provider-workflow"),
    "auth0-idp": (3, "pattern3-provider-workflow"),
    "postgresql": (3, "pattern3-infrastructure-workflow"),
    "mongodb": (3, "pattern3-infrastructure-workflow"),
    "redis": (3, "pattern3-infrastructure-workflow"),
    "kafka": (3, "pattern3-infrastructure-workflow"),
    "clickhouse": (3, "pattern3-infrastructure-workflow"),
    "realtime-platform": (3, "realtime-platform-workflow"),
    "camunda-orchestrator": (3, "orchestration-workflow"),
    "rasa-chatbot": (2, "pattern2-compositional-workflow"),
    "graphql-gateway": (2, "pattern2-compositional-workflow"),
    "graphql-platform": (2, "pattern2-compositional-workflow"),
    "identity-service": (2, "pattern2-compositional-workflow"),
    "webservice": (1, "pattern1-foundational-workflow"),
    "webservice-k8s": (1, "pattern1-foundational-workflow"),
    "vcluster": (1, "vcluster-workflow"),
}
HANDLER_OF = {3: InfrastructuralHandler, 2: CompositionalHandler, 1: FoundationalHandler}

#: A value for each property that a handler maps, chosen so that it differs from every default.
GIVEN: dict[str, dict[str, Any]] = {
    "neon-postgres": {
        "credentialsSecretRef": {"name": "neon"},
        "serviceBinding": False,
        "externalSecrets": True,
        "database": "orders",
        "region": "eu",
        "computeSize": 2,
    },
    "auth0-idp": {"credentialsSecret": "auth0", "serviceBinding": False, "externalSecrets": True},
    **{
        kind: {
            "size": "large",
            "version": 15,
            "replicas": 3,
            "highAvailability": True,
            "backupEnabled": True,
            "monitoring": False,
            "database": "orders",
            "storage": "20Gi",
        }
        for kind in ("postgresql", "mongodb", "redis", "kafka", "clickhouse")
    },
    "realtime-platform": {
        "database": "mysql",
        "visualization": "grafana",
        "iot": False,
        "dataRetention": "30d",
        "enableKafka": False,
        "enableMQTT": True,
        "enableWebSocket": False,
    },
    "camunda-orchestrator": {
        "camundaMode": "remote",
        "enableUI": False,
        "enableEventStreaming": False,
        "sagaPatterns": ["retry"],
    },
    "rasa-chatbot": {
        "nluPipeline": "x",
        "policies": "y",
        "languageModel": "z",
        "trainingData": "t",
        "rasaImage": "r",
        "actionsImage": "a",
        "minScale": 1,
        "maxScale": 2,
        "actionsMinScale": 1,
        "actionsMaxScale": 2,
        "enableIstioGateway": True,
        "chatbotHost": "h",
        "enableTLS": True,
    },
    "graphql-gateway": {
        "federationServices": ["a"],
        "introspection": True,
        "playground": False,
        "autoDiscovery": False,
        "apiVersion": "v2",
        "serviceSelector": {"a": "b"},
        "autoSchema": False,
        "schemaRefreshInterval": "1m",
        "configMapName": "c",
    },
    "graphql-platform": {
        "serviceSelector": {"a": "b"},
        "autoSchema": False,
        "schemaRefreshInterval": "1m",
        "exposeIntrospection": True,
        "enableConsole": False,
        "enableAllowList": True,
        "customResolvers": [{"name": "r", "endpoint": "http://r"}],
        "resources": {"cpu": "1"},
    },
    "identity-service": {
        "domain": "financial",
        "database": "postgresql",
        "cache": "redis",
        "authProvider": "auth0",
        "complianceLevel": "high",
        "mfa": False,
        "audit": False,
        "repository": "r",
        "customProfiles": ["p"],
        "additionalIntegrations": ["i"],
        "javaVersion": "21",
        "springBootVersion": "3.2.0",
    },
    "webservice": {
        "language": "python",
        "framework": "flask",
        "repository": "r",
        "exposeApi": True,
        "platform": "kubernetes",
    },
    "webservice-k8s": {"language": "go", "framework": "fiber", "repository": "r", "exposeApi": True},
    "vcluster": {"size": "large", "expose": False, "storageSize": "20Gi", "values": {"a": 1}},
}


def every_task() -> Iterator[Task]:
    """Both entries of all 16 types, with nothing given and with everything given."""
    labels = Settings(app_container="mono", github_owner="me", delete=("*",), cluster="edge", source="oam-driven")
    for given in ({}, GIVEN):
        parts = [component(f"c-{i}", kind, **given.get(kind, {})) for i, kind in enumerate(TYPES)]
        applied = launch(Record(APP), event(1, *parts, settings=labels))
        yield from applied.plan.tasks
        deleted = event(2, *parts, kind=EventKind.DELETED, settings=labels)
        yield from launch(finished(applied), deleted).plan.tasks


TASKS = list(every_task())


def test_all_types_are_classified_as_the_design_says() -> None:
    assert {name: (int(row.pattern), row.template) for name, row in TYPES.items()} == EXPECTED
    assert set(PROPERTIES) == set(TYPES)


@pytest.mark.parametrize("kind", TYPES)
def test_exactly_the_handler_of_its_pattern_takes_a_type(kind: str) -> None:
    taking = [handler for handler in HANDLERS if handler.can_handle(kind)]
    assert [type(handler) for handler in taking] == [HANDLER_OF[EXPECTED[kind][0]]]
    assert handler_for(kind) is ORCHESTRATOR.get_handler(kind) is taking[0]
    assert taking[0].get_workflow_name(ComponentSpec(Identity("x", kind))) == EXPECTED[kind][1]


def test_no_handler_takes_an_unknown_type() -> None:
    assert not any(handler.can_handle("postgress") for handler in HANDLERS)
    with pytest.raises(LookupError, match="postgress"):
        ORCHESTRATOR.get_handler("postgress")


def test_only_three_patterns_exist() -> None:
    assert {type(handler).pattern for handler in HANDLERS} == set(Pattern)
    with pytest.raises(TypeError, match="abstract"):
        PatternHandler()  # type: ignore[abstract]


@pytest.mark.parametrize("kind", TYPES)
def test_references_are_those_of_the_property_model(kind: str) -> None:
    assert set(PROPERTIES[kind].references) == {name for name, _ in TYPES[kind].references}


@pytest.mark.parametrize("kind", TYPES)
def test_every_mapped_property_reaches_the_stored_inputs(kind: str) -> None:
    tasks = [t for t in TASKS if t.identity.type == kind and t.entry == "main"]
    with_nothing, with_all = tasks
    mapped = set(handler_for(kind).mapped_properties(kind))
    record = launch(Record(APP), event(1, component("c", kind, **GIVEN[kind]))).record
    assert set(record.components[0].spec.inputs) == mapped
    assert with_nothing.digest != with_all.digest


@pytest.mark.parametrize("task", TASKS, ids=lambda t: f"{t.identity.type}-{t.entry}")
def test_parameters_are_declared_and_required_ones_are_there(task: Task) -> None:
    template = TEMPLATES[task.template]
    given = {**task.parameters, **task.outputs_of}
    assert task.entry in template.entries
    assert set(given) <= set(template.inputs)
    assert {name for name, one in template.inputs.items() if one.required} <= set(given)
    assert all(isinstance(value, str) for value in task.parameters.values())
    for source in task.outputs_of.values():
        provider = next(t for t in TASKS if t.name == source.task)
        assert source.output in TEMPLATES[provider.template].outputs


@pytest.mark.parametrize("kind", TYPES)
def test_given_values_arrive_as_parameters(kind: str) -> None:
    bare, full = ({**t.parameters} for t in TASKS if t.identity.type == kind and t.entry == "main")
    handler = handler_for(kind)
    if isinstance(handler, CompositionalHandler):
        assert bare["settings"] == "{}"
        assert full["settings"] != "{}"
        return
    for parameter in handler.mapped[kind].values():
        assert parameter not in bare or bare[parameter] != full[parameter]
        assert (
            full[parameter]
            != TEMPLATES[handler.get_workflow_name(ComponentSpec(Identity("x", kind)))].inputs[parameter].default
        )


@pytest.mark.parametrize("kind", TYPES)
def test_references_fill_declared_inputs_from_outputs_of_every_provider(kind: str) -> None:
    row = TYPES[kind]
    for name, provides in row.references:
        for parameter, output in outputs_for(name, provides).items():
            assert parameter in TEMPLATES[row.template].inputs
            providers = [other for other in TYPES.values() if other.provides is provides]
            assert providers
            for provider in providers:
                assert output in TEMPLATES[provider.template].outputs


def test_unknown_types_are_explained() -> None:
    assert "did you mean postgresql" in explain_unknown("postgresq")
    assert "the known types are" in explain_unknown("zzz")
    assert "removed from the platform" in explain_unknown("application-infrastructure")
    assert "camunda-orchestrator" in explain_unknown("orchestration-platform")


def test_a_handler_leaves_undeclared_properties_behind() -> None:
    spec = (
        launch(Record(APP), event(1, component("api", "webservice", image="nginx", port=80, language="go")))
        .record.components[0]
        .spec
    )
    assert dict(spec.inputs) == {"language": "go"}
    context = HandlerContext(
        INSTANCE, APP, "orders-1-1-abcdefabcd", provided={"database_secret": OutputOf("c-db", "x")}
    )
    params = handler_for("webservice").prepare_workflow_params(spec, context)
    assert params["database_secret"] == OutputOf("c-db", "x")
    assert params["template_repo"] == "go-gin-template"
    assert "nginx" not in str(params)


def test_the_orchestrator_narrates_in_order() -> None:
    parts = [
        component("api", "webservice", database="db"),
        component("gw", "graphql-gateway"),
        component("db", "redis"),
    ]
    parts[2] = component("db", "postgresql")
    first = launch(Record(APP), event(1, *parts))
    assert list(ORCHESTRATOR.narrate(first.plan)) == [
        "Processing pattern 3: postgresql",
        "Processing pattern 2: graphql-gateway",
        "Processing pattern 1: webservice",
    ]
    smaller = launch(finished(first), event(2, parts[2]))
    assert list(ORCHESTRATOR.narrate(smaller.plan)) == [
        "Processing pattern 3: postgresql",
        "Removing pattern 1: webservice",
        "Removing pattern 2: graphql-gateway",
    ]
