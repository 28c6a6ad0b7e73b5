"""What the builder promises beyond the golden files: no user text opens a tag, limits, determinism, cost."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.records import a_record
from worker.domain.events import AppKey
from worker.domain.model import Action
from worker.domain.record import Record, Run
from worker.errors import Rejected
from worker.outbound.record_codec import loads
from worker.outbound.workflow import MAX_BODY, MAX_TASKS, HeraWorkflowBuilder
from worker.outbound.workflow_settings import WorkflowSettings
from worker.outbound.workflow_text import annotation, digest, escape_json, label_value, literal

BUILDER = HeraWorkflowBuilder(WorkflowSettings())
LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
HOSTILE = st.text(alphabet=st.sampled_from("{}=\\\"'u007b\n\u2028 a[],:#"), max_size=30)
TASK = a_record(1).run.tasks[0]  # type: ignore[union-attr]
JSON = st.recursive(
    HOSTILE | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE, inner, max_size=3),
    max_leaves=10,
)


def run_of(record: Record) -> Run:
    assert record.run is not None
    return record.run


def build(record: Record) -> bytes:
    return BUILDER.build(record.app, "uid-1", run_of(record), record)


@given(HOSTILE | st.text(max_size=40))
def test_a_plain_text_is_unchanged_or_refused(text: str) -> None:
    try:
        written = literal(text, "database", TASK)
    except Rejected:
        return
    assert "{{" not in written
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", written)
    if text[:1] not in {"{", "["}:
        assert written == text


@given(st.lists(JSON) | st.dictionaries(HOSTILE, JSON), st.booleans())
def test_json_is_unchanged_in_meaning(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))
    try:
        written = literal(text, "settings", TASK)
    except Rejected:
        pytest.fail(f"refused: {text!a}")
    assert json.loads(written) == value
    assert "{{" not in written
    assert "\n" not in written
    assert "\u2028" not in written


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{{workflow.uid}}", "Argo tag"),
        ("{{=sprig.env('X')}}", "Argo tag"),
        ("a\nb: c", "'\\n'"),
        ("a\x00", "'\\x00'"),
        ("a\u2028b", "'\\u2028'"),
        ("flag \U000e0067", "'\\U000e0067'"),
        ("{{", "Argo tag"),
        ("{not json {{x}}", "Argo tag"),
        ("[1,\n2]", "'\\n'"),
        ("[1,\r2]", "'\\r'"),
        ('{"a":\t"{{x}}"}', "Argo tag"),
    ],
)
def test_refusals_name_component_parameter_and_reason(value: str, words: str) -> None:
    with pytest.raises(Rejected) as caught:
        literal(value, "database", TASK)
    assert words in caught.value.message
    assert "part-0" in caught.value.message
    assert "database" in caught.value.message
    assert caught.value.path.startswith("$")


@pytest.mark.parametrize("value", ["", "}}", "{x}", "{", "a {b", "{}", "[]", "15", "ünïcode", "\\u007b{"])
def test_harmless_text_is_left_alone(value: str) -> None:
    assert literal(value, "database", TASK) == value


def test_what_argo_cannot_write_as_json_is_written_in_two_halves() -> None:
    value = json.dumps(["\U0001f3f4\U000e0067\U000e007f"], ensure_ascii=False)
    written = literal(value, "settings", TASK)
    assert written.isascii()
    assert json.loads(written) == json.loads(value)


def test_overlapping_braces_are_escaped_everywhere() -> None:
    for count in range(2, 9):
        assert json.loads(escape_json(json.dumps(["{" * count]))) == ["{" * count]
        assert "{{" not in escape_json(json.dumps(["{" * count]))


@given(HOSTILE | st.text())
def test_annotations_are_short_and_open_no_tag(text: str) -> None:
    written = annotation(text)
    assert "{{" not in written
    assert len(written) <= 512
    written.encode()


@given(st.text(max_size=80) | st.from_regex(r"[a-z0-9.-]{1,253}", fullmatch=True))
def test_label_values_are_valid(text: str) -> None:
    assert LABEL.fullmatch(label_value(text)), label_value(text)


@given(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=80))
def test_different_names_have_different_labels(one: str, other: str) -> None:
    assert (label_value(one) == label_value(other)) == (one == other)


def test_digests_keep_parts_apart() -> None:
    assert digest("a", "bc", length=16) != digest("ab", "c", length=16)
    assert len(digest("a", length=16)) == 16


def test_the_mutex_is_the_applications_own() -> None:
    def mutex(instance: str, app: AppKey) -> str:
        record = replace(a_record(1), app=app)
        body = HeraWorkflowBuilder(WorkflowSettings(instance=instance)).build(app, "", run_of(record), record)
        (only,) = json.loads(body)["spec"]["synchronization"]["mutexes"]
        return str(only["name"])

    apps = [AppKey("a", "b-c"), AppKey("a-b", "c"), AppKey("a", "b"), AppKey("b", "a")]
    names = {mutex(instance, app) for instance in ("default", "other") for app in apps}
    assert len(names) == 8
    assert mutex("default", apps[0]) == mutex("default", apps[0])


def test_the_snapshot_is_the_record_without_what_the_body_says() -> None:
    record = a_record(3)
    metadata = json.loads(build(record))["metadata"]
    kept = loads(metadata["annotations"]["platform.io/record"].encode(), "annotation")
    assert kept.components == record.components
    assert kept.owner == record.owner
    assert run_of(kept).name == run_of(record).name
    assert [task.outputs_of for task in run_of(kept).tasks] == [task.outputs_of for task in run_of(record).tasks]
    assert not any(task.parameters for task in run_of(kept).tasks)


def test_a_snapshot_that_is_too_large_for_an_annotation_is_left_out() -> None:
    record = a_record(1)
    (component,) = record.components
    large = replace(component, spec=replace(component.spec, inputs={"x": "y" * 140_000}))
    metadata = json.loads(build(replace(record, components=(large,))))["metadata"]
    assert "platform.io/record" not in metadata["annotations"]
    assert sum(len(key) + len(value) for key, value in metadata["annotations"].items()) < 262_144


def test_the_number_of_tasks_is_limited() -> None:
    assert len(json.loads(build(a_record(MAX_TASKS)))["spec"]["templates"][0]["dag"]["tasks"]) == MAX_TASKS
    with pytest.raises(Rejected) as caught:
        build(a_record(MAX_TASKS + 1))
    assert caught.value.code == "too-many-tasks"


def test_a_body_above_the_limit_is_refused_before_it_is_sent() -> None:
    record = a_record(1)
    task = replace(TASK, parameters={f"settings-{n}": "x" * 65_536 for n in range(1 + MAX_BODY // 65_536)})
    with pytest.raises(Rejected) as caught:
        build(replace(record, run=replace(run_of(record), tasks=(task,))))
    assert caught.value.code == "workflow-too-large"


@pytest.mark.parametrize(
    ("text", "fits"), [("x" * 65_536, True), ("x" * 65_537, False), ('["' + "{{" * 10_000 + '"]', False)]
)
def test_no_parameter_is_longer_than_what_a_claim_takes(text: str, fits: bool) -> None:
    """Escaped it counts, as it is sent; teardown reads none of it, and must not fail for it."""
    run = run_of(a_record(1))
    task = replace(TASK, parameters={"settings": text})
    if fits:
        build(replace(a_record(1), run=replace(run, tasks=(task,))))
        return
    with pytest.raises(Rejected, match="a claim takes 65536") as caught:
        build(replace(a_record(1), run=replace(run, tasks=(task,))))
    assert (caught.value.code, caught.value.component) == ("too-long", task.component)
    build(replace(a_record(1), run=replace(run, tasks=(replace(task, action=Action.REMOVE),))))


def test_building_again_gives_the_same_bytes() -> None:
    assert build(a_record(5)) == build(a_record(5))


def test_ten_tasks_cost_little() -> None:
    record = a_record(10)
    build(record)
    best = min(_timed(record) for _ in range(20))
    assert best < 0.005, f"{best * 1000:.2f} ms"


def _timed(record: Record) -> float:
    started = time.process_time()
    build(record)
    return time.process_time() - started


def test_hera_is_imported_by_those_who_build_and_by_nobody_else() -> None:
    code = (
        "import sys, worker.outbound.rebuild; from worker.outbound.workflow import *; "
        "builder = HeraWorkflowBuilder(WorkflowSettings()); print('hera' in sys.modules); "
        "builder.warm(); print('hera' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert told == ["False", "True"]
