"""`streams apply` and `check` on a real server: idempotent, lossless, and silent about what is as declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nats
import pytest

from contracts.streams import topology
from tests.nats.conftest import DURABLE, STREAM
from worker.errors import Misconfigured, Unavailable
from worker.inbound.binding import bind
from worker.outbound.streams import RefusedChange, Streams, tailored

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.nats import NatsServer

DEV = topology("dev")


@pytest.fixture
async def client(nats_server: NatsServer) -> AsyncIterator[nats.NATS]:
    client = await nats.connect(nats_server.url)
    yield client
    await client.close()


async def test_apply_creates_everything_and_a_second_apply_changes_nothing(client: nats.NATS) -> None:
    streams = Streams(client, DEV)
    assert {str(drift) for drift in await streams.check()} == {
        "stream PLATFORM_EVENTS does not exist",
        "stream PLATFORM_STATUS does not exist",
        "stream PLATFORM_DLQ does not exist",
        "bucket platform-state does not exist",
        "consumer platform-worker does not exist",
    }
    assert {change.action for change in await streams.apply()} == {"created"}
    assert await streams.check() == []
    await streams.verify()
    assert {change.action for change in await streams.apply()} == {"unchanged"}


async def test_what_apply_creates_is_what_the_design_says(client: nats.NATS) -> None:
    await Streams(client, DEV).apply()
    js = client.jetstream()
    events = (await js.stream_info(STREAM)).config
    assert (events.retention, events.discard, events.storage, events.max_msg_size) == (
        "workqueue",
        "new",
        "file",
        2**18,
    )
    consumer = (await js.consumer_info(STREAM, DURABLE)).config
    assert (consumer.ack_wait, consumer.max_ack_pending, consumer.max_deliver) == (30.0, 1000, -1)
    bucket = (await js.stream_info("KV_platform-state")).config
    assert (bucket.allow_direct or False, bucket.allow_msg_ttl, bucket.max_msgs_per_subject) == (False, True, 1)
    kv = await js.key_value("platform-state")
    assert (await kv.get("a")).value == b"1" if await kv.create("a", b"1") else False


async def test_drift_names_each_setting_and_apply_repairs_it(client: nats.NATS) -> None:
    await Streams(client, DEV).apply()
    js = client.jetstream()
    await js.update_stream((await js.stream_info("PLATFORM_STATUS")).config.evolve(max_age=3600.0))
    await js.add_consumer(STREAM, (await js.consumer_info(STREAM, DURABLE)).config.evolve(ack_wait=2.0, max_deliver=3))
    streams = Streams(client, DEV)
    drifts = {drift.setting: drift for drift in await streams.check()}
    assert set(drifts) == {"max_age", "ack_wait", "max_deliver"}
    assert str(drifts["max_deliver"]) == "consumer platform-worker: max_deliver is 3, declared is -1"
    with pytest.raises(Misconfigured, match="max_deliver is 3, declared is -1") as caught:
        await streams.verify()
    assert "ack_wait" not in str(caught.value), "how long is capacity; what happens is essential"
    assert caught.value.fix == "run: platform-worker streams apply"
    changes = {change.name: change for change in await streams.apply() if change.action == "changed"}
    assert set(changes) == {"PLATFORM_STATUS", "platform-worker"}
    assert await streams.check() == []


async def test_settings_that_are_not_declared_are_kept(client: nats.NATS) -> None:
    await Streams(client, DEV).apply()
    js = client.jetstream()
    config = (await js.stream_info("PLATFORM_DLQ")).config
    await js.update_stream(config.evolve(metadata={"owner": "us"}, max_age=86400.0 * 60))
    assert "changed" in {change.action for change in await Streams(client, DEV).apply()}
    config = (await js.stream_info("PLATFORM_DLQ")).config
    assert config.max_age == 86400.0 * 30
    assert config.metadata is not None
    assert config.metadata["owner"] == "us"


async def test_a_change_of_retention_is_refused_and_nothing_else_is_changed_with_it(client: nats.NATS) -> None:
    js = client.jetstream()
    await js.add_stream(name=STREAM, subjects=["platform.oam.*.*", "platform.request.*.*"])
    with pytest.raises(RefusedChange, match="retention is limits, declared is workqueue: this cannot be changed"):
        await Streams(client, DEV).apply()
    assert [info.config.name for info in await js.streams_info()] == [STREAM]


async def test_leaving_out_a_subject_is_refused(client: nats.NATS) -> None:
    js = client.jetstream()
    await js.add_stream(name="PLATFORM_STATUS", subjects=["platform.status.*.*.*", "other.>"], storage="file")
    with pytest.raises(RefusedChange, match="would no longer be stored"):
        await Streams(client, DEV).apply()


async def test_a_shorter_age_than_what_is_stored_is_refused(client: nats.NATS) -> None:
    js = client.jetstream()
    await js.add_stream(name="PLATFORM_STATUS", subjects=["platform.status.*.*.*"])
    await js.publish("platform.status.a.b.c", b"{}")
    with pytest.raises(RefusedChange, match="max_age"):
        await Streams(client, DEV).apply()


async def test_more_replicas_than_servers_is_told_by_the_server(client: nats.NATS) -> None:
    with pytest.raises(Misconfigured, match="replicas"):
        await Streams(client, tailored(DEV, stream=STREAM, consumer=DURABLE, replicas=3)).apply()


async def test_an_installation_may_use_other_names(client: nats.NATS) -> None:
    own = tailored(DEV, stream="TEAM_EVENTS", consumer="team-worker")
    await Streams(client, own).apply()
    binding = await bind(client.jetstream(), "TEAM_EVENTS", "team-worker")
    assert (binding.ack_wait, binding.max_ack_pending) == (30.0, 1000)


async def test_a_push_consumer_is_essential_drift(client: nats.NATS) -> None:
    await Streams(client, DEV).apply()
    js = client.jetstream()
    await js.delete_consumer(STREAM, DURABLE)
    await js.add_consumer(
        STREAM,
        durable_name=DURABLE,
        deliver_subject="somewhere",
        filter_subjects=["platform.oam.*.*", "platform.request.*.*"],
    )
    with pytest.raises(Misconfigured, match="deliver_subject is somewhere, declared is empty"):
        await Streams(client, DEV).verify()


async def test_without_jetstream_nothing_is_said_about_streams() -> None:
    from tests.support.nats import NatsServer

    async with NatsServer(config={"jetstream": False}) as server:
        client = await nats.connect(server.url)
        with pytest.raises(Unavailable, match="JetStream"):
            await Streams(client, DEV).check()
        await client.close()
