"""Records made again from Workflows: stories through the real planner, a real nats-server and the embedded API."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from contracts.names import STATUS_STREAM
from tests.golden.scenarios import SCENARIOS, told
from tests.outbound.clusters import EmbeddedCluster, new_namespace
from tests.support.records import a_record
from worker.dev.kubernetes import KubernetesApi
from worker.domain.events import AppKey
from worker.domain.fold import fold
from worker.domain.observed import ObservedNode, ObservedRun
from worker.domain.record import Phase, Record, Run, State
from worker.errors import NewerRecord
from worker.outbound.kubernetes_api import KubernetesWorkflows
from worker.outbound.kubernetes_client import KubernetesAccess, KubernetesClient
from worker.outbound.rebuild import rebuild, records_of
from worker.outbound.state_kv import KvState, StateLost
from worker.outbound.workflow import HeraWorkflowBuilder
from worker.outbound.workflow_settings import WorkflowSettings

if TYPE_CHECKING:
    from pathlib import Path

    from nats.js import JetStreamContext

    from worker.outbound.jetstream import JetStream


def run_of(record: Record) -> Run:
    assert record.run is not None
    return record.run


def workflow(record: Record, **status: Any) -> dict[str, Any]:
    built = HeraWorkflowBuilder(WorkflowSettings()).build(record.app, "uid-1", run_of(record), record)
    found: dict[str, Any] = json.loads(built)
    if status:
        del found["spec"]["suspend"]
        found["status"] = status
    return found


def another(record: Record, sequence: int, attempt: int = 1) -> Record:
    run = run_of(record)
    order = replace(run.order, generation=sequence, sequence=sequence)
    name = f"shop-{sequence}-{attempt}-0123456789"
    return replace(record, order=order, run=replace(run, name=name, order=order, attempt=attempt))


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_the_record_of_every_scenario_comes_back(name: str) -> None:
    record, body = told(SCENARIOS[name]())[-1]
    found = records_of([json.loads(body)])

    assert not found.doubtful
    rebuilt = found.records[record.app]
    assert rebuilt.components == record.components
    assert (rebuilt.owner, rebuilt.order, rebuilt.settings) == (record.owner, record.order, record.settings)
    assert rebuilt.tombstones == record.tombstones


def test_a_finished_run_is_folded_by_the_observer_afterwards() -> None:
    record, body = told(SCENARIOS["reference-create"]())[-1]
    document = json.loads(body)
    del document["spec"]["suspend"]
    rebuilt = records_of([document]).records[record.app]
    run = run_of(rebuilt)
    assert run.phase is Phase.CONFIRMED

    nodes = {task.name: ObservedNode("Succeeded", outputs={"connection_secret": "s"}) for task in run.tasks}
    seen = ObservedRun(
        run.name, record.app.namespace, record.app.name, run.cause.delivery, "Succeeded", nodes=nodes, finished=True
    )
    folded = fold(rebuilt, seen, 0.0).record

    assert {one.state for one in folded.components} == {State.APPLIED}
    assert all(one.digest for one in folded.components)
    user = folded.component("user-service")
    assert user is not None
    assert user.resolved["database_secret"] == "s"


def test_the_newest_order_and_then_the_newest_attempt_is_the_record() -> None:
    base = a_record(1)
    chain = [another(base, 3), another(base, 12), another(base, 12, attempt=2), another(base, 5)]
    done = {"phase": "Succeeded", "finishedAt": "2026-01-01T00:00:00Z"}

    found = records_of([workflow(record, **done) for record in chain])

    assert run_of(found.records[base.app]).name == "shop-12-2-0123456789"
    assert found.records[base.app].stale_runs == ()


def test_older_runs_that_go_on_are_remembered_as_stale() -> None:
    base = a_record(1)
    found = records_of([workflow(another(base, 3), phase="Running"), workflow(another(base, 4))])

    record = found.records[base.app]
    assert [stale.name for stale in record.stale_runs] == ["shop-3-1-0123456789"]
    assert run_of(record).phase is Phase.INTENDED, "it is suspended: its redelivery or the observer confirms it"


def test_users_in_other_applications_are_noted_again() -> None:
    user = a_record(1)  # refers to other/db
    provider = replace(a_record(1, app=AppKey("default", "other")))
    (component,) = provider.components
    identity = replace(component.identity, name="db")
    spec = replace(component.spec, identity=identity, references={})
    provider = replace(provider, components=(replace(component, spec=spec, referrers=("gone/x",)),))
    user = replace(user, components=(replace(user.components[0], wanted=True),))

    found = records_of([workflow(user), workflow(provider)])

    assert found.records[provider.app].components[0].referrers == ("shop/part-0",)
    assert found.records[user.app].components[0].referrers == ()


def test_without_a_snapshot_the_components_are_known_and_nothing_is_taken_for_applied() -> None:
    record, body = told(SCENARIOS["all-sixteen"]())[-1]
    document = json.loads(body)
    del document["metadata"]["annotations"]["platform.io/record"]

    found = records_of([document])

    rebuilt = found.records[record.app]
    assert {one.identity for one in rebuilt.components} == {one.identity for one in record.components}
    assert {one.state for one in rebuilt.components} == {State.DIRTY}
    assert rebuilt.order is not None
    assert rebuilt.order.generation == 1
    assert run_of(rebuilt).cause.delivery == run_of(record).cause.delivery
    assert list(found.doubtful) == [run_of(record).name]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda w: w["metadata"].update(annotations={}),
        lambda w: w["metadata"]["annotations"].update({"platform.io/record": "{"}),
        lambda w: w["metadata"].update(name="copied"),
        lambda w: w.update(metadata={"name": "x"}),
    ],
)
def test_what_cannot_be_read_is_reported_and_does_not_stop_the_others(spoil: Any) -> None:
    good, bad = workflow(a_record(1)), workflow(a_record(1, app=AppKey("default", "bad")))
    spoil(bad)

    found = records_of([bad, good])

    assert set(found.records) == {AppKey("default", "shop")}
    assert len(found.doubtful) == 1


def test_a_snapshot_of_a_newer_worker_stops_the_rebuild() -> None:
    newer = workflow(a_record(1))
    newer["metadata"]["annotations"]["platform.io/record"] = '{"version":9}'
    with pytest.raises(NewerRecord):
        records_of([newer])


async def test_a_lost_bucket_is_rebuilt_from_the_cluster(
    jetstream: JetStream, context: JetStreamContext, tmp_path: Path
) -> None:
    await context.publish("platform.oam.default.shop", b"{}")
    store = KvState(jetstream)
    with pytest.raises(StateLost):
        await store.open()
    async with KubernetesApi() as api:
        cluster = EmbeddedCluster(api, tmp_path)
        namespace = await new_namespace(cluster)
        builder = HeraWorkflowBuilder(WorkflowSettings(namespace=namespace))
        records = [a_record(1, app=AppKey("default", f"app-{number:03}")) for number in range(105)]
        async with KubernetesClient(KubernetesAccess(str(cluster.kubeconfig()))) as client:
            workflows = KubernetesWorkflows(client, namespace)
            for record in records:
                body = builder.build(record.app, "uid-1", run_of(record), record)
                assert await workflows.create(run_of(record).name, body)

            first = await rebuild(client, namespace, "default", store)
            again = await rebuild(client, namespace, "default", KvState(jetstream))
            foreign = await rebuild(client, namespace, "other-instance", KvState(jetstream))

    assert len(first.written) == 105
    assert again.written == []
    assert foreign.records == {}
    await KvState(jetstream).open()
    stored = await KvState(jetstream).load(AppKey("default", "app-104"))
    assert stored.record == first.records[AppKey("default", "app-104")]
    assert (await context.stream_info(STATUS_STREAM)).state.messages == 0
