"""What a user's value does on its way into a manifest: each row of what was tried on Argo's own substitution.

The simulator leaks where Argo leaks, so that an escape that is missing shows in dev mode and in the tests.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.dev.argo import declared, inputs, nodes, task, template, workflow

if TYPE_CHECKING:
    from tests.dev.argo import ArgoCluster

SECRET = "canary-4711"
ESCAPED = "{\\u007bworkflow.parameters.secret}}"
#: How a value stands in the manifest: as text within quotes, bare, or as JSON that an object consists of.
QUOTED = "data: {value: '{{inputs.parameters.value}}'}"
BARE = "data:\n  value: {{inputs.parameters.value}}"
JSON = "data: {{inputs.parameters.value}}"


def show(manifest: str, **resource: Any) -> dict[str, Any]:
    """A template that writes its input into a ConfigMap, and one with an output that is nobody's business."""
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shown}\n"
    flags = ["--server-side", "--field-manager=test"]
    step = {"action": "apply", "flags": flags, "manifest": head + manifest, **resource}
    main = {"name": "main", "inputs": declared(value=None, other=f"other-{SECRET}"), "resource": step}
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: first}\n"
    out = {"name": "out", "valueFrom": {"jsonPath": "{.data.out}"}}
    first = {
        "name": "first",
        "resource": {"action": "apply", "flags": flags, "manifest": f"{head}data: {{out: out-{SECRET}}}"},
        "outputs": {"parameters": [out]},
    }
    return template("show", main, first)


def run(value: str, *, inline: bool) -> dict[str, Any]:
    """A Workflow that hands a value over, in the task or through its own parameters."""
    given = value if inline else "{{workflow.parameters.user}}"
    tasks = [task("t0", template="show", entry="first"), task("t1", "t0.Succeeded", template="show", value=given)]
    own = [{"name": "secret", "value": SECRET}, *([] if inline else [{"name": "user", "value": value}])]
    return workflow("one", *tasks, arguments={"parameters": own})


async def ended(cluster: ArgoCluster, value: str, manifest: str = QUOTED, *, inline: bool = True) -> dict[str, Any]:
    async with cluster.executing(show(manifest)):
        await cluster.submit(run(value, inline=inline))
        return await cluster.ended("one")


async def shown(cluster: ArgoCluster, value: str, manifest: str = QUOTED, *, inline: bool = True) -> Any:
    """Return the data of the ConfigMap that the value was written into."""
    status = await ended(cluster, value, manifest, inline=inline)
    assert status["phase"] == "Succeeded", status
    return (await cluster.config_map("shown"))["data"]


BOTH_WAYS = pytest.mark.parametrize("inline", [True, False], ids=["inline", "by-workflow-parameter"])


@BOTH_WAYS
@pytest.mark.parametrize(
    ("value", "leaked"),
    [
        ("x {{workflow.parameters.secret}}", f"x {SECRET}"),
        ("{{ workflow.name }}", "one"),
        ("{{tasks.t0.outputs.parameters.out}}", f"out-{SECRET}"),
        ("{{=workflow.parameters.secret}}", SECRET),
        ("{{=workflow.name + '!'}}", "one!"),
    ],
)
async def test_tags_in_values_are_disclosed(cluster: ArgoCluster, value: str, leaked: str, *, inline: bool) -> None:
    assert await shown(cluster, value, BARE, inline=inline) == {"value": leaked}


@pytest.mark.parametrize(
    ("value", "leaked"),
    [
        ("{{=inputs.parameters.other}}", f"other-{SECRET}"),
        ("{{=tasks.t0.outputs.parameters.out}}", f"out-{SECRET}"),
    ],
)
async def test_expressions_reach_inputs_and_outputs(cluster: ArgoCluster, value: str, leaked: str) -> None:
    assert await shown(cluster, value, BARE) == {"value": leaked}


async def test_an_input_of_the_template_is_disclosed_unless_validation_sees_the_tag(cluster: ArgoCluster) -> None:
    value = "{{inputs.parameters.other}}"
    assert await shown(cluster, value, inline=False) == {"value": f"other-{SECRET}"}


async def test_validation_sees_the_tag_of_an_input_in_arguments(cluster: ArgoCluster) -> None:
    status = await ended(cluster, "{{inputs.parameters.other}}")
    assert status["phase"] == "Failed"
    assert status["message"] == "invalid spec: templates.main.tasks.t1 failed to resolve {{inputs.parameters.other}}"


