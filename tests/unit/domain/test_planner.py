"""The comparison with what is recorded: actions, order, references as parameters, teardown, retention, digests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from worker.domain.decide import Postpone
from worker.domain.digest import digest
from worker.domain.events import AppKey, EventKind, Settings
from worker.domain.model import ComponentSpec, Identity, OutputOf, Reference, ReferenceKind
from worker.domain.names import claim_name
from worker.domain.plan import Link
from worker.domain.record import Record, State

from .build import APP, INSTANCE, actions, applied, component, event, finished, judge, launch, settle, states

OTHER = AppKey("shop", "billing")
DB = component("db", "postgresql")
CACHE = component("cache", "redis")
API = component("api", "webservice", database="db", language="go")
GATEWAY = component("gw", "graphql-gateway", cache="cache")
PURGE = Settings(delete=("*",))


def connection(name: str, kind: str, app: AppKey = APP, target: str = "") -> str:
    return claim_name(INSTANCE, app, Identity(name, kind, target)) + "-connection"


class TestOrder:
    def test_tiers_go_3_2_1_and_wait_for_each_other(self) -> None:
        plan = launch(Record(APP), event(1, API, GATEWAY, DB, CACHE)).plan
        assert [(t.component, t.depends_on) for t in plan.tasks] == [
            ("db", ()),
            ("cache", ()),
            ("gw", ("c-cache", "c-db")),
            ("api", ("c-db", "c-gw")),
        ]

    def test_within_a_tier_what_is_needed_comes_first(self) -> None:
        parts = [component("a", "redis", ["b"]), component("b", "kafka"), component("s", "webservice")]
        plan = launch(Record(APP), event(1, *parts)).plan
        assert [(t.component, t.depends_on) for t in plan.tasks] == [("b", ()), ("a", ("c-b",)), ("s", ("c-a",))]

    def test_a_tier_without_tasks_is_no_gap(self) -> None:
        plan = launch(Record(APP), event(1, component("s", "webservice"), DB)).plan
        assert [(t.component, t.depends_on) for t in plan.tasks] == [("db", ()), ("s", ("c-db",))]

    def test_only_tasks_of_the_run_are_waited_for(self) -> None:
        record = applied(DB, API)
        plan = launch(record, event(2, DB, component("api", "webservice", database="db", language="python"))).plan
        assert [(t.component, t.depends_on) for t in plan.tasks] == [("api", ())]


class TestReferences:
    def test_a_sibling_of_the_same_run_gives_its_output(self) -> None:
        api = launch(Record(APP), event(1, DB, API)).plan.tasks[-1]
        assert api.outputs_of == {"database_secret": OutputOf("c-db", "connection_secret")}

    def test_a_sibling_outside_the_run_gives_its_recorded_output(self) -> None:
        plan = launch(applied(DB), event(2, DB, API)).plan
        assert actions_of(plan) == {"api": "create"}
        assert plan.tasks[0].parameters["database_secret"] == connection("db", "postgresql")

    def test_a_provider_without_recorded_output_joins_as_change(self) -> None:
        record = applied(DB)
        silent = replace(record.components[0], outputs={})
        assert actions(launch(replace(record, components=(silent,)), event(2, DB, API))) == {
            "db": "change",
            "api": "create",
        }

    def test_a_changed_output_makes_dependents_change(self) -> None:
        record = applied(DB, API)
        parts = tuple(
            replace(c, outputs={"connection_secret": "new"}) if c.identity.name == "db" else c
            for c in record.components
        )
        launched = launch(replace(record, components=parts), event(2, DB, API))
        assert actions(launched) == {"api": "change"}
        assert launched.plan.tasks[0].reason == "database_secret has changed"

    def test_a_provider_that_becomes_another_component_makes_dependents_change(self) -> None:
        launched = launch(applied(DB, API), event(2, component("db", "neon-postgres"), API))
        assert actions(launched) == {"db": "create", "api": "change"}
        assert launched.plan.tasks[1].outputs_of["database_secret"].task == "c-db"

    def test_a_literal_reaches_pattern_1_only(self) -> None:
        parts = [
            component("s", "webservice", database="postgres", cache="none", realtime="none"),
            component("g", "graphql-gateway", database="postgres"),
        ]
        gateway, service = launch(Record(APP), event(1, *parts)).plan.tasks
        assert (service.parameters["database"], service.parameters["cache"]) == ("postgres", "none")
        assert "realtime" not in service.parameters
        assert "database" not in gateway.parameters

    def test_an_external_platform_is_an_address(self) -> None:
        task = launch(Record(APP), event(1, component("s", "webservice", realtime="rt"))).plan.tasks[0]
        assert task.parameters["realtime_endpoint"] == "http://rt.shop.svc.cluster.local"
        assert "realtime_secret" not in task.parameters

    def test_a_component_of_another_application_gives_its_output_and_is_linked(self) -> None:
        theirs = applied(DB, app=OTHER)
        user = component("api", "webservice", database="billing/db")
        plan = launch(Record(APP), event(1, user), {"billing": theirs}).plan
        assert plan.links == (Link("api", "billing", "db"),)
        assert plan.tasks[0].parameters["database_secret"] == connection("db", "postgresql", OTHER)

    @pytest.mark.parametrize(
        ("kind", "prop", "provider"),
        [("webservice", "database", "postgresql"), ("camunda-orchestrator", "realtimePlatform", "realtime-platform")],
    )
    def test_another_applications_provider_is_waited_for(self, kind: str, prop: str, provider: str) -> None:
        theirs = launch(Record(OTHER), event(1, component("it", provider), app=OTHER)).record
        decision = judge(Record(APP), event(1, component("x", kind, **{prop: "billing/it"})), {"billing": theirs})
        assert isinstance(decision, Postpone)
        assert decision.message == "billing/it is still being provisioned"


def actions_of(plan: object) -> dict[str, str]:
    return {task.component: task.action.value for task in plan.tasks}  # type: ignore[attr-defined]


class TestComparison:
    def test_applied_as_wanted_is_unchanged(self) -> None:
        settled = settle(applied(DB, API), event(2, DB, API))
        assert [identity.name for identity in settled.plan.unchanged] == ["db", "api"]

    def test_a_changed_input(self) -> None:
        launched = launch(applied(DB, API), event(2, component("db", "postgresql", size="large"), API))
        assert actions(launched) == {"db": "change"}
        assert launched.plan.tasks[0].reason == "changed: size"
        assert states(launched.record) == {"db": "dirty", "api": "applied"}

    @pytest.mark.parametrize(
        "same",
        [
            component("api", "webservice", database="db", language="go", image="new", port=9090),
            component("api", "webservice", Language="go", data_base="db"),
            component("api", "webservice", database="db", language="go", unknownThing=1),
        ],
    )
    def test_what_no_template_uses_changes_nothing(self, same: object) -> None:
        settle(applied(DB, API), event(2, DB, same))  # type: ignore[arg-type]

    def test_dirty_and_desired_is_changed(self) -> None:
        record = finished(launch(Record(APP), event(1, DB, API)), failed=["db"])
        assert states(record) == {"db": "dirty", "api": "dirty"}
        assert actions(launch(record, event(2, DB, API))) == {"db": "change", "api": "change"}

    def test_dirty_and_not_desired_is_removed(self) -> None:
        record = finished(launch(Record(APP), event(1, DB, API)), failed=["api"])
        launched = launch(record, event(2, DB))
        assert actions(launched) == {"api": "remove"}
        assert states(launched.record) == {"db": "applied", "api": "removing"}

    def test_removing_and_desired_again_is_changed(self) -> None:
        removing = launch(applied(DB, API), event(2, DB)).record
        assert actions(launch(removing, event(3, DB, API))) == {"api": "change"}

    def test_removing_and_still_not_desired_is_removed_again(self) -> None:
        removing = finished(launch(applied(DB, API), event(2, DB)), failed=["api"])
        assert actions(launch(removing, event(3, DB))) == {"api": "remove"}

    def test_retained_and_desired_again_is_changed(self) -> None:
        retained = settle(applied(DB, CACHE), event(2, CACHE)).record
        assert states(retained) == {"cache": "applied", "db": "retained"}
        launched = launch(retained, event(3, CACHE, DB))
        assert actions(launched) == {"db": "change"}
        assert launched.plan.tasks[0].reason == "wanted again, it had been retained"

    @pytest.mark.parametrize(
        "new",
        [component("api", "webservice-k8s", language="go"), component("api", "webservice", targetEnvironment="edge")],
    )
    def test_another_type_or_target_is_remove_and_create(self, new: object) -> None:
        launched = launch(applied(component("api", "webservice", language="go")), event(2, new))  # type: ignore[arg-type]
        create, remove = launched.plan.tasks
        assert (create.action, remove.action) == ("create", "remove")
        assert remove.depends_on == (create.name,)
        assert create.parameters["claim_name"] != remove.parameters["claim_name"]

    def test_reconcile_runs_what_is_applied_or_only_what_is_named(self) -> None:
        record = applied(DB, API)
        assert actions(launch(record, event(2, kind=EventKind.RETRY, reconcile=True))) == {
            "db": "change",
            "api": "change",
        }
        named = event(2, kind=EventKind.RETRY, reconcile=True, only=("api",))
        assert actions(launch(record, named)) == {"api": "change"}


class TestDigest:
    SPEC = ComponentSpec(Identity("api", "webservice"), {"language": "go", "framework": "gin"})

    def test_ignores_the_order_of_keys(self) -> None:
        turned = replace(self.SPEC, inputs=dict(reversed(list(self.SPEC.inputs.items()))))
        assert digest(turned, Settings()) == digest(self.SPEC, Settings())

    @pytest.mark.parametrize(
        "other",
        [
            replace(SPEC, inputs={"language": "go"}),
            replace(SPEC, identity=Identity("api", "webservice-k8s")),
            replace(SPEC, identity=Identity("api", "webservice", "edge")),
            replace(SPEC, references={"database": Reference(ReferenceKind.SIBLING, "db")}),
        ],
    )
    def test_sees_inputs_identity_and_references(self, other: ComponentSpec) -> None:
        assert digest(other, Settings()) != digest(self.SPEC, Settings())

    def test_ignores_dependencies_and_who_asked(self) -> None:
        assert digest(replace(self.SPEC, depends_on=("x",)), Settings(source="api-driven")) == digest(
            self.SPEC, Settings()
        )

    def test_labels_count_where_they_are_used(self) -> None:
        labelled = Settings(app_container="mono", github_owner="me")
        assert digest(self.SPEC, labelled) != digest(self.SPEC, Settings())
        for kind in ("postgresql", "vcluster"):
            spec = ComponentSpec(Identity("x", kind))
            assert digest(spec, labelled) == digest(spec, Settings())

    def test_changed_labels_change_services(self) -> None:
        launched = launch(applied(DB, API), event(2, DB, API, settings=Settings(app_container="mono")))
        assert actions(launched) == {"api": "change"}
        task = launched.plan.tasks[0]
        assert (task.reason, task.parameters["app_container"]) == ("changed: labels", "mono")

    def test_labels_and_source_reach_the_parameters(self) -> None:
        labels = Settings(source="analyzer-driven", app_container="mono", github_owner="me")
        params = launch(Record(APP), event(1, API, DB, settings=labels)).plan.tasks[-1].parameters
        assert (params["bootstrap_source"], params["app_container"], params["github_owner"]) == (
            "analyzer-driven",
            "mono",
            "me",
        )


class TestTeardown:
    def test_goes_1_2_3(self) -> None:
        record = applied(DB, CACHE, API, GATEWAY)
        plan = launch(record, event(2, kind=EventKind.DELETED, settings=PURGE)).plan
        assert [(t.component, t.entry) for t in plan.tasks][:2] == [("api", "teardown"), ("gw", "teardown")]
        assert {t.component for t in plan.tasks[2:]} == {"db", "cache"}
        names = {t.component: t.name for t in plan.tasks}
        waits = {t.component: set(t.depends_on) for t in plan.tasks}
        assert waits["api"] == set()
        assert waits["gw"] == {names["api"]}
        assert waits["db"] == {names["api"], names["gw"]}

    def test_waits_for_former_dependents(self) -> None:
        loose = component("api", "webservice", language="go")
        plan = launch(applied(DB, API), event(2, loose, settings=PURGE)).plan
        assert [(t.component, t.depends_on) for t in plan.tasks] == [("api", ()), ("db", ("c-api",))]

    def test_waits_for_what_may_still_use_it(self) -> None:
        """The run that should have taken the reference away failed: the wish is recorded, what is there is unknown."""
        loose = component("api", "webservice", language="go")
        record = finished(launch(applied(DB, API), event(2, loose, settings=PURGE)), failed=["api"])
        assert states(record) == {"api": "dirty", "db": "removing"}
        plan = launch(record, event(3, kind=EventKind.RETRY)).plan
        assert [(t.component, t.depends_on) for t in plan.tasks] == [("api", ()), ("db", ("c-api",))]

    def test_users_go_before_what_they_use_within_a_tier(self) -> None:
        parts = [component("rt", "realtime-platform"), component("c", "camunda-orchestrator", realtimePlatform="rt")]
        plan = launch(applied(*parts), event(2, kind=EventKind.DELETED, settings=PURGE)).plan
        assert [t.component for t in plan.tasks] == ["c", "rt"]
        assert plan.tasks[1].depends_on == (plan.tasks[0].name,)

    def test_recorded_dependencies_of_different_times_may_form_a_circle(self) -> None:
        record = applied(component("a", "redis", ["b"]), component("b", "kafka"))
        parts = tuple(
            replace(c, spec=replace(c.spec, depends_on=("a",))) if c.identity.name == "b" else c
            for c in record.components
        )
        plan = launch(replace(record, components=parts), event(2, kind=EventKind.DELETED, settings=PURGE)).plan
        assert {t.component for t in plan.tasks} == {"a", "b"}

    def test_two_components_of_one_name_go_one_by_one(self) -> None:
        record = finished(launch(applied(component("x", "redis")), event(2, component("x", "kafka"))))
        assert [(c.identity.type, c.state) for c in record.components] == [
            ("kafka", State.APPLIED),
            ("redis", State.RETAINED),
        ]
        plan = launch(record, event(3, kind=EventKind.DELETED, settings=PURGE)).plan
        assert {t.identity.type for t in plan.tasks} == {"redis", "kafka"}
        assert len({t.name for t in plan.tasks}) == 2


class TestRetention:
    @pytest.mark.parametrize(
        ("kind", "stays"),
        [
            ("postgresql", True),
            ("auth0-idp", True),
            ("vcluster", True),
            ("webservice", False),
            ("graphql-gateway", False),
        ],
    )
    def test_by_type(self, kind: str, stays: bool) -> None:
        record = applied(component("x", kind), CACHE)
        decision = judge(record, event(2, CACHE))
        kept = [r.identity.name for r in decision.plan.retained]  # type: ignore[union-attr]
        assert kept == (["x"] if stays else [])

    def test_the_annotation_takes_away_all_or_those_it_names(self) -> None:
        record = applied(DB, CACHE, API)
        loose = component("api", "webservice", language="go")
        everything = launch(record, event(2, loose, settings=PURGE))
        assert actions(everything) == {"api": "change", "db": "remove", "cache": "remove"}
        one = launch(record, event(2, loose, settings=Settings(delete=("db",))))
        assert actions(one) == {"api": "change", "db": "remove"}
        assert [r.identity.name for r in one.plan.retained] == ["cache"]
        assert states(one.record)["cache"] == "retained"

    def test_what_was_retained_can_be_taken_away_later(self) -> None:
        record = settle(applied(DB, CACHE), event(2, CACHE)).record
        assert actions(launch(record, event(3, CACHE, settings=PURGE))) == {"db": "remove"}

    def test_what_stays_keeps_what_it_uses(self) -> None:
        parts = [component("rt", "realtime-platform"), component("c", "camunda-orchestrator", realtimePlatform="rt")]
        settled = settle(applied(*parts), event(2, kind=EventKind.DELETED, settings=Settings(delete=("rt",))))
        assert {r.identity.name: r.reason for r in settled.plan.retained}["rt"] == "used by c"

    def test_what_another_application_uses_stays_and_the_users_are_named(self) -> None:
        record = applied(DB)
        used = replace(record, components=(replace(record.components[0], referrers=("billing/api",)),))
        user = component("api", "webservice", database="orders/db")
        theirs = finished(launch(Record(OTHER), event(1, user, app=OTHER), {"orders": used}), app=OTHER)
        gone = event(2, kind=EventKind.DELETED, settings=PURGE)
        assert settle(used, gone, {"billing": theirs}).plan.retained[0].reason == "used by billing/api"
        # A change of mind counts only when it has been carried out.
        changing = launch(theirs, event(2, component("api", "webservice", language="go"), app=OTHER), {"orders": used})
        assert settle(used, gone, {"billing": changing.record}).plan.retained
        assert actions(launch(used, gone, {"billing": finished(changing, app=OTHER)})) == {"db": "remove"}
        assert actions(launch(used, gone, {})) == {"db": "remove"}


def test_the_teardown_gets_the_parameters_that_identify_what_was_made() -> None:
    made = launch(Record(APP), event(1, API, DB, settings=Settings(cluster="edge")))
    torn = launch(finished(made), event(2, kind=EventKind.DELETED, settings=PURGE))
    by_name = {task.component: task.parameters for task in made.plan.tasks}
    for task in torn.plan.tasks:
        for name in ("application", "component", "namespace", "claim_name", "owner", "vcluster"):
            assert task.parameters[name] == by_name[task.component][name]
