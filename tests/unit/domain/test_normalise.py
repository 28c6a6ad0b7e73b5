"""From what was written to what can be planned: unknown types, properties, references, dependencies, targets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from contracts.fields import MAX_COMPONENTS
from worker.domain.events import AppKey, DesiredComponent, Event, EventKind, Settings
from worker.domain.model import Identity, Reference, ReferenceKind
from worker.domain.normalise import Normalised, needs_neighbours, normalise
from worker.domain.record import Record, State

from .build import APP, applied, component, event, launch

OTHER = AppKey("shop", "billing")
THIRD = AppKey("shop", "ledger")
API = component("api", "webservice", database="db", cache="cache", realtime="rt")


def read(one: Event, record: Record | None = None, **neighbours: Record) -> Normalised:
    return normalise(one, record or Record(APP), neighbours)


def codes(found: Normalised) -> list[str]:
    return [problem.code for problem in found.problems]


def reference(value: str, prop: str = "database", *siblings: DesiredComponent, **neighbours: Record) -> Normalised:
    return read(event(1, component("api", "webservice", **{prop: value}), *siblings), None, **neighbours)


class TestUnknownTypes:
    def test_an_application_may_have_components_of_others(self) -> None:
        found = read(event(1, component("db", "postgresq"), component("x", "helm")))
        assert [(s.component, s.type) for s in found.skipped] == [("db", "postgresq"), ("x", "helm")]
        assert "did you mean postgresql" in found.skipped[0].reason
        assert len(found.warnings) == 2
        assert not found.problems
        assert not found.specs

    def test_a_typo_in_the_type_of_an_applied_component_is_an_error(self) -> None:
        found = read(event(2, component("db", "postgresq")), applied(component("db", "postgresql")))
        assert codes(found) == ["unknown-type"]
        assert found.problems[0].path == "$.data.application.spec.components[0].type"
        assert "did you mean postgresql" in found.problems[0].fix
        assert "must not tear it down" in found.problems[0].message

    def test_the_name_of_a_retained_component_may_be_used_by_others(self) -> None:
        record = applied(component("db", "postgresql"))
        kept = replace(record.components[0], wanted=False, state=State.RETAINED)
        assert not read(event(2, component("db", "helm")), replace(record, components=(kept,))).problems

    def test_a_request_for_an_unknown_type_is_an_error(self) -> None:
        assert codes(read(event(1, component("db", "postgresq"), kind=EventKind.REQUESTED))) == ["unknown-type"]

    @pytest.mark.parametrize("kind", ["application-infrastructure", "orchestration-platform"])
    def test_names_that_are_no_components_are_told_so(self, kind: str) -> None:
        found = read(event(1, component("x", kind)))
        assert found.skipped
        assert "did you mean" not in found.skipped[0].reason
        assert codes(read(event(1, component("x", kind), kind=EventKind.REQUESTED))) == ["unknown-type"]


class TestProperties:
    def test_wrong_values_are_all_reported_with_their_place(self) -> None:
        found = read(event(1, component("a", "postgresql", size="huge"), component("b", "redis", replicas="two")))
        assert [p.path for p in found.problems] == [
            "$.data.application.spec.components[0].properties.size",
            "$.data.application.spec.components[1].properties.replicas",
        ]
        assert [p.component for p in found.problems] == ["a", "b"]

    def test_credentials_are_refused_with_the_way_out(self) -> None:
        found = read(event(1, component("n", "neon-postgres", credentials={"password": "hunter2"})))
        assert codes(found) == ["secret-value"]
        assert "credentialsSecretRef" in found.problems[0].fix
        assert "hunter2" not in str(found)

    @pytest.mark.parametrize(
        ("kind", "properties"),
        [
            ("postgresql", {"auth": {"password": "hunter2", "username": "u"}}),
            ("mongodb", {"rootPassword": "hunter2"}),
            ("realtime-platform", {"mqttUsers": [{"username": "u", "password": "hunter2"}]}),
        ],
    )
    def test_marked_secrets_are_dropped_with_a_warning(self, kind: str, properties: dict[str, Any]) -> None:
        found = read(event(1, component("x", kind, **properties)))
        assert not found.problems
        assert "is a secret and was ignored" in found.warnings[0]
        assert "hunter2" not in str(found)

    def test_only_mapped_properties_are_kept(self) -> None:
        spec = read(event(1, component("a", "webservice", image="i", port=8080, language="go", exposeApi=True))).specs[
            0
        ]
        assert dict(spec.inputs) == {"language": "go", "expose_api": True}

    def test_too_many_components(self) -> None:
        many = [component(f"c{i}", "redis") for i in range(MAX_COMPONENTS + 1)]
        assert codes(read(event(1, *many))) == ["too-many-components"]
        assert not read(event(1, *many[1:])).problems


class TestIdentity:
    @pytest.mark.parametrize(
        ("written", "cluster", "target"),
        [
            (None, "", ""),
            ("edge", "", "edge"),
            (None, "north", "north"),
            ("edge", "north", "edge"),
            ("local", "north", ""),
            (None, "local", ""),
        ],
    )
    def test_target(self, written: str | None, cluster: str, target: str) -> None:
        properties = {"targetEnvironment": written} if written else {}
        one = event(1, component("db", "redis", **properties), settings=Settings(cluster=cluster))
        assert read(one).specs[0].identity == Identity("db", "redis", target)

    @pytest.mark.parametrize("cluster", ["prod.eu", "Prod", "a" * 64, "{{workflow.uid}}"])
    def test_a_cluster_that_is_no_vclusters_name(self, cluster: str) -> None:
        """KubeVela may know it; only what this platform puts there is refused."""
        one = event(1, component("db", "redis"), component("x", "helm"), settings=Settings(cluster=cluster))
        [problem] = read(one).problems
        assert (problem.code, problem.component) == ("bad-format", "db")
        assert problem.path == "$.data.application.spec.policies"
        elsewhere = component("db", "redis", targetEnvironment="edge")
        assert not read(event(1, elsewhere, settings=Settings(cluster=cluster))).problems
        assert not read(event(1, component("x", "helm"), settings=Settings(cluster=cluster))).problems


class TestLabels:
    @pytest.mark.parametrize(
        ("label", "field", "value"),
        [("app-container", "app_container", "Shop_Repo"), ("github-owner", "github_owner", "a" * 40)],
    )
    def test_a_label_that_no_claim_takes_is_refused_where_it_is_used(self, label: str, field: str, value: str) -> None:
        settings = Settings(**{field: value})  # type: ignore[arg-type]
        [problem] = read(event(1, component("api", "webservice", language="go"), settings=settings)).problems
        assert (problem.code, problem.component) == ("bad-format", "api")
        assert problem.path == f'$.data.application.metadata.labels["{label}"]'
        for unused in (component("db", "redis"), component("v", "vcluster"), component("g", "graphql-platform")):
            assert not read(event(1, unused, settings=settings)).problems

    def test_the_monorepo_is_needed_for_a_repository_only(self) -> None:
        settings = Settings(app_container="Shop_Repo")
        assert not read(event(1, component("api", "webservice", image="i"), settings=settings)).problems
        for user in (component("rt", "realtime-platform"), component("id", "identity-service")):
            assert codes(read(event(1, user, settings=settings))) == ["bad-format"]


class TestReferences:
    @pytest.mark.parametrize(
        ("prop", "kind"), [("database", "postgresql"), ("cache", "redis"), ("realtime", "realtime-platform")]
    )
    def test_a_sibling(self, prop: str, kind: str) -> None:
        spec = reference("it", prop, component("it", kind)).specs[0]
        assert spec.references == {prop: Reference(ReferenceKind.SIBLING, "it")}
        assert spec.needs == ("it",)

    def test_camundas_realtime_platform(self) -> None:
        parts = [component("c", "camunda-orchestrator", realtimePlatform="rt"), component("rt", "realtime-platform")]
        assert read(event(1, *parts)).specs[0].references == {
            "realtime_platform": Reference(ReferenceKind.SIBLING, "rt")
        }

    def test_a_sibling_wins_over_a_literal(self) -> None:
        found = reference("postgres", "database", component("postgres", "postgresql"))
        assert found.specs[0].references["database"].kind is ReferenceKind.SIBLING

    def test_its_own_applications_name_may_be_written(self) -> None:
        found = reference("orders/db", "database", component("db", "postgresql"))
        assert found.specs[0].references["database"] == Reference(ReferenceKind.SIBLING, "db")

    def test_a_sibling_of_the_wrong_kind(self) -> None:
        found = reference("db", "database", component("db", "redis"))
        assert codes(found) == ["wrong-kind"]
        assert found.problems[0].path.endswith("components[0].properties.database")
        assert "postgresql" in found.problems[0].fix

    def test_a_sibling_of_an_unknown_type_provides_nothing(self) -> None:
        assert codes(reference("db", "database", component("db", "helm"))) == ["wrong-kind"]

    def test_itself(self) -> None:
        assert codes(reference("api")) == ["self-reference"]

    @pytest.mark.parametrize("word", ["postgres", "postgresql", "mysql", "mongodb", "none", "Postgres"])
    def test_a_literal(self, word: str) -> None:
        spec = reference(word).specs[0]
        assert spec.references == {"database": Reference(ReferenceKind.LITERAL, word.lower())}
        assert spec.needs == ()

    @pytest.mark.parametrize(
        ("prop", "word", "made"),
        [
            ("database", "postgres", True),
            ("database", "PostgreSQL", True),
            ("cache", "redis", True),
            ("database", "mysql", False),
            ("database", "redis", False),
            ("cache", "postgres", False),
        ],
    )
    def test_a_literal_that_nothing_is_made_for_is_told_and_asks_the_claim_for_nothing(
        self, prop: str, word: str, made: bool
    ) -> None:
        found = reference(word, prop)
        assert not found.problems
        assert any("add a component of type" in warning for warning in found.warnings) != made
        task = launch(Record(APP), event(1, component("api", "webservice", **{prop: word}))).plan.tasks[0]
        assert task.parameters[prop] == (word.lower() if made else "none")

    @pytest.mark.parametrize(("word", "warned"), [("none", False), ("postgres", True)])
    def test_nothing_comes_along_with_services_of_pattern_2(self, word: str, warned: bool) -> None:
        found = read(event(1, component("chat", "rasa-chatbot", database=word)))
        assert not found.problems
        assert bool(found.warnings) == warned

    def test_a_literal_is_not_taken_over_by_a_neighbours_naming(self) -> None:
        theirs = applied(component("postgres", "postgresql"), app=OTHER)
        assert reference("postgres", billing=theirs).specs[0].references["database"].kind is ReferenceKind.LITERAL
        explicit = reference("billing/postgres", billing=theirs).specs[0].references["database"]
        assert explicit == Reference(ReferenceKind.FOREIGN, "postgres", "billing")

    @pytest.mark.parametrize("value", ["db", "billing/db"])
    def test_a_component_of_another_application(self, value: str) -> None:
        theirs = applied(component("db", "postgresql"), app=OTHER)
        found = reference(value, billing=theirs)
        assert found.specs[0].references["database"] == Reference(ReferenceKind.FOREIGN, "db", "billing")

    def test_a_bare_name_that_several_applications_have(self) -> None:
        billing, ledger = (applied(component("db", "postgresql"), app=app) for app in (OTHER, THIRD))
        found = reference("db", billing=billing, ledger=ledger)
        assert codes(found) == ["ambiguous-reference"]
        assert "billing/db or ledger/db" in found.problems[0].fix
        assert not reference("ledger/db", billing=billing, ledger=ledger).problems

    def test_other_kinds_do_not_make_a_bare_name_ambiguous(self) -> None:
        billing = applied(component("db", "postgresql"), app=OTHER)
        ledger = applied(component("db", "redis"), app=THIRD)
        assert not reference("db", billing=billing, ledger=ledger).problems
        assert codes(reference("db", ledger=ledger)) == ["wrong-kind"]

    def test_a_component_that_is_being_removed(self) -> None:
        theirs = applied(component("db", "postgresql"), app=OTHER)
        leaving = replace(theirs.components[0], wanted=False, state=State.REMOVING)
        found = reference("billing/db", billing=replace(theirs, components=(leaving,)))
        assert codes(found) == ["reference-being-removed"]

    def test_a_retained_component_can_be_used_if_it_was_ever_provided(self) -> None:
        theirs = applied(component("db", "postgresql"), app=OTHER)
        kept = replace(theirs.components[0], wanted=False, state=State.RETAINED)
        assert not reference("billing/db", billing=replace(theirs, components=(kept,))).problems
        never = replace(kept, outputs={})
        assert codes(reference("billing/db", billing=replace(theirs, components=(never,)))) == [
            "reference-being-removed"
        ]

    def test_an_external_realtime_platform_is_taken_with_a_warning(self) -> None:
        found = reference("kafka-of-others", "realtime")
        assert found.specs[0].references["realtime"] == Reference(ReferenceKind.EXTERNAL, "kafka-of-others")
        assert "outside of this worker" in found.warnings[0]
        assert codes(reference("billing/rt", "realtime")) == ["unresolved-reference"]

    @pytest.mark.parametrize("hostile", ["{{workflow.uid}}", "a b", "http://evil", "A" * 300])
    def test_an_external_platform_needs_a_name_that_can_be_an_address(self, hostile: str) -> None:
        assert codes(reference(hostile, "realtime")) == ["unresolved-reference"]

    def test_did_you_mean(self) -> None:
        found = reference("orders-bd", "database", component("orders-db", "postgresql"))
        assert codes(found) == ["unresolved-reference"]
        assert found.problems[0].fix == "did you mean orders-db?"
        theirs = applied(component("orders-db", "postgresql"), app=OTHER)
        assert "billing/orders-db" in reference("billing/orders-bd", billing=theirs).problems[0].fix
        assert "add a component" in reference("zzz").problems[0].fix

    def test_elsewhere_database_is_no_reference(self) -> None:
        parts = [
            component("id", "identity-service", database="db"),
            component("rt", "realtime-platform", database="mysql"),
        ]
        assert all(not spec.references for spec in read(event(1, *parts)).specs)


class TestNeighbours:
    @pytest.mark.parametrize(
        ("value", "needed"),
        [("db", False), ("none", False), ("Postgres", False), ("other", True), ("billing/db", True)],
    )
    def test_are_needed_where_a_reference_leaves_the_application(self, value: str, needed: bool) -> None:
        one = event(1, component("api", "webservice", Database=value), component("db", "postgresql"))
        assert needs_neighbours(one, Record(APP)) is needed

    def test_are_needed_for_what_is_recorded(self) -> None:
        record = applied(component("db", "postgresql"))
        assert not needs_neighbours(event(2), record)
        used = replace(record.components[0], referrers=("billing/api",))
        assert needs_neighbours(event(2), replace(record, components=(used,)))
        theirs = applied(component("db", "postgresql"), app=OTHER)
        from .build import finished, launch

        user = finished(
            launch(Record(APP), event(1, component("api", "webservice", database="db")), {"billing": theirs})
        )
        assert needs_neighbours(event(2, kind=EventKind.RETRY), user)


class TestDependencies:
    def test_depends_on(self) -> None:
        assert read(event(1, component("a", "redis", ["b"]), component("b", "kafka"))).specs[0].needs == ("b",)

    def test_inputs_from_outputs(self) -> None:
        maker = DesiredComponent("b", "kafka", outputs=("topic",))
        taker = DesiredComponent("a", "redis", inputs_from=("topic", "elsewhere"))
        assert read(event(1, taker, maker)).specs[0].needs == ("b",)

    def test_of_an_unknown_name(self) -> None:
        found = read(event(1, component("a", "redis", ["kafkaa"]), component("kafka", "kafka")))
        assert codes(found) == ["unknown-dependency"]
        assert found.problems[0].path.endswith("components[0].dependsOn[0]")
        assert found.problems[0].fix == "did you mean kafka?"

    def test_on_what_is_kubevelas(self) -> None:
        found = read(event(1, component("a", "redis", ["x"]), component("x", "helm")))
        assert not found.problems
        assert found.specs[0].needs == ()
        assert any("left to KubeVela" in warning for warning in found.warnings)

    def test_a_cycle_is_printed_as_a_path(self) -> None:
        parts = [component("a", "redis", ["b"]), component("b", "kafka", ["c"]), component("c", "mongodb", ["a"])]
        found = read(event(1, *parts))
        assert codes(found) == ["dependency-cycle"]
        assert "a → b → c → a" in found.problems[0].message

    def test_a_dependency_on_itself_is_a_cycle(self) -> None:
        assert "a → a" in read(event(1, component("a", "redis", ["a"]))).problems[0].message

    @pytest.mark.parametrize(
        ("upper", "lower"),
        [("postgresql", "webservice"), ("postgresql", "graphql-gateway"), ("rasa-chatbot", "vcluster")],
    )
    def test_an_order_violation_is_printed_as_a_path(self, upper: str, lower: str) -> None:
        found = read(event(1, component("up", upper, ["down"]), component("down", lower)))
        assert codes(found) == ["order-violation"]
        assert f"up ({upper}, pattern" in found.problems[0].message
        assert f"→ down ({lower}, pattern" in found.problems[0].message
