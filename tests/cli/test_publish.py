"""`publish` and `streams` on a real nats-server."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.js.api import StreamConfig
from nats.js.errors import APIError

from contracts.inbound import InboundEvent, decode
from tests.cli.conftest import Broker, Call, read_json
from worker.cli.exits import Exit

REFERENCE = "worker/dev/scenario/reference.yaml"
REQUEST = "worker/dev/scenario/request.yaml"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_what_is_published_is_what_the_worker_reads(call: Call, broker: Broker) -> None:
    [app, claim] = read_json(call("publish", REFERENCE, REQUEST, "-o", "json"))
    assert app["subject"] == "platform.oam.default.test-reference-app"
    assert claim["subject"] == "platform.request.default.my-health-service"
    assert [app["sequence"], claim["sequence"]] == [1, 2]
    first, second = broker.messages("PLATFORM_EVENTS")
    event = decode(first.headers, first.data)
    assert isinstance(event, InboundEvent)
    assert (event.id, event.type, event.name) == (app["id"], app["type"], "test-reference-app")
    assert first.headers["Nats-Msg-Id"] == f"{app['subject']}:{app['id']}"
    assert json.loads(second.data)["data"]["kind"] == "microservice"


def test_the_same_file_twice_is_not_stored_and_said_so(call: Call, broker: Broker) -> None:
    assert call("publish", REFERENCE).exit_code == 0
    done = call("publish", REFERENCE)
    assert done.exit_code == Exit.REFUSED
    assert "not stored" in done.stderr
    assert read_json(call("publish", REFERENCE, "-o", "json"), Exit.REFUSED)[0]["stored"] is False
    assert len(broker.messages("PLATFORM_EVENTS")) == 1
    assert call("publish", REFERENCE, "--id", "once-more").exit_code == 0


def test_the_id_of_a_cloudevent_is_kept_and_can_be_replaced(call: Call, broker: Broker) -> None:
    file = "worker/dev/scenario/reference-deleted.yaml"
    assert read_json(call("publish", file, "-o", "json"))[0]["id"] == "demo-delete"
    assert read_json(call("publish", file, "--id", "mine", "-o", "json"))[0]["id"] == "mine"
    assert [json.loads(m.data)["id"] for m in broker.messages("PLATFORM_EVENTS")] == ["demo-delete", "mine"]


def test_the_trace_context_is_passed_on(call: Call, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEPARENT", TRACE)
    assert call("publish", REFERENCE).exit_code == 0
    assert json.loads(broker.messages("PLATFORM_EVENTS")[0].data)["traceparent"] == TRACE


def test_a_trace_context_of_the_file_is_kept(
    call: Call, broker: Broker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRACEPARENT", TRACE)
    own = TRACE.replace("0af7", "1bf8")
    event = {"specversion": "1.0", "id": "e", "source": "urn:x", "type": "io.platform.provisioning.retry.requested.v1"}
    file = tmp_path / "event.json"
    file.write_text(json.dumps({**event, "traceparent": own, "data": {"name": "shop"}}))
    assert call("publish", str(file)).exit_code == 0
    assert json.loads(broker.messages("PLATFORM_EVENTS")[0].data)["traceparent"] == own


def test_nothing_is_sent_if_one_document_is_wrong(call: Call, broker: Broker) -> None:
    done = call("publish", REFERENCE, "worker/dev/scenario/unknown-in-request.yaml", "tests/cli/conftest.py")
    assert done.exit_code == Exit.INVALID
    assert broker.messages("PLATFORM_EVENTS") == []


def test_an_event_that_is_too_large_is_refused_before_it_is_sent(call: Call, broker: Broker) -> None:
    async def shrink(client: Client) -> None:
        js = client.jetstream()
        config = (await js.stream_info("PLATFORM_EVENTS")).config
        await js.update_stream(StreamConfig(**{**config.__dict__, "max_msg_size": 700}))

    broker.run(shrink)
    done = call("publish", REQUEST, REFERENCE)
    assert done.exit_code == Exit.INVALID
    assert "reference.yaml: the event has" in done.stderr
    assert "the stream takes 700; nothing was sent" in done.stderr
    assert broker.messages("PLATFORM_EVENTS") == []


def test_the_size_is_measured_to_the_byte(call: Call, broker: Broker) -> None:
    """The refusal begins exactly where the server's does."""

    def limit(size: int) -> None:
        async def update(client: Client) -> None:
            js = client.jetstream()
            config = (await js.stream_info("PLATFORM_EVENTS")).config
            await js.update_stream(StreamConfig(**{**config.__dict__, "max_msg_size": size}))

        broker.run(update)

    limit(1)
    refused = re.search(r"the event has (\d+) bytes", call("publish", REFERENCE).stderr)
    assert refused
    size = int(refused[1])
    limit(size)
    assert call("publish", REFERENCE).exit_code == Exit.OK
    limit(size - 1)
    assert call("publish", REFERENCE, "--id", f"cli-{0:032}").exit_code == Exit.INVALID

    async def send_again(client: Client) -> None:
        js = client.jetstream()
        stored = await js.get_msg("PLATFORM_EVENTS", 1)
        headers = dict(stored.headers or {})
        headers["Nats-Msg-Id"] = headers["Nats-Msg-Id"][:-1] + "x"
        with pytest.raises(APIError, match="size exceeds"):
            await js.publish("platform.oam.default.other", stored.data or b"", headers=headers)

    broker.run(send_again)


