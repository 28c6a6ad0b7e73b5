"""Runs of the simulated controller: order, outputs, failures, status as Argo writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.dev.argo import API, DB, inputs, nodes, outputs, phases, task, workflow
from worker.dev.argo import ContractRunner
from worker.dev.argo.client import GROUP, ApiAnswerError
from worker.dev.argo.runner import SIMULATE_FAILURE

if TYPE_CHECKING:
    from tests.dev.argo import ArgoCluster

SECRET = "{{tasks.c-db.outputs.parameters.connection_secret}}"
PAIR = (
    task("c-db", component="db", claim_name="shop-db-1"),
    task("c-api", "c-db.Succeeded", API, service_name="api", database_secret=SECRET),
)


async def test_a_dag_runs_in_order_and_passes_outputs_on(any_cluster: ArgoCluster) -> None:
    async with any_cluster.controller():
        await any_cluster.submit(workflow("one", *PAIR))
        status = await any_cluster.ended("one")
    assert status["phase"] == "Succeeded"
    assert status["progress"] == "2/2"
    assert {"type": "Completed", "status": "True"} in status["conditions"]
    found = nodes(status)
    assert outputs(found["c-db"])["connection_secret"] == "shop-db-1-connection"
    assert inputs(found["c-api"])["database_secret"] == "shop-db-1-connection"
    root = status["nodes"]["one"]
    assert (root["type"], root["phase"], root["children"]) == ("DAG", "Succeeded", [found["c-db"]["id"]])
    assert found["c-db"]["children"] == [found["c-api"]["id"]]
    labels = (await any_cluster.get("one"))["metadata"]["labels"]
    assert labels["workflows.argoproj.io/phase"] == "Succeeded"
    assert labels["workflows.argoproj.io/completed"] == "true"


async def test_a_running_workflow_says_so(cluster: ArgoCluster) -> None:
    async with cluster.controller(ContractRunner(delays={"c-api": 60})):
        await cluster.submit(workflow("one", *PAIR))
        status = await cluster.node_phase("one", "c-api", "Running")
        assert phases(status) == {"c-db": "Succeeded", "c-api": "Running"}
        assert (status["phase"], status["progress"]) == ("Running", "1/2")
        labels = (await cluster.get("one"))["metadata"]["labels"]
        assert labels["workflows.argoproj.io/completed"] == "false"
        node = nodes(status)["c-api"]
        assert node["templateRef"] == {"name": API, "template": "main"}
        assert (node["type"], node["boundaryID"], node["name"]) == ("Pod", "one", "one.c-api")


async def test_after_a_failure_the_rest_is_omitted(any_cluster: ArgoCluster) -> None:
    async with any_cluster.controller(ContractRunner(failures={"db": "no space left"})):
        await any_cluster.submit(workflow("one", *PAIR, task("c-web", "c-api.Succeeded")))
        status = await any_cluster.ended("one")
    assert status["phase"] == "Failed"
    found = nodes(status)
    assert (found["c-db"]["phase"], found["c-db"]["message"]) == ("Failed", "no space left")
    for name in ("c-api", "c-web"):
        assert (found[name]["type"], found[name]["phase"]) == ("Skipped", "Omitted")
        assert found[name]["message"] == "omitted: depends condition not met"


async def test_a_branch_that_does_not_depend_on_the_failure_ends(cluster: ArgoCluster) -> None:
    runner = ContractRunner(delays={"slow": 0.3}, failures={"db": "broken"})
    async with cluster.controller(runner):
        await cluster.submit(workflow("one", *PAIR, task("slow")))
        status = await cluster.ended("one")
    assert status["phase"] == "Failed"
    assert phases(status) == {"c-db": "Failed", "c-api": "Omitted", "slow": "Succeeded"}


async def test_a_handled_failure_is_none(cluster: ArgoCluster) -> None:
    repair = task("repair", "c-db.Failed")
    async with cluster.controller(ContractRunner(failures={"db": "broken"})):
        await cluster.submit(workflow("one", task("c-db", component="db"), repair))
        status = await cluster.ended("one")
    assert phases(status) == {"c-db": "Failed", "repair": "Succeeded"}
    assert status["phase"] == "Succeeded"


async def test_a_component_fails_by_annotation(cluster: ArgoCluster) -> None:
    async with cluster.controller():
        await cluster.submit(workflow("one", *PAIR, annotations={SIMULATE_FAILURE: "other, db"}))
        status = await cluster.ended("one")
    assert phases(status) == {"c-db": "Failed", "c-api": "Omitted"}


async def test_a_runner_that_raises_is_an_error(cluster: ArgoCluster) -> None:
    class Broken(ContractRunner):
        async def run(self, call: Any) -> Any:
            raise RuntimeError("runner is broken")

    async with cluster.controller(Broken()):
        await cluster.submit(workflow("one"))
        status = await cluster.ended("one")
    assert status["phase"] == "Error"
    assert nodes(status)["only"]["message"] == "RuntimeError: runner is broken"


@pytest.mark.parametrize(
    ("tasks", "part"),
    [
        ([task("a", "b.Succeeded")], "templates.main.tasks.a dependency 'b' not defined"),
        ([task("a", "b"), task("b", "a")], "templates.main.tasks dependency cycle among a, b"),
        ([task("a", "b &&"), task("b")], "templates.main.tasks.a depends"),
        ([task("a"), task("a")], "name is not unique"),
    ],
)
async def test_what_argo_would_not_run_fails(cluster: ArgoCluster, tasks: list[dict[str, Any]], part: str) -> None:
    async with cluster.controller():
        await cluster.submit(workflow("one", *tasks))
        status = await cluster.ended("one")
    assert status["phase"] == "Failed"
    assert status["message"].startswith("invalid spec: ")
    assert part in status["message"]


async def test_once_templates_are_loaded_unknown_ones_fail(any_cluster: ArgoCluster) -> None:
    template = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {"name": DB},
        "spec": {
            "templates": [
                {
                    "name": "main",
                    "inputs": {"parameters": [{"name": "size", "default": "small"}, {"name": "infrastructure_type"}]},
                    "suspend": {},
                }
            ]
        },
    }
    await any_cluster.client.call("POST", f"{GROUP}/namespaces/{any_cluster.namespace}/workflowtemplates", template)
    async with any_cluster.controller():
        await any_cluster.submit(workflow("known", task("a", infrastructure_type="redis")))
        await any_cluster.submit(workflow("missing", task("a")))
        await any_cluster.submit(workflow("unknown", task("a", template="nowhere")))
        await any_cluster.submit(workflow("entry", task("a", entry="teardown", infrastructure_type="redis")))
        status = await any_cluster.ended("known")
        assert status["phase"] == "Succeeded"
        assert inputs(nodes(status)["a"]) == {"size": "small", "infrastructure_type": "redis"}
        for name, part in (
            ("missing", "inputs.parameters.infrastructure_type was not supplied"),
            ("unknown", "templates.main.tasks.a template reference nowhere.main not found"),
            ("entry", f"template reference {DB}.teardown not found"),
        ):
            failed = await any_cluster.ended(name)
            assert failed["phase"] == "Failed"
            assert failed["message"].startswith("invalid spec: ")
            assert part in failed["message"]
            assert failed["nodes"] == {}


async def test_a_teardown_has_no_outputs(cluster: ArgoCluster) -> None:
    async with cluster.controller():
        await cluster.submit(workflow("one", task("a", entry="teardown", claim_name="x")))
        status = await cluster.ended("one")
    assert outputs(nodes(status)["a"]) == {}


async def test_a_run_has_a_deadline(cluster: ArgoCluster) -> None:
    async with cluster.controller(ContractRunner(delay=60)):
        await cluster.submit(workflow("one", *PAIR, activeDeadlineSeconds=1))
        status = await cluster.ended("one")
    assert status["phase"] == "Failed"
    assert status["message"] == "Step exceeded its deadline"
    assert phases(status) == {"c-db": "Failed", "c-api": "Omitted"}


async def test_a_finished_workflow_is_deleted_in_time(any_cluster: ArgoCluster) -> None:
    async with any_cluster.controller():
        await any_cluster.submit(workflow("short", ttlStrategy={"secondsAfterCompletion": 0}))
        await any_cluster.submit(workflow("long", ttlStrategy={"secondsAfterCompletion": 600}))
        await any_cluster.ended("long")
        with pytest.raises(ApiAnswerError, match="404") as gone:
            await any_cluster.until("short", lambda _: False, "deleted")
        assert gone.value.code == 404
        await any_cluster.get("long")


async def test_large_node_status_is_compressed(cluster: ArgoCluster) -> None:
    tasks = [task(f"c-{number}", f"c-{number - 1}" if number else "", x="y" * 50) for number in range(8)]
    async with cluster.controller(max_workflow_size=2_000):
        await cluster.submit(workflow("one", *tasks))
        status = await cluster.ended("one")
    assert set(phases(status).values()) == {"Succeeded"}
    assert len(phases(status)) == 8
    stored = (await cluster.get("one"))["status"]
    assert stored["compressedNodes"].startswith("H4sI")
    assert "nodes" not in stored