async def test_one_expression_gives_all_parameters_away_and_breaks_the_json(cluster: ArgoCluster) -> None:
    status = await ended(cluster, "{{=toJson(workflow.parameters)}}", 'data: {value: "{{inputs.parameters.value}}"}')
    leaked = json.loads(inputs(nodes(status)["t1"])["value"])
    assert leaked == {"secret": SECRET}
    assert status["phase"] == "Failed"


@BOTH_WAYS
async def test_a_tag_that_a_value_hides_is_expanded_in_a_later_pass(cluster: ArgoCluster, *, inline: bool) -> None:
    hidden = base64.b64encode(b"{{workflow.parameters.secret}}").decode()
    value = f"{{{{=sprig.b64dec('{hidden}')}}}}"
    assert "workflow." not in value
    assert await shown(cluster, value, BARE, inline=inline) == {"value": SECRET}


async def test_a_missing_output_in_an_expression_is_waited_for_without_an_end(cluster: ArgoCluster) -> None:
    async with cluster.executing(show(QUOTED)):
        await cluster.submit(run("{{=tasks.nope.x}}", inline=True))
        await cluster.node_phase("one", "t0", "Succeeded")
        await asyncio.sleep(0.3)
        status = (await cluster.get("one"))["status"]
    assert status["phase"] == "Running"
    assert set(nodes(status)) == {"t0"}


@pytest.mark.parametrize("value", ["{{tasks.nope.x}}", "{{workflow.nope}}"])
async def test_a_tag_that_leads_nowhere_is_an_invalid_spec(cluster: ArgoCluster, value: str) -> None:
    status = await ended(cluster, value)
    assert status["phase"] == "Failed"
    assert status["message"] == f"invalid spec: templates.main.tasks.t1 failed to resolve {value}"
    assert status["nodes"] == {}


@pytest.mark.parametrize("value", ["{{=foo(}}", "{{=workflow.name", "{{ {{=foo("])
async def test_a_malformed_expression_ends_the_run(cluster: ArgoCluster, value: str) -> None:
    status = await ended(cluster, value)
    assert status["phase"] in {"Failed", "Error"}


@BOTH_WAYS
@pytest.mark.parametrize("value", ["{{name}}", "lone }} braces", "{{ .Values.x }}", "a {b} c", "{}", "100% {"])
async def test_other_braces_are_left_alone(cluster: ArgoCluster, value: str, *, inline: bool) -> None:
    assert await shown(cluster, value, inline=inline) == {"value": value}


@BOTH_WAYS
async def test_compact_json_is_left_alone(cluster: ArgoCluster, *, inline: bool) -> None:
    value = {"a": "{", "b": '{"c":{"d":"}}"}}'}
    text = json.dumps(value, separators=(",", ":"))
    assert await shown(cluster, text, JSON, inline=inline) == value


@BOTH_WAYS
async def test_an_escaped_tag_reaches_the_object_verbatim(cluster: ArgoCluster, *, inline: bool) -> None:
    value = json.dumps({"note": "PLACE"}).replace("PLACE", ESCAPED)
    assert await shown(cluster, value, JSON, inline=inline) == {"note": "{{workflow.parameters.secret}}"}


async def test_base64_reaches_the_object_verbatim(cluster: ArgoCluster) -> None:
    value = base64.b64encode(b"{{workflow.parameters.secret}}").decode()
    assert await shown(cluster, value) == {"value": value}


async def test_a_newline_writes_yaml(cluster: ArgoCluster) -> None:
    assert await shown(cluster, "x\n  injected: 'yes'", BARE) == {"value": "x", "injected": "yes"}


async def test_an_owner_reference_undoes_the_escape(cluster: ArgoCluster) -> None:
    value = json.dumps({"note": "PLACE"}).replace("PLACE", ESCAPED)
    async with cluster.executing(show(JSON, setOwnerReference=True)):
        await cluster.submit(run(value, inline=True))
        assert (await cluster.ended("one"))["phase"] == "Succeeded"
        found = await cluster.config_map("shown")
        uid = (await cluster.get("one"))["metadata"]["uid"]
    assert found["data"] == {"note": SECRET}
    assert [owner["uid"] for owner in found["metadata"]["ownerReferences"]] == [uid]
