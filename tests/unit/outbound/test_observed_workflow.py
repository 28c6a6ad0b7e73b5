"""What is read of a Workflow object, as Argo 3.7 and 4 write them and as other tools may."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from worker.domain.observed import ObservedNode
from worker.outbound.observed_workflow import observed_run

RUN = "orders-3-1-0123456789"


def workflow(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": RUN,
            "creationTimestamp": "2026-11-21T06:00:00Z",
            "labels": {"app.oam.dev/name": "orders", "app.oam.dev/namespace": "shop"},
            "annotations": {"platform.io/delivery": "2026-01-01T00:00:00Z:7"},
        },
        "spec": {"suspend": True},
        "status": status,
    }


def node(number: str, boundary: str = RUN, phase: str = "Succeeded", **more: Any) -> dict[str, Any]:
    return {"id": number, "displayName": f"c-{number}", "boundaryID": boundary, "phase": phase, "type": "Pod", **more}


def nodes(*some: dict[str, Any]) -> dict[str, Any]:
    root = {"id": RUN, "name": RUN, "displayName": RUN, "type": "DAG", "phase": "Running"}
    return {one["id"]: one for one in (root, *some)}


def test_identity_times_and_switches() -> None:
    found = observed_run(
        workflow(phase="Succeeded", startedAt="2026-11-21T06:01:00Z", finishedAt="2026-11-21T06:02:00Z")
    )
    assert (found.name, found.namespace, found.application) == (RUN, "shop", "orders")
    assert found.delivery == "2026-01-01T00:00:00Z:7"
    assert (found.suspended, found.shutdown, found.superseded_by) == (True, "", "")
    assert (found.finished, found.finished_at - found.created_at) == (True, 120.0)


def test_full_names_win_over_labels_that_had_to_be_cut() -> None:
    value = workflow()
    value["metadata"]["annotations"] |= {"platform.io/namespace": "n" * 70, "platform.io/application": "a" * 90}
    found = observed_run(value)
    assert (found.namespace, found.application) == ("n" * 70, "a" * 90)


@pytest.mark.parametrize(
    ("label", "status", "finished"),
    [
        ("true", {}, True),
        ("false", {"phase": "Running"}, False),
        ("false", {"phase": "Failed"}, False),
        ("", {"phase": "Error", "finishedAt": "2026-11-21T06:02:00Z"}, True),
        ("", {"phase": "Running", "finishedAt": "2026-11-21T06:02:00Z"}, False),
    ],
)
def test_the_end(label: str, status: dict[str, Any], finished: bool) -> None:
    value = workflow(**status)
    value["metadata"]["labels"]["workflows.argoproj.io/completed"] = label
    assert observed_run(value).finished is finished


def test_only_the_nodes_of_the_entry_dag_count() -> None:
    outputs = {"parameters": [{"name": "endpoint", "value": "db:5432"}, {"name": "unset"}]}
    inner = node("inner", boundary="db")
    found = observed_run(workflow(nodes=nodes(node("db", outputs=outputs), inner)))
    assert found.nodes == {"c-db": ObservedNode("Succeeded", "", {"endpoint": "db:5432"})}


def test_compressed_nodes_are_the_same() -> None:
    plain = nodes(node("db", phase="Failed", message="why"))
    packed = base64.b64encode(gzip.compress(json.dumps(plain).encode())).decode()
    assert observed_run(workflow(compressedNodes=packed)).nodes == observed_run(workflow(nodes=plain)).nodes
    assert observed_run(workflow(compressedNodes=packed)).nodes["c-db"].message == "why"


def test_a_failed_task_says_what_the_first_failed_step_said() -> None:
    task = node("db", phase="Failed", type="Steps", message="child 'orders-1' failed")
    group = node("group", "db", "Failed", type="StepGroup", message="child 'orders-2' failed", startedAt="1")
    fine = node("apply", "db", startedAt="2")
    later = node("wait-2", "db", "Failed", message="context deadline exceeded", startedAt="4")
    first = node("wait", "db", "Error", message="quota exceeded", startedAt="3")
    found = observed_run(workflow(nodes=nodes(task, later, group, fine, first))).nodes
    assert found == {"c-db": ObservedNode("Failed", "quota exceeded")}


def test_a_task_that_was_retried_says_what_its_last_attempt_said() -> None:
    task = node("db", phase="Failed", type="Retry", message="No more retries left", children=["a0", "a1"])
    attempts = [node("a0", phase="Failed", message="first"), node("a1", phase="Failed", message="last")]
    found = observed_run(workflow(nodes=nodes(task, *attempts))).nodes
    assert found == {"c-db": ObservedNode("Failed", "last")}


@pytest.mark.parametrize(
    ("why", "message"),
    [
        ("Step exceeded its deadline", "no node has 500 GiB (Step exceeded its deadline)"),
        ("", "no node has 500 GiB"),
    ],
)
def test_what_a_step_found_out_about_a_failure_comes_first(why: str, message: str) -> None:
    task = node("db", phase="Failed", type="DAG")
    wait = node("wait", "db", "Failed", message=why, startedAt="1")
    outputs = {"parameters": [{"name": "reason", "value": "no node has 500 GiB"}]}
    explain = node("explain-failure", "db", outputs=outputs, startedAt="2")
    assert observed_run(workflow(nodes=nodes(task, wait, explain))).nodes == {"c-db": ObservedNode("Failed", message)}


def test_a_retried_task_that_succeeded_in_the_end_succeeded() -> None:
    task = node("db", type="Retry", children=["a0", "a1"])
    found = observed_run(workflow(nodes=nodes(task, node("a0", phase="Failed", message="first"), node("a1")))).nodes
    assert found == {"c-db": ObservedNode("Succeeded")}


def test_a_circle_of_nodes_ends() -> None:
    one, two = node("one", phase="Failed", message="x"), node("two", "one", "Failed", message="child 'a' failed")
    three = node("one2", "two", "Failed", id="one", message="")
    observed_run(workflow(nodes={"1": one, "2": two, "3": three}))


@pytest.mark.parametrize(
    "status",
    [
        {"nodes": "text"},
        {"nodes": {"a": None, "b": 3, "c": []}},
        {"nodes": {"a": {"displayName": 5, "boundaryID": RUN, "phase": ["x"], "outputs": {"parameters": "p"}}}},
        {"nodes": {"a": {"displayName": "a", "boundaryID": RUN, "type": "Retry", "children": "abc"}}},
        {"compressedNodes": "not base64!"},
        {"compressedNodes": base64.b64encode(b"not gzip").decode()},
        {"compressedNodes": base64.b64encode(gzip.compress(b"not json")).decode()},
        {"compressedNodes": base64.b64encode(gzip.compress(b"[" * 100_000)).decode()},
        {"compressedNodes": base64.b64encode(gzip.compress(b" " * 40_000_000)).decode()},
        {"finishedAt": "yesterday", "phase": 7},
    ],
)
def test_nothing_that_somebody_wrote_stops_the_reader(status: dict[str, Any]) -> None:
    assert observed_run(workflow(**status)).name == RUN


def test_an_empty_object_is_no_workflow() -> None:
    assert observed_run({}).name == ""
    assert observed_run({"metadata": None, "spec": 3, "status": "x"}).name == ""
