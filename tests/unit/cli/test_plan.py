"""`plan FILE`, offline: the JSON that programs rely on, and errors in the terms of the user's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.cli.conftest import Call
from tests.unit.cli.plans import GOLDEN, documents
from worker.cli.exits import Exit
from worker.domain.classify import TYPES

# Task 5.4 of the platform's roadmap, word for word.
REFERENCE = """
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: test-reference-app
spec:
  components:
    - name: user-db
      type: postgresql  # Pattern 3
      properties:
        size: small
    - name: user-cache
      type: redis  # Pattern 3
      properties:
        size: small
    - name: streaming
      type: realtime-platform  # Pattern 3
      properties:
        enableKafka: true
    - name: user-service
      type: webservice  # Pattern 1
      properties:
        database: user-db  # Reference
        cache: user-cache   # Reference
        realtime: streaming # Reference
"""


def application(*components: dict[str, Any], **metadata: Any) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "core.oam.dev/v1beta1",
            "kind": "Application",
            "metadata": {"name": "shop", **metadata},
            "spec": {"components": list(components)},
        }
    )


def plan(call: Call, document: str, *, code: int = 0) -> dict[str, Any]:
    done = call("plan", "-", "--output", "json", input=document)
    assert done.exit_code == code, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", documents())
def test_golden(name: str, call: Call) -> None:
    done = call("plan", str(documents()[name]), "--output", "json")
    golden = GOLDEN / f"{name}.json"
    assert done.exit_code == 0, done.output
    assert done.stdout == golden.read_text(encoding="utf-8"), "python -m tests.unit.cli.regenerate writes it anew"


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(documents())


def test_the_reference_application(call: Call) -> None:
    found = plan(call, REFERENCE)
    assert list(found) == ["application", "tasks", "unchanged", "skipped", "warnings", "errors"]
    assert found["application"] == {"namespace": "default", "name": "test-reference-app"}
    tasks = found["tasks"]
    for task in tasks:
        assert list(task) == ["component", "type", "pattern", "action", "workflowTemplate", "dependsOn", "parameters"]
    assert [(t["component"], t["pattern"], t["action"], t["workflowTemplate"]) for t in tasks] == [
        ("user-db", 3, "create", "pattern3-infrastructure-workflow"),
        ("user-cache", 3, "create", "pattern3-infrastructure-workflow"),
        ("streaming", 3, "create", "realtime-platform-workflow"),
        ("user-service", 1, "create", "pattern1-foundational-workflow"),
    ]
    assert [t["dependsOn"] for t in tasks] == [[], [], [], ["user-db", "user-cache", "streaming"]]
    parameters = tasks[3]["parameters"]
    assert parameters["database_secret"] == "{{tasks.c-user-db.outputs.parameters.connection_secret}}"
    assert parameters["cache_secret"] == "{{tasks.c-user-cache.outputs.parameters.connection_secret}}"
    assert parameters["realtime_endpoint"] == "{{tasks.c-streaming.outputs.parameters.endpoint}}"
    assert all(isinstance(value, str) for task in tasks for value in task["parameters"].values())
    assert found["unchanged"] == found["skipped"] == found["warnings"] == found["errors"] == []


def test_all_sixteen_types_in_order(call: Call) -> None:
    found = plan(call, Path("worker/dev/scenario/mixed.yaml").read_text())
    tasks = found["tasks"]
    assert {task["type"] for task in tasks} == set(TYPES)
    patterns = [task["pattern"] for task in tasks]
    assert patterns == sorted(patterns, reverse=True)
    done: set[str] = set()
    for task in tasks:
        assert set(task["dependsOn"]) <= done, "execution order"
        done.add(task["component"])


def test_the_same_document_has_the_same_plan(call: Call) -> None:
    assert plan(call, REFERENCE) == plan(call, REFERENCE)


def test_json_is_read_like_yaml(call: Call) -> None:
    assert plan(call, json.dumps(yaml.safe_load(REFERENCE))) == plan(call, REFERENCE)


def test_several_documents_are_a_list(call: Call) -> None:
    done = call("plan", "-", "--output", "json", input=f"{REFERENCE}\n---\n{application()}")
    assert [one["application"]["name"] for one in json.loads(done.stdout)] == ["test-reference-app", "shop"]


def test_an_application_claim_is_the_guided_form(call: Call) -> None:
    found = plan(call, Path("worker/dev/scenario/request.yaml").read_text())
    assert [task["component"] for task in found["tasks"]] == [
        "my-health-service-db",
        "my-health-service-cache",
        "my-health-service",
    ]
    assert found["tasks"][2]["parameters"]["bootstrap_source"] == "api-driven"


def test_an_unknown_type_is_skipped_with_a_reason(call: Call) -> None:
    found = plan(call, application({"name": "a", "type": "webservice"}, {"name": "b", "type": "postgressql"}))
    assert [task["component"] for task in found["tasks"]] == ["a"]
    [skipped] = found["skipped"]
    assert (skipped["component"], skipped["type"]) == ("b", "postgressql")
    assert "did you mean postgresql" in skipped["reason"]
    assert "did you mean postgresql" in found["warnings"][0]


@pytest.mark.parametrize(
    ("components", "component", "path", "says"),
    [
        (
            [{"name": "db", "type": "postgresql", "properties": {"size": "huge"}}],
            "db",
            "$.spec.components[0].properties.size",
            "use one of small, medium, large, xlarge",
        ),
        (
            [{"name": "api", "type": "webservice", "properties": {"database": "nowhere"}}],
            "api",
            "$.spec.components[0].properties.database",
            "nothing provides",
        ),
        ([{"name": "API", "type": "webservice"}], "API", "$.spec.components[0].name", "lower-case"),
        ([{"name": "api"}], "api", "$.spec.components[0].type", "missing"),
        (
            [
                {"name": "a", "type": "webservice", "dependsOn": ["b"]},
                {"name": "b", "type": "webservice", "dependsOn": ["a"]},
            ],
            None,
            "$.spec.components",
            "a → b → a",
        ),
        (
            [{"name": "chat", "type": "rasa-chatbot", "properties": {"policies": ["x" * 1000] * 70}}],
            "chat",
            "$..components[?(@.name=='chat')].properties",
            "a claim takes 65536",
        ),
    ],
)
def test_errors_name_component_path_and_fix(
    components: list[dict[str, Any]], component: str | None, path: str, says: str, call: Call
) -> None:
    found = plan(call, application(*components), code=2)
    assert found["application"] == {"namespace": "default", "name": "shop"}
    assert found["tasks"] == []
    error = found["errors"][0]
    assert list(error) == ["component", "path", "message"]
    assert error["path"].startswith(path)
    assert says in error["message"]
    assert component is None or error["component"] == component


def test_a_secret_is_rejected_without_being_shown(call: Call) -> None:
    canary = "hunter2-canary"
    document = application({"name": "db", "type": "neon-postgres", "properties": {"credentials": {"password": canary}}})
    done = call("plan", "-", "-o", "json", input=document)
    assert done.exit_code == Exit.INVALID
    assert "credentialsSecretRef" in done.stdout
    assert canary not in done.output


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1", "no YAML"),
        ("a: 1\na: 2", "the key 'a' is there twice"),
        ("", "holds no document"),
        ("- 1", "the document is no object"),
        ("kind: Deployment", "cannot be published"),
        ("? [a]\n: 1", "a key is no text"),
        ("a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(7)
        ), "expand to too much"),
        ("a: &a\n  b: *a", "expand to too much"),
        ("a: .nan", "no JSON form"),
    ],
)  # fmt: skip
def test_broken_documents_are_one_error(text: str, says: str, call: Call) -> None:
    found = plan(call, text, code=2)
    assert says in found["errors"][0]["message"]


def test_a_missing_file_is_one_error(call: Call) -> None:
    done = call("plan", "no-such-file.yaml")
    assert done.exit_code == Exit.INVALID
    assert done.stdout == ""
    assert done.stderr == "error: no-such-file.yaml cannot be read: No such file or directory; check the path\n"
    told = json.loads(call("plan", "no-such-file.yaml", "--output", "json").stdout)
    assert "no-such-file.yaml cannot be read" in told["errors"][0]["message"]


def test_keys_are_texts_as_in_json(call: Call) -> None:
    properties = {"name": "a", "type": "webservice", "properties": {"extra": {}}}
    document = application(properties).replace("extra: {}", "extra: {80: x, on: y, 1.5: z}")
    assert plan(call, document)["errors"] == []


def test_merge_keys_and_anchors_are_read(call: Call) -> None:
    document = REFERENCE.replace("        size: small", "        &small\n        size: small", 1).replace(
        "        size: small\n    - name: streaming", "        <<: *small\n    - name: streaming"
    )
    assert [task["parameters"].get("size") for task in plan(call, document)["tasks"]][:2] == ["small", "small"]


def test_times_stay_as_they_are_written(call: Call) -> None:
    document = REFERENCE.replace("  name: test", "  creationTimestamp: 2025-08-12T09:30:00Z\n  name: test")
    assert plan(call, document)["errors"] == []


def test_the_table_says_order_and_reason(call: Call) -> None:
    done = call("plan", "-", input=REFERENCE)
    assert done.exit_code == 0
    lines = [line.split() for line in done.stdout.splitlines()]
    rows = [line for line in lines if line[:1] and line[0].isdigit() and "create" in line]
    assert [row[3] for row in rows] == ["user-db", "user-cache", "streaming", "user-service"]
    assert "database_secret = {{tasks.c-user-db.outputs.parameters.connection_secret}}" in done.stdout
    assert "4 to create: the event would be accepted" in done.stdout


def test_control_characters_cannot_drive_the_terminal(call: Call) -> None:
    document = application({"name": "a", "type": "webservice", "properties": {"language": "\x1b[2Jevil"}})
    done = call("plan", "-", input=document)
    assert "\x1b" not in done.output


def test_yaml_output(call: Call) -> None:
    done = call("plan", "-", "--output", "yaml", input=REFERENCE)
    assert yaml.safe_load(done.stdout) == plan(call, REFERENCE)
