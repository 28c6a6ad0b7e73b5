"""`templates.yaml` and `streams.yaml`: what the loaders make of them, and what others rely on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from contracts import names
from contracts.streams import seconds, topology
from contracts.templates import TEMPLATES, common_inputs


def test_the_seven_templates() -> None:
    assert sorted(TEMPLATES) == [
        "orchestration-workflow",
        "pattern1-foundational-workflow",
        "pattern2-compositional-workflow",
        "pattern3-infrastructure-workflow",
        "pattern3-provider-workflow",
        "realtime-platform-workflow",
        "vcluster-workflow",
    ]


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=lambda template: template.name)
def test_every_template_takes_the_common_inputs_and_only_text(template) -> None:  # type: ignore[no-untyped-def]
    assert set(common_inputs()) < set(template.inputs)
    assert template.entries == ("main", "teardown")
    assert template.outputs
    for one in template.inputs.values():
        assert one.default is None or isinstance(one.default, str)
        assert one.description
        assert one.required == (one.default is None)


def test_required_inputs() -> None:
    required = {
        name: [one.name for one in template.inputs.values() if one.required] for name, template in TEMPLATES.items()
    }
    assert required == {
        "pattern3-provider-workflow": ["provider_type", "secret_name"],
        "pattern3-infrastructure-workflow": ["infrastructure_type"],
        "realtime-platform-workflow": [],
        "orchestration-workflow": [],
        "pattern2-compositional-workflow": ["component_type", "service_name"],
        "pattern1-foundational-workflow": ["service_name"],
        "vcluster-workflow": ["vcluster_name"],
    }


def test_defaults_that_the_planner_relies_on() -> None:
    inputs = TEMPLATES["pattern3-infrastructure-workflow"].inputs
    assert {
        name: inputs[name].default for name in ("size", "replicas", "monitoring_enabled", "namespace", "vcluster")
    } == {
        "size": "small",
        "replicas": "1",
        "monitoring_enabled": "true",
        "namespace": "default",
        "vcluster": "",
    }


@pytest.mark.parametrize(("profile", "replicas"), [("dev", 1), ("production", 3)])
def test_streams(profile, replicas: int) -> None:  # type: ignore[no-untyped-def]
    wanted = topology(profile)
    events = wanted.streams[names.EVENTS_STREAM]
    assert events.subjects == (names.OAM_SUBJECTS, names.REQUEST_SUBJECTS)
    assert (events.retention, events.discard, events.max_msg_size) == ("workqueue", "new", 262_144)
    assert (events.duplicate_window, events.max_age, events.replicas) == (120.0, None, replicas)
    assert events.max_bytes
    for name, subject in ((names.STATUS_STREAM, names.STATUS_SUBJECTS), (names.DLQ_STREAM, names.DLQ_SUBJECTS)):
        assert wanted.streams[name].subjects == (subject,)
        assert wanted.streams[name].max_age == 30 * 86_400
    consumer = wanted.consumers[names.CONSUMER]
    assert (consumer.stream, consumer.ack_wait, consumer.max_ack_pending, consumer.max_deliver) == (
        names.EVENTS_STREAM,
        30.0,
        1000,
        -1,
    )
    assert consumer.filter_subjects == events.subjects
    bucket = wanted.buckets[names.STATE_BUCKET]
    assert (bucket.history, bucket.allow_direct, bucket.replicas) == (1, False, replicas)


@pytest.mark.parametrize(
    ("text", "value"), [("250ms", 0.25), ("30s", 30), ("2m", 120), ("1h", 3600), ("30d", 2_592_000)]
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "5", "m", "-1s", "1 s"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        seconds(text)


def test_the_hot_path_imports_no_yaml() -> None:
    modules = ["inbound", "components", "status", "templates", "streams"]
    code = f"import sys; {'; '.join(f'import contracts.{one}' for one in modules)}; print('yaml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
