"""`status`, `explain`, `dlq`, `retry`, `delete`, `plan --live`, on what the worker's own adapters wrote."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from nats.aio.client import Client

from contracts.names import event_key
from tests.cli.conftest import Broker, Call, read_json
from tests.support.records import INCARNATION, a_record
from worker.cli.exits import Exit
from worker.domain.events import AppKey, Delivery, InboundMessage, Order, OwnerKind
from worker.domain.model import ComponentSpec, Identity, Problem
from worker.domain.record import Cause, ComponentRecord, Owner, Phase, Record, State
from worker.domain.status import ComponentStatus, RunStatus, Status, StatusKind
from worker.errors import Rejected
from worker.outbound.dead_letters import JetStreamDeadLetters
from worker.outbound.jetstream import JetStream
from worker.outbound.ledger import StatusLedger
from worker.outbound.state_kv import KvState

SHOP = AppKey("default", "shop")
EVENT = "evt-1"
CAUSE = Cause(EVENT, "urn:test", event_key(EVENT, "PLATFORM_EVENTS", 17), f"{INCARNATION}:17")
ORDER = Order(INCARNATION, 17)
Work = Callable[[Client], Awaitable[None]]


def saved(*records: Record) -> Work:
    async def work(client: Client) -> None:
        store = KvState(JetStream(client))
        for record in records:
            await store.save(record, 0)

    return work


def told(*statuses: Status) -> Work:
    async def work(client: Client) -> None:
        ledger = StatusLedger(JetStream(client))
        for status in statuses:
            await ledger.publish(status)

    return work


def dead(body: bytes, error: Rejected, *, sequence: int = 17, headers: dict[str, str] | None = None) -> Work:
    async def work(client: Client) -> None:
        delivery = Delivery("PLATFORM_EVENTS", INCARNATION, sequence, 1_790_000_000.0, 3)
        message = InboundMessage("platform.oam.default.shop", headers or {}, body, delivery)
        await JetStreamDeadLetters(JetStream(client)).publish(message, SHOP, error)

    return work


def status(kind: StatusKind, *, cause: Cause = CAUSE, problems: tuple[Problem, ...] = ()) -> Status:
    disposition = kind.value if kind.value in {"rejected", "unchanged", "superseded"} else "accepted"
    run = RunStatus("shop-17-1-0123456789", 1, "failed") if disposition == "accepted" else None
    lines = (ComponentStatus("db", "postgresql", 3, "create", "dirty", "no space left"),) if run else ()
    return Status(kind, SHOP, cause, ORDER, disposition, run, lines, problems=problems)


def application(generation: int = 0, **metadata: object) -> dict[str, object]:
    found: dict[str, object] = {"name": "shop", **metadata}
    if generation:
        found |= {"uid": "u1", "generation": generation}
    components = [{"name": "db", "type": "postgresql", "properties": {"size": "small"}}]
    return {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": found,
        "spec": {"components": components},
    }


def event(generation: int = 0) -> bytes:
    document = {
        "specversion": "1.0",
        "id": EVENT,
        "source": "urn:test",
        "type": "io.platform.oam.application.changed.v1",
        "data": {"application": application(generation)},
    }
    return json.dumps(document).encode()


def applied(app: AppKey = SHOP, *, order: Order = ORDER, owner: OwnerKind = OwnerKind.APPLICATION) -> Record:
    part = ComponentRecord(ComponentSpec(Identity("db", "postgresql")), state=State.APPLIED, digest="old")
    return Record(app, Owner(owner, order.uid, "urn:test"), order, components=(part,))


def test_status_lists_applications_and_filters_by_namespace(call: Call, broker: Broker) -> None:
    broker.run(saved(a_record(), applied(AppKey("team-a", "blog"))))
    found = read_json(call("status", "-o", "json"))
    assert [one["application"]["name"] for one in found] == ["shop", "blog"]
    assert [one["application"]["name"] for one in read_json(call("status", "-n", "team-a", "-o", "json"))] == ["blog"]
    assert "shop-3-1-0123456789" in call("status").stdout


def test_status_of_one_shows_components_run_and_what_was_told(call: Call, broker: Broker) -> None:
    broker.run(saved(a_record()))
    broker.run(told(status(StatusKind.ACCEPTED), status(StatusKind.FAILED)))
    found = read_json(call("status", "default/shop", "-o", "json"))
    assert found["run"]["phase"] == "confirmed"
    assert {one["name"] for one in found["components"]} == {"part-0", "part-1"}
    assert [one["type"].split(".")[3] for one in found["statuses"]] == ["accepted", "failed"]
    shown = call("status", "shop").stdout
    assert "part-0" in shown
    assert "no space left" in shown


def test_status_of_a_failed_run_is_a_failure(call: Call, broker: Broker) -> None:
    record = a_record()
    assert record.run is not None
    broker.run(saved(replace(record, run=replace(record.run, phase=Phase.FAILED))))
    assert call("status", "shop").exit_code == Exit.FAILED


@pytest.mark.parametrize("command", [("status",), ("retry",), ("delete",), ("stop",), ("state", "show")])
def test_nothing_recorded_is_not_found(command: tuple[str, ...], call: Call, broker: Broker) -> None:
    assert broker
    done = call(*command, "default/nobody")
    assert done.exit_code == Exit.NOT_FOUND
    assert "default/nobody" in done.stderr


@pytest.mark.parametrize("name", ["a/b/c", "/b", "a/"])
def test_a_malformed_name_is_invalid(name: str, call: Call) -> None:
    assert call("status", name).exit_code == Exit.INVALID


def test_state_show_has_the_stored_form(call: Call, broker: Broker) -> None:
    broker.run(saved(a_record()))
    found = read_json(call("state", "show", "default/shop", "-o", "json"))
    assert found["key"] == "app.default.shop"
    assert found["record"]["run"]["name"] == "shop-3-1-0123456789"
    assert read_json(call("state", "show", "-o", "json"))["records"] == 1


def test_explain_shows_every_word_and_the_dead_letter(call: Call, broker: Broker) -> None:
    problem = Problem("bad-format", "size is wrong", "$.data.x", "db", "write small")
    other = Cause("evt-2", "urn:test", event_key("evt-2", "PLATFORM_EVENTS", 18), f"{INCARNATION}:18")
    broker.run(told(status(StatusKind.REJECTED, problems=(problem,)), status(StatusKind.UNCHANGED, cause=other)))
    broker.run(dead(b"{}", Rejected("bad-format", "size is wrong", path="$.data.x")))
    broker.run(dead(b"{}", Rejected("bad-format", "another event"), sequence=18))
    found = read_json(call("explain", EVENT, "-o", "json"))
    assert [one["data"]["disposition"] for one in found["statuses"]] == ["rejected"]
    assert [one["reason"] for one in found["deadLetters"]] == ["size is wrong"]
    shown = call("explain", EVENT).stdout
    assert "db: size is wrong at $.data.x; write small" in shown
    assert "dead letter 1" in shown


def test_explain_of_an_event_without_id_goes_by_its_place(call: Call, broker: Broker) -> None:
    ident = "PLATFORM_EVENTS:5"
    cause = Cause(ident, "", event_key(None, "PLATFORM_EVENTS", 5), f"{INCARNATION}:5")
    broker.run(told(status(StatusKind.UNCHANGED, cause=cause)))
    assert len(read_json(call("explain", ident, "-o", "json"))["statuses"]) == 1


def test_explain_of_an_unknown_event(call: Call, broker: Broker) -> None:
    assert broker
    assert call("explain", "nobody").exit_code == Exit.NOT_FOUND


def test_dlq_list_filters(call: Call, broker: Broker) -> None:
    broker.run(dead(b"1", Rejected("bad-format", "a")))
    broker.run(dead(b"2", Rejected("unknown-type", "b"), sequence=18))
    assert len(read_json(call("dlq", "list", "-o", "json"))) == 2
    [found] = read_json(call("dlq", "list", "--class", "unknown-type", "-o", "json"))
    assert (found["sequence"], found["event"]["sequence"], found["reason"]) == (2, 18, "b")
    assert read_json(call("dlq", "list", "-n", "elsewhere", "-o", "json")) == []


def test_dlq_show_has_reason_headers_and_body(call: Call, broker: Broker) -> None:
    headers = {"Content-Type": "application/cloudevents+json", "Nats-Msg-Id": "x:1"}
    broker.run(dead(b"\x1b[31m{bad", Rejected("malformed-json", "no JSON", path="$"), headers=headers))
    found = read_json(call("dlq", "show", "1", "-o", "json"))
    assert found["headers"] == {"Content-Type": "application/cloudevents+json"}
    assert found["body"] == "\x1b[31m{bad"
    shown = call("dlq", "show", "1").stdout
    assert "malformed-json" in shown
    assert "\\x1b[31m{bad" in shown
    assert "\x1b" not in shown
    assert call("dlq", "show", "9").exit_code == Exit.NOT_FOUND


def test_replay_sends_the_original_bytes_once(call: Call, broker: Broker) -> None:
    body = b'{"odd":   "bytes"}'
    broker.run(dead(body, Rejected("not-a-cloudevent", "x"), headers={"X-Mine": "1", "Nats-Msg-Id": "old"}))
    [done] = read_json(call("dlq", "replay", "1", "-o", "json"))
    assert (done["outcome"], done["storedAs"]) == ("replayed", 1)
    [message] = broker.messages("PLATFORM_EVENTS")
    assert message.data == body
    assert message.subject == "platform.oam.default.shop"
    assert message.headers == {"X-Mine": "1", "Nats-Msg-Id": "replay:1"}
    [again] = read_json(call("dlq", "replay", "1", "-o", "json"), Exit.REFUSED)
    assert again["outcome"] == "duplicate"
    assert len(broker.messages("PLATFORM_EVENTS")) == 1


@pytest.mark.parametrize(
    ("body", "recorded", "outcome"),
    [
        (event(generation=2), Order(INCARNATION, 30, "u1", generation=3), "refused"),
        (event(generation=2), Order(INCARNATION, 30, "u1", generation=2), "refused"),
        (event(generation=4), Order(INCARNATION, 30, "u1", generation=3), "replayed"),
        (event(), Order(INCARNATION, 18), "refused"),
        (event(), Order(INCARNATION, 17), "replayed"),
        (event(), Order(INCARNATION, 16), "replayed"),
        (event(), Order("2027", 1), "refused"),
    ],
    ids=[
        "older generation",
        "told again since",
        "newer",
        "overtaken",
        "the newest itself",
        "newer place",
        "new stream",
    ],
)
def test_replay_refuses_what_is_older_than_the_record(
    body: bytes, recorded: Order, outcome: str, call: Call, broker: Broker
) -> None:
    broker.run(saved(applied(order=recorded)))
    broker.run(dead(body, Rejected("quota", "x")))
    code = Exit.OK if outcome == "replayed" else Exit.REFUSED
    [done] = read_json(call("dlq", "replay", "1", "-o", "json"), code)
    assert done["outcome"] == outcome
    assert len(broker.messages("PLATFORM_EVENTS")) == (outcome == "replayed")
    if outcome == "refused":
        assert "--force" in done["reason"]
        assert call("dlq", "replay", "1", "--force").exit_code == 0
        assert broker.messages("PLATFORM_EVENTS")[0].data == body


def test_replay_all_of_a_class(call: Call, broker: Broker) -> None:
    for sequence, code in enumerate(("quota", "quota", "bad-format"), 1):
        broker.run(dead(b"%d" % sequence, Rejected(code, "x"), sequence=sequence))
    done = read_json(call("dlq", "replay", "--all", "--class", "quota", "-o", "json"))
    assert [one["sequence"] for one in done] == [1, 2]
    assert [message.data for message in broker.messages("PLATFORM_EVENTS")] == [b"1", b"2"]
    assert call("dlq", "replay").exit_code == Exit.INVALID
    assert call("dlq", "replay", "1", "--all").exit_code == Exit.INVALID


def test_retry_asks_for_it(call: Call, broker: Broker) -> None:
    broker.run(saved(applied()))
    assert call("retry", "default/shop", "--reconcile", "--reason", "upgrade").exit_code == 0
    [message] = broker.messages("PLATFORM_EVENTS")
    found = json.loads(message.data)
    assert message.subject == "platform.request.default.shop"
    assert found["type"] == "io.platform.provisioning.retry.requested.v1"
    assert found["data"] == {"namespace": "default", "name": "shop", "reason": "upgrade", "reconcile": True}


def test_delete_follows_the_recorded_owner(call: Call, broker: Broker) -> None:
    order = Order(INCARNATION, 17, "u1", "2025-08-12T09:30:00Z", 3, 77)
    request = AppKey("default", "asked")
    broker.run(saved(applied(order=order), applied(request, owner=OwnerKind.REQUEST)))
    assert call("delete", "default/shop", "--deletion-policy", "delete").exit_code == 0
    assert call("delete", "default/asked", "--deletion-policy", "delete").exit_code == 0
    gone, removal = [json.loads(message.data) for message in broker.messages("PLATFORM_EVENTS")]
    assert gone["type"] == "io.platform.oam.application.deleted.v1"
    metadata = gone["data"]["application"]["metadata"]
    assert (metadata["uid"], metadata["generation"], metadata["resourceVersion"]) == ("u1", 3, "77")
    assert metadata["annotations"] == {"platform.io/deletion-policy": "delete"}
    assert removal["type"] == "io.platform.provisioning.removal.requested.v1"
    assert removal["data"] == {"namespace": "default", "name": "asked", "deletionPolicy": "delete"}


def test_delete_of_what_is_gone_names_what_is_left(call: Call, broker: Broker) -> None:
    record = applied()
    part = replace(record.components[0], wanted=False, state=State.RETAINED)
    broker.run(saved(replace(record, owner=None, components=(part,))))
    done = call("delete", "default/shop")
    assert done.exit_code == Exit.NOT_FOUND
    assert "retained: db" in done.stderr


@pytest.mark.parametrize(
    ("kinds", "code"),
    [
        ((StatusKind.ACCEPTED, StatusKind.RUNNING, StatusKind.SUCCEEDED), Exit.OK),
        ((StatusKind.ACCEPTED, StatusKind.FAILED), Exit.FAILED),
        ((StatusKind.UNCHANGED,), Exit.OK),
        ((StatusKind.REJECTED,), Exit.FAILED),
        ((StatusKind.SUPERSEDED,), Exit.REFUSED),
    ],
)
def test_watch_ends_with_the_event(
    kinds: tuple[StatusKind, ...], code: Exit, call: Call, broker: Broker, tmp_path: Path
) -> None:
    file = tmp_path / "event.json"
    file.write_bytes(event())
    assert call("publish", str(file)).exit_code == 0
    incarnation = broker.run(_incarnation)
    cause = replace(CAUSE, delivery=f"{incarnation}:1")
    earlier = replace(CAUSE, delivery=f"{incarnation}:0")
    problem = (Problem("bad-format", "wrong", "$"),)
    broker.run(told(status(StatusKind.FAILED, cause=earlier)))
    broker.run(told(*(status(kind, cause=cause, problems=problem) for kind in kinds)))
    done = call("publish", str(file), "--watch", "--timeout", "5", "-o", "json")
    assert done.exit_code == code, done.output
    assert json.loads(done.stdout)[0]["outcome"] == kinds[-1].value
    assert [line.split()[1] for line in done.stderr.splitlines() if line[2] == ":"] == [kind.value for kind in kinds]


async def _incarnation(client: Client) -> str:
    info = await client.jetstream().stream_info("PLATFORM_EVENTS")
    assert info.created is not None
    return info.created.isoformat()


def test_live_plan_compares_with_the_record(call: Call, broker: Broker, tmp_path: Path) -> None:
    record = applied(order=Order(INCARNATION, 17, "u1", generation=3))
    extra = ComponentRecord(ComponentSpec(Identity("api", "webservice")), state=State.APPLIED)
    broker.run(saved(replace(record, components=(*record.components, extra))))
    file = tmp_path / "app.json"
    file.write_text(json.dumps(application(4)))
    found = read_json(call("plan", str(file), "--live", "-o", "json"))
    assert [(t["component"], t["action"]) for t in found["tasks"]] == [("db", "change"), ("api", "remove")]
    assert "no longer wanted" in call("plan", str(file), "--live").stdout
    file.write_text(json.dumps(application(2)))
    found = read_json(call("plan", str(file), "--live", "-o", "json"))
    assert found["tasks"] == []
    assert "newer event" in found["warnings"][0]


def test_live_plan_says_what_it_would_wait_for(call: Call, broker: Broker, tmp_path: Path) -> None:
    part = ComponentRecord(ComponentSpec(Identity("db", "postgresql")), state=State.DIRTY)
    broker.run(saved(Record(AppKey("default", "other"), components=(part,))))
    document = application()
    document["spec"] = {"components": [{"name": "api", "type": "webservice", "properties": {"database": "other/db"}}]}
    file = tmp_path / "app.json"
    file.write_text(json.dumps(document))
    done = call("plan", str(file), "--live")
    assert done.exit_code == 0
    assert "the event would wait: other/db is still being provisioned" in done.stdout


def test_live_plan_sees_the_neighbours(call: Call, broker: Broker, tmp_path: Path) -> None:
    part = ComponentRecord(
        ComponentSpec(Identity("db", "postgresql")), state=State.APPLIED, outputs={"connection_secret": "their-secret"}
    )
    broker.run(saved(Record(AppKey("default", "other"), components=(part,))))
    document = application()
    document["spec"] = {
        "components": [{"name": "api", "type": "webservice", "properties": {"database": "other/db"}}],
    }
    file = tmp_path / "app.json"
    file.write_text(json.dumps(document))
    [task] = read_json(call("plan", str(file), "--live", "-o", "json"))["tasks"]
    assert task["parameters"]["database_secret"] == "their-secret"
    assert call("plan", str(file)).exit_code == Exit.INVALID