def test_raw_bytes_are_sent_as_they_are(call: Call, broker: Broker, tmp_path: Path) -> None:
    file = tmp_path / "bytes"
    file.write_bytes(b"\xff{nonsense")
    assert call("publish", str(file), "--raw", "platform.oam.a.b").exit_code == 0
    assert broker.messages("PLATFORM_EVENTS")[0].data == b"\xff{nonsense"


def test_a_subject_that_no_stream_takes(call: Call, broker: Broker, tmp_path: Path) -> None:
    file = tmp_path / "bytes"
    file.write_bytes(b"x")
    done = call("publish", str(file), "--raw", "elsewhere")
    assert done.exit_code == Exit.INVALID
    assert "'elsewhere' is no subject of events; give platform.oam.NAMESPACE.NAME" in done.stderr


def test_watching_gives_up(call: Call, broker: Broker) -> None:
    done = call("publish", REFERENCE, "--watch", "--timeout", "0.3")
    assert done.exit_code == Exit.FAILED
    assert "the end did not come within 0.3 s" in done.stderr


def test_without_streams_the_way_out_is_named(call: Call) -> None:
    done = call("publish", REFERENCE)
    assert done.exit_code == Exit.UNAVAILABLE
    assert 'run "platform-worker streams apply"' in done.stderr


def test_streams_apply_and_check(call: Call, broker: Broker) -> None:
    assert {one["action"] for one in read_json(call("streams", "apply", "-o", "json"))} == {"unchanged"}
    assert read_json(call("streams", "check", "-o", "json")) == []

    async def drift(client: Client) -> None:
        await client.jetstream().delete_stream("PLATFORM_DLQ")

    broker.run(drift)
    [found] = read_json(call("streams", "check", "-o", "json"), Exit.FAILED)
    assert (found["name"], found["setting"], found["essential"]) == ("PLATFORM_DLQ", "missing", True)
    assert "stream PLATFORM_DLQ does not exist" in call("streams", "check").stdout


def test_a_fresh_bucket_is_marked(call: Call, broker: Broker) -> None:
    assert read_json(call("state", "show", "-o", "json"))["incarnation"]


def test_bytes_are_told_of_in_json_and_come_from_standard_input(call: Call, broker: Broker) -> None:
    done = call("publish", "-", "--raw", "platform.oam.default.raw", "--id", "raw-1", "-o", "json", input="{}")
    assert json.loads(done.stdout)[0]["stored"] is True
    again = call("publish", "-", "--raw", "platform.oam.default.raw", "--id", "raw-1", "-o", "json", input="{}")
    assert json.loads(again.stdout)[0]["stored"] is False
    assert again.exit_code == Exit.REFUSED
    assert call("publish", "-", "--raw", "platform.oam.default.raw", "--watch", input="{}").exit_code == Exit.INVALID
