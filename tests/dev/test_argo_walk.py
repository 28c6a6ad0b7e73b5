"""WorkflowTemplates executed step by step: order, outputs, conditions, retries, deadlines, and what is refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.dev.argo import declared, nodes, outputs, phases, task, template, workflow
from worker.dev.argo.client import ApiAnswerError
from worker.outbound.observed_workflow import observed_run

if TYPE_CHECKING:
    from tests.dev.argo import ArgoCluster
    from worker.dev.kubernetes import KubernetesApi

Json = dict[str, Any]
FLAGS = ["--server-side", "--field-manager=test"]


def config_map(name: str, **data: str) -> str:
    lines = "".join(f"\n  {key}: {value}" for key, value in data.items())
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{}}"
        if not data
        else (f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:{lines}")
    )


def resource(name: str, action: str, manifest: str = "", inputs: Json | None = None, **more: Any) -> Json:
    """A template with a resource step; `out` names the path of its output."""
    made: Json = {"name": name, "resource": {"action": action}}
    if manifest:
        made["resource"]["manifest"] = manifest
    if action == "apply":
        made["resource"]["flags"] = FLAGS
    if inputs:
        made["inputs"] = inputs
    if "out" in more:
        made["outputs"] = {"parameters": [{"name": "out", "valueFrom": {"jsonPath": more.pop("out")}}]}
    for key in ("successCondition", "failureCondition", "mergeStrategy", "flags"):
        if key in more:
            made["resource"][key] = more.pop(key)
    return {**made, **more}


def call(name: str, entry: str, depends: str = "", /, *, when: str = "", **arguments: str) -> Json:
    made: Json = {"name": name, "template": entry}
    given = [{"name": key, "value": value} for key, value in arguments.items()]
    made |= {"arguments": {"parameters": given}} if given else {}
    made |= {"depends": depends} if depends else {}
    return made | ({"when": when} if when else {})


def dag(*tasks: Json, inputs: Json | None = None, exports: dict[str, Any] | None = None, **more: Any) -> Json:
    made: Json = {"name": "main", "dag": {"tasks": list(tasks), **more}}
    if inputs:
        made["inputs"] = inputs
    if exports:
        made["outputs"] = {"parameters": [{"name": name, "valueFrom": source} for name, source in exports.items()]}
    return made


async def run(cluster: ArgoCluster, *entries: Json, options: Json | None = None, **arguments: str) -> Json:
    async with cluster.executing(template("t", *entries), **(options or {})):
        await cluster.submit(workflow("one", task("a", template="t", **arguments)))
        return await cluster.ended("one")


def inner(status: Json) -> dict[str, str]:
    """Return the phases of what is inside the task, by display name."""
    outer = nodes(status)["a"]["id"]
    return {n["displayName"]: n["phase"] for n in status["nodes"].values() if n.get("boundaryID") == outer}


WRITE = resource(
    "write",
    "apply",
    config_map("{{inputs.parameters.name}}", v="'{{inputs.parameters.v}}'"),
    declared(name="cm", v="x"),
    out="{.data.v}",
)
READ = resource("read", "get", config_map("cm"), out="{.data.v}")


async def test_a_dag_runs_in_order_and_hands_outputs_on(any_cluster: ArgoCluster) -> None:
    status = await run(
        any_cluster,
        dag(
            call("first", "write", name="one", v="{{inputs.parameters.size}}"),
            call("second", "write", "first.Succeeded", name="two", v="{{=tasks.first.outputs.parameters.out + '!'}}"),
            inputs=declared(size="small"),
            exports={
                "tag": {"parameter": "{{tasks.second.outputs.parameters.out}}"},
                "computed": {"expression": "tasks.first.outputs.parameters.out + inputs.parameters.size"},
            },
        ),
        WRITE,
        size="large",
    )
    assert status["phase"] == "Succeeded", status
    assert (await any_cluster.config_map("two"))["data"] == {"v": "large!"}
    assert outputs(nodes(status)["a"]) == {"tag": "large!", "computed": "largelarge"}
    assert inner(status) == {"first": "Succeeded", "second": "Succeeded"}
    assert nodes(status)["a"]["type"] == "DAG"


async def test_steps_run_in_groups_and_hand_outputs_on(any_cluster: ArgoCluster) -> None:
    main = {
        "name": "main",
        "steps": [
            [call("one", "write", name="one", v="1"), call("two", "write", name="two", v="2")],
            [
                call(
                    "three",
                    "write",
                    name="three",
                    v="{{steps.one.outputs.parameters.out}}{{steps.two.outputs.parameters.out}}",
                )
            ],
        ],
        "outputs": {
            "parameters": [{"name": "all", "valueFrom": {"parameter": "{{steps.three.outputs.parameters.out}}"}}]
        },
    }
    status = await run(any_cluster, main, WRITE)
    assert status["phase"] == "Succeeded", status
    assert outputs(nodes(status)["a"]) == {"all": "12"}
    assert inner(status) == {
        "[0]": "Succeeded",
        "one": "Succeeded",
        "two": "Succeeded",
        "[1]": "Succeeded",
        "three": "Succeeded",
    }


async def test_a_nested_dag_runs(cluster: ArgoCluster) -> None:
    outer = dag(call("deep", "middle", v="7"), exports={"v": {"parameter": "{{tasks.deep.outputs.parameters.v}}"}})
    middle = dag(
        call("write", "write", v="{{inputs.parameters.v}}"),
        inputs=declared(v=None),
        exports={"v": {"parameter": "{{tasks.write.outputs.parameters.out}}"}},
    )
    status = await run(cluster, outer, {**middle, "name": "middle"}, WRITE)
    assert outputs(nodes(status)["a"]) == {"v": "7"}


async def test_what_is_skipped_has_defaults_or_nothing(cluster: ArgoCluster) -> None:
    skipped = resource("maybe", "get", config_map("none"), out="{.x}")
    skipped["outputs"]["parameters"].append({"name": "kept", "valueFrom": {"jsonPath": "{.y}", "default": "fallback"}})
    status = await run(
        cluster,
        dag(
            call("maybe", "maybe", when="{{=inputs.parameters.language != ''}}"),
            call(
                "write",
                "write",
                "maybe.Succeeded || maybe.Skipped",
                name="{{tasks.maybe.outputs.parameters.out}}",
                v="{{tasks.maybe.outputs.parameters.kept}}-{{=tasks.maybe.outputs.parameters.out ?? 'absent'}}",
            ),
            inputs=declared(language=""),
        ),
        skipped,
        WRITE,
    )
    assert status["phase"] == "Succeeded", status
    assert inner(status) == {"maybe": "Skipped", "write": "Succeeded"}
    assert (await cluster.config_map("cm"))["data"] == {"v": "fallback-absent"}  # the default of the input `name`


async def test_an_absent_output_within_a_text_is_an_error(cluster: ArgoCluster) -> None:
    maybe = resource("maybe", "get", config_map("none"), out="{.x}")
    tasks = (
        call("maybe", "maybe", when="1 == 2"),
        call("write", "write", "maybe", v="x{{tasks.maybe.outputs.parameters.out}}"),
    )
    status = await run(cluster, dag(*tasks), maybe, WRITE)
    assert status["phase"] == "Error"
    assert "absent optional" in observed_run({"metadata": {"name": "one"}, "status": status}).nodes["a"].message


async def test_a_failure_omits_what_depends_on_it_and_runs_its_handler(cluster: ArgoCluster) -> None:
    status = await run(
        cluster,
        dag(
            call("read", "read"),
            call("after", "write", "read.Succeeded"),
            call("explain", "write", "read.Failed || read.Errored", v="explained"),
            failFast=False,
        ),
        READ,
        WRITE,
    )
    assert status["phase"] == "Failed"
    assert inner(status) == {"read": "Failed", "after": "Omitted", "explain": "Succeeded"}
    assert (await cluster.config_map("cm"))["data"] == {"v": "explained"}
    message = observed_run({"metadata": {"name": "one"}, "status": status}).nodes["a"].message
    assert (
        message == 'main: Error (exit code 64): no more retries Error from server (NotFound): configmaps "cm" not found'
    )


async def test_a_step_waits_for_its_condition(any_cluster: ArgoCluster) -> None:
    wait = resource("wait", "get", config_map("cm"), successCondition="data.v == ready, data.token == {{=1 + 1}}")
    async with any_cluster.executing(
        template("t", dag(call("write", "write"), call("wait", "wait", "write")), wait, WRITE)
    ):
        await any_cluster.submit(workflow("one", task("a", template="t")))
        path = f"/api/v1/namespaces/{any_cluster.namespace}/configmaps/cm"
        while True:
            try:
                await any_cluster.client.call("GET", path)
                break
            except ApiAnswerError:
                await asyncio.sleep(0.02)
        kind = "application/merge-patch+json"
        await any_cluster.client.call("PATCH", path, {"data": {"v": "ready", "token": "1"}}, content_type=kind)
        await asyncio.sleep(0.2)
        assert (await any_cluster.get("one"))["status"]["phase"] == "Running"
        await any_cluster.client.call("PATCH", path, {"data": {"token": "2"}}, content_type=kind)
        assert (await any_cluster.ended("one"))["phase"] == "Succeeded"


async def test_one_failing_requirement_ends_the_wait(cluster: ArgoCluster) -> None:
    wait = resource(
        "main",
        "apply",
        config_map("cm", v="broken"),
        successCondition="data.v == ok",
        failureCondition="data.none == x, data.v in (broken, dead)",
    )
    status = await run(cluster, wait)
    assert nodes(status)["a"]["message"] == (
        "main: Error (exit code 64): failure condition 'data.v in (broken,dead)' evaluated true"
    )


async def test_what_is_deleted_meanwhile_is_a_failure(cluster: ArgoCluster) -> None:
    wait = resource("main", "apply", config_map("cm"), successCondition="data.v == never")
    async with cluster.executing(template("t", wait)):
        await cluster.submit(workflow("one", task("a", template="t")))
        await cluster.node_phase("one", "a", "Running")
        path = f"/api/v1/namespaces/{cluster.namespace}/configmaps/cm"
        for _ in range(100):
            try:
                await cluster.client.call("DELETE", path)
                break
            except ApiAnswerError:
                await asyncio.sleep(0.02)
        status = await cluster.ended("one")
    assert "The resource has been deleted while its status was still being checked" in nodes(status)["a"]["message"]


@pytest.mark.parametrize("field", [{"activeDeadlineSeconds": "1"}, {"timeout": "1s"}])
async def test_a_step_has_a_deadline(cluster: ArgoCluster, field: Json) -> None:
    status = await run(
        cluster, resource("main", "apply", config_map("cm"), successCondition="data.v == never", **field)
    )
    assert nodes(status)["a"]["phase"] == "Failed"
    assert nodes(status)["a"]["message"] == "Pod was active on the node longer than the specified deadline"


async def test_deadlines_can_be_cut(cluster: ArgoCluster) -> None:
    wait = resource("main", "apply", config_map("cm"), successCondition="data.v == never", activeDeadlineSeconds="1800")
    status = await run(cluster, wait, options={"deadline": 0.3})
    assert nodes(status)["a"]["phase"] == "Failed"


async def test_attempts_are_repeated_as_the_strategy_says(cluster: ArgoCluster, kubernetes: KubernetesApi) -> None:
    kubernetes.faults.inject(refuse="unavailable", match={"verb": "patch", "resource": "configmaps"}, times=6)
    strategy = {
        "limit": "3",
        "retryPolicy": "Always",
        "expression": "lastRetry.message matches 'unavailable|Unavailable'",
        "backoff": {"duration": "1s", "factor": "2", "cap": "3s"},
    }
    status = await run(
        cluster, {**resource("main", "apply", config_map("cm", v="'{{retries}}'")), "retryStrategy": strategy}
    )
    assert status["phase"] == "Succeeded", status
    assert nodes(status)["a"]["type"] == "Retry"
    attempts = {n["displayName"]: n["phase"] for n in status["nodes"].values() if n["displayName"].startswith("a(")}
    assert attempts == {"a(0)": "Failed", "a(1)": "Succeeded"}
    assert (await cluster.config_map("cm"))["data"] == {"v": "1"}


@pytest.mark.parametrize(
    ("strategy", "attempts", "message"),
    [
        ({"limit": "2"}, 3, "No more retries left"),
        ({"limit": "2", "retryPolicy": "OnError"}, 1, "main: Error"),
        ({"limit": "2", "expression": "lastRetry.status == 'Error'"}, 1, "retryStrategy.expression evaluated to false"),
    ],
)
async def test_attempts_end(cluster: ArgoCluster, strategy: Json, attempts: int, message: str) -> None:
    status = await run(cluster, {**READ, "name": "main", "retryStrategy": strategy})
    assert nodes(status)["a"]["phase"] == "Failed"
    assert nodes(status)["a"]["message"].startswith(message)
    tried = [n for n in status["nodes"].values() if n["displayName"].startswith("a(")]
    assert len(tried) == attempts
    assert "NotFound" in observed_run({"metadata": {"name": "one"}, "status": status}).nodes["a"].message


async def test_objects_are_created_patched_and_deleted(any_cluster: ArgoCluster) -> None:
    patch = resource("patch", "patch", config_map("cm", v="patched"), mergeStrategy="merge")
    delete = resource("delete", "delete", config_map("cm"))
    again = {**delete, "name": "again"}
    status = await run(
        any_cluster,
        dag(
            call("create", "create"),
            call("patch", "patch", "create"),
            call("delete", "delete", "patch"),
            call("again", "again", "delete"),
        ),
        resource("create", "create", config_map("cm", v="new")),
        patch,
        delete,
        again,
    )
    assert status["phase"] == "Succeeded", status
    with pytest.raises(ApiAnswerError, match="404"):
        await any_cluster.config_map("cm")


async def test_a_delete_by_selectors_leaves_another_owners_object(any_cluster: ArgoCluster) -> None:
    path = f"/api/v1/namespaces/{any_cluster.namespace}/configmaps"
    for name, owner in (("mine", "me"), ("theirs", "them"), ("other", "me")):
        await any_cluster.client.call("POST", path, {"metadata": {"name": name, "labels": {"owner": owner}}})
    flags = [
        "configmaps",
        "--selector=owner=me",
        "--field-selector=metadata.name={{inputs.parameters.name}}",
        "--timeout=1m",
    ]
    step = resource("delete", "delete", flags=flags, inputs=declared(name=None))
    status = await run(any_cluster, dag(call("a", "delete", name="mine"), call("b", "delete", name="theirs")), step)
    assert status["phase"] == "Succeeded", status
    left = (await any_cluster.client.call("GET", path))["items"]
    assert {one["metadata"]["name"] for one in left} >= {"theirs", "other"}
    assert "mine" not in {one["metadata"]["name"] for one in left}


async def test_a_dry_run_and_a_conflict_refuse_without_a_write(any_cluster: ArgoCluster) -> None:
    path = f"/api/v1/namespaces/{any_cluster.namespace}/configmaps"
    dry = resource("dry", "create", config_map("cm", v="dry"), flags=["--dry-run=server"])
    status = await run(any_cluster, dag(call("dry", "dry"), call("dry-too", "dry", "dry")), dry)
    assert status["phase"] == "Succeeded", status
    await any_cluster.client.call("POST", path, {"metadata": {"name": "cm"}, "data": {"v": "theirs"}})
    await any_cluster.submit(workflow("two", task("a", template="t")))
    async with any_cluster.executing():
        message = nodes(await any_cluster.ended("two"))["a"]
    assert message["phase"] == "Failed"
    assert (await any_cluster.config_map("cm"))["data"] == {"v": "theirs"}


async def test_what_is_not_found_can_be_accepted(cluster: ArgoCluster) -> None:
    look = resource("look", "get", flags=["configmap", "absent", "--ignore-not-found"], out="{.data.v}")
    look["outputs"]["parameters"][0]["valueFrom"]["default"] = "none"
    exports = {"v": {"parameter": "{{tasks.look.outputs.parameters.out}}"}}
    status = await run(cluster, dag(call("look", "look"), exports=exports), look)
    assert outputs(nodes(status)["a"]) == {"v": "none"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "main", "container": {"image": "x"}}, "cannot execute template 'main': it does not know 'container'"),
        ({"name": "main", "script": {"image": "x", "source": "x"}}, "it does not know 'script'"),
        ({"name": "main", "suspend": {}}, "it does not know 'suspend'"),
        ({"name": "main", "http": {"url": "x"}}, "it does not know 'http'"),
        (resource("main", "replace", config_map("cm")), "does not know the action 'replace'"),
        (resource("main", "apply", config_map("cm"), flags=[]), "give the flag --server-side"),
        (resource("main", "get", config_map("cm"), flags=["--watch"]), "does not know kubectl's flag '--watch'"),
        (resource("main", "get", "kind: X\napiVersion: nope/v1\nmetadata: {name: x}"), 'no matches for kind "X"'),
        (resource("main", "apply", "a: [b"), "error converting YAML to JSON"),
        (
            resource("main", "apply", config_map("cm", v="{{=sprig.genCA('x', 1)}}")),
            "does not know the function sprig.genCA",
        ),
        (resource("main", "apply", config_map("cm"), successCondition='a.#(b=="c")'), "failed to parse"),
        (resource("main", "apply", config_map("cm"), out="{.data[*]}"), "does not know '[*]'"),
        (dag({**call("x", "write"), "withItems": ["a"]}), "does not know 'withItems'"),
        (dag(call("x", "nowhere")), "template reference t.nowhere not found"),
        (dag(call("x", "write", when="a b")), "Invalid 'when' expression"),
        (dag(call("x", "write", "y.Succeeded")), "dependency 'y' not defined"),
    ],
)
async def test_what_cannot_be_executed_fails_the_run(cluster: ArgoCluster, entry: Json, message: str) -> None:
    status = await run(cluster, entry, WRITE)
    assert status["phase"] in {"Failed", "Error"}
    assert message in observed_run({"metadata": {"name": "one"}, "status": status}).nodes["a"].message


async def test_steps_have_the_rights_of_the_workflows_service_account(any_cluster: ArgoCluster) -> None:
    namespace = any_cluster.namespace
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    client = any_cluster.client
    await client.call("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "runner"}})
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
    await client.call("POST", f"{rbac}/roles", {"metadata": {"name": "runner"}, "rules": rules})
    binding = {
        "metadata": {"name": "runner"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "runner"},
        "subjects": [{"kind": "ServiceAccount", "name": "runner", "namespace": namespace}],
    }
    await client.call("POST", f"{rbac}/rolebindings", binding)
    entries = (dag(call("write", "write")), WRITE)
    async with any_cluster.executing(template("t", *entries), impersonate=True):
        await any_cluster.submit(workflow("one", task("a", template="t"), serviceAccountName="runner"))
        await any_cluster.submit(workflow("two", task("a", template="t"), serviceAccountName="nobody"))
        refused = await any_cluster.ended("one")
        unknown = await any_cluster.ended("two")
    message = observed_run({"metadata": {"name": "one"}, "status": refused}).nodes["a"].message
    assert f'User "system:serviceaccount:{namespace}:runner" cannot patch resource "configmaps"' in message
    assert f"error looking up service account {namespace}/nobody" in nodes(unknown)["a"]["message"]


async def test_a_restarted_controller_begins_a_task_again(cluster: ArgoCluster) -> None:
    wait = resource("wait", "get", config_map("cm"), successCondition="data.v == ready")
    entries = (dag(call("write", "write"), call("wait", "wait", "write")), WRITE, wait)
    async with cluster.executing(template("t", *entries)):
        await cluster.submit(workflow("one", task("a", template="t")))
        await cluster.node_phase("one", "a", "Running")
    async with cluster.executing():
        await asyncio.sleep(0.3)
        path = f"/api/v1/namespaces/{cluster.namespace}/configmaps/cm"
        patch = {"data": {"v": "ready"}}
        await cluster.client.call("PATCH", path, patch, content_type="application/merge-patch+json")
        status = await cluster.ended("one")
    assert phases(status)["a"] == "Succeeded"
    assert status["phase"] == "Succeeded"
