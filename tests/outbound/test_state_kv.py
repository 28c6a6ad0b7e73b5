"""The state bucket on a real nats-server: compare-and-set, loss, outages, counters."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from nats.js.api import StreamConfig

from contracts.names import EVENTS_STREAM, STATE_BUCKET
from tests.outbound.conftest import EVENTS, STATE
from tests.support.records import INCARNATION, a_record
from worker.domain.events import AppKey, Delivery
from worker.domain.record import Record
from worker.errors import LostRace, Misconfigured, NewerRecord, Rejected, Unavailable
from worker.outbound.breaker import Breaker, BreakerState
from worker.outbound.jetstream import JetStream
from worker.outbound.state_kv import _REMEMBERED, KvState, StateLost

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext

    from tests.support.nats import NatsServer

SHOP = AppKey("default", "shop")


@pytest.fixture
async def state(jetstream: JetStream) -> KvState:
    state = KvState(jetstream)
    await state.open()
    return state


async def test_a_new_application_has_an_empty_record_with_revision_zero(state: KvState) -> None:
    stored = await state.load(SHOP)

    assert stored.record == Record(SHOP)
    assert stored.revision == 0


async def test_what_was_saved_is_loaded(state: KvState) -> None:
    revision = await state.save(a_record(), 0)

    stored = await state.load(SHOP)

    assert stored.record == a_record()
    assert stored.revision == revision


async def test_a_write_names_the_revision_that_it_replaces(state: KvState) -> None:
    first = await state.save(a_record(), 0)
    await state.save(a_record(3), first)

    for stale in (0, first):
        with pytest.raises(LostRace):
            await state.save(a_record(1), stale)
    assert len((await state.load(SHOP)).record.components) == 3


async def test_what_another_worker_wrote_is_seen_at_once(jetstream: JetStream, state: KvState) -> None:
    """The decoded form is kept, but only for the very bytes that the broker has."""
    other = KvState(jetstream)
    revision = await state.save(a_record(), 0)
    for components in (3, 2, 5, 2):
        await state.load(SHOP)
        revision = await other.save(a_record(components), revision)
        assert await state.load(SHOP) == await other.load(SHOP)
        assert len((await state.load(SHOP)).record.components) == components


async def test_decoded_records_are_kept_in_bounds(state: KvState) -> None:
    for number in range(_REMEMBERED + 2):
        await state.save(a_record(0, app=AppKey("ns", f"app-{number}")), 0)
    assert len(state._decoded) == _REMEMBERED
    assert (await state.load(AppKey("ns", "app-0"))).record == a_record(0, app=AppKey("ns", "app-0"))


async def test_one_of_many_racing_writers_wins(state: KvState) -> None:
    results = await asyncio.gather(*(state.save(a_record(n), 0) for n in range(1, 11)), return_exceptions=True)

    assert sum(isinstance(result, int) for result in results) == 1
    assert sum(isinstance(result, LostRace) for result in results) == 9


async def test_names_with_dots_and_case_do_not_share_a_record(state: KvState) -> None:
    apps = [AppKey("ns", "a.b"), AppKey("ns", "a-b"), AppKey("ns.a", "b"), AppKey("ns", "A.b"), AppKey("ns", "ä b>*")]
    for app in apps:
        await state.save(a_record(app=app), 0)

    assert [(await state.load(app)).record.app for app in apps] == apps


async def test_a_key_that_was_deleted_by_hand_can_be_written_again(state: KvState, context: JetStreamContext) -> None:
    await state.save(a_record(), 0)
    await (await context.key_value(STATE_BUCKET)).delete("app.default.shop")

    stored = await state.load(SHOP)
    assert stored.record == Record(SHOP)
    assert stored.revision > 0
    await state.save(a_record(), stored.revision)
    assert (await state.load(SHOP)).record == a_record()


async def test_neighbours_are_the_records_of_one_namespace(state: KvState) -> None:
    for app in (AppKey("one", "a"), AppKey("one", "b.c"), AppKey("two", "a"), AppKey("one.x", "a")):
        await state.save(a_record(app=app), 0)

    found = await state.neighbours("one")

    assert set(found) == {"a", "b.c"}
    assert found["a"] == await state.load(AppKey("one", "a"))


async def test_all_yields_every_record_once(state: KvState) -> None:
    apps = {AppKey(f"ns-{number % 3}", f"app-{number}") for number in range(20)}
    for app in apps:
        revision = await state.save(a_record(app=app), 0)
        await state.save(a_record(1, app=app), revision)
    await state.add(Delivery(EVENTS_STREAM, INCARNATION, 5))

    found = [stored.record async for stored in state.all()]

    assert len(found) == 20
    assert {record.app for record in found} == apps
    assert all(len(record.components) == 1 for record in found)


async def test_a_record_of_a_newer_worker_is_left_alone(state: KvState, context: JetStreamContext) -> None:
    await context.publish(f"$KV.{STATE_BUCKET}.app.default.shop", b'{"version": 9, "app": "in another form"}')

    with pytest.raises(NewerRecord) as caught:
        await state.load(SHOP)
    assert (caught.value.found, caught.value.known) == (9, 1)


async def test_a_record_that_the_broker_would_not_take_is_the_events_fault(state: KvState) -> None:
    record = a_record()
    huge = replace(record, run=replace(record.run, message="x" * 1_100_000)) if record.run else record

    with pytest.raises(Rejected) as caught:
        await state.save(huge, 0)
    assert caught.value.code == "record-too-large"


# --- loss ------------------------------------------------------------------------------------------------------------


async def test_a_fresh_installation_is_marked_and_then_believed(
    jetstream: JetStream, context: JetStreamContext
) -> None:
    await KvState(jetstream).open()
    await context.publish("platform.oam.default.shop", b"{}")

    await KvState(jetstream).open()


async def test_events_that_waited_for_the_first_worker_are_no_loss(
    jetstream: JetStream, context: JetStreamContext
) -> None:
    """The bucket is older than the event stream: nothing can have been recorded elsewhere."""
    await context.delete_stream(EVENTS_STREAM)
    await context.add_stream(EVENTS)
    await context.publish("platform.oam.default.shop", b"{}")

    await KvState(jetstream).open()


async def test_a_bucket_younger_than_handled_events_is_a_loss_until_accepted(
    jetstream: JetStream, context: JetStreamContext
) -> None:
    await KvState(jetstream).open()
    await context.publish("platform.oam.default.shop", b"{}")
    await context.delete_stream(STATE.name or "")
    await context.add_stream(STATE)

    state = KvState(jetstream)
    with pytest.raises(StateLost) as caught:
        await state.open()
    assert "state rebuild" in caught.value.fix
    assert state.breaker.admits, "who opens the store looks again by itself; the broker is not away"

    await state.accept()
    await KvState(jetstream).open()


async def test_a_bucket_that_is_replaced_under_a_running_worker_is_noticed(
    state: KvState, context: JetStreamContext
) -> None:
    await state.save(a_record(), 0)
    await context.delete_stream(STATE.name or "")
    with pytest.raises(Misconfigured, match="KV_platform-state") as missing:
        await KvState(JetStream(context._nc)).load(SHOP)
    assert not isinstance(missing.value, StateLost)
    await context.add_stream(STATE)

    with pytest.raises(StateLost):
        await state.load(SHOP)

    await KvState(JetStream(context._nc)).accept()  # by an operator, in another process
    await state.breaker.wait()
    assert (await state.load(SHOP)).record == Record(SHOP)


async def test_the_mark_of_another_bucket_is_not_believed(jetstream: JetStream, context: JetStreamContext) -> None:
    await context.publish(f"$KV.{STATE_BUCKET}._meta", b'{"incarnation": "2020-01-01T00:00:00Z"}')

    with pytest.raises(StateLost):
        await KvState(jetstream).open()


async def test_records_without_a_mark_are_not_believed(jetstream: JetStream, context: JetStreamContext) -> None:
    await context.publish(f"$KV.{STATE_BUCKET}.app.default.shop", b'{"app":{"namespace":"default","name":"shop"}}')

    with pytest.raises(StateLost):
        await KvState(jetstream).open()


# --- outages ---------------------------------------------------------------------------------------------------------


async def test_a_frozen_server_is_unavailable(nats_server: NatsServer, nats_client: Client, state: KvState) -> None:
    breaker = Breaker("nats")
    hasty = KvState(JetStream(nats_client, timeout=0.3), breaker=breaker)
    nats_server.freeze()

    with pytest.raises(Unavailable) as caught:
        await hasty.load(SHOP)
    assert not isinstance(caught.value, Misconfigured)
    assert breaker.state is BreakerState.OPEN
    with pytest.raises(Unavailable, match="not asked again yet"):
        await hasty.save(a_record(), 0)

    nats_server.thaw()
    await asyncio.wait_for(breaker.wait(), 5)
    await hasty.load(SHOP)
    assert not breaker.reason


async def test_a_restarted_server_has_kept_everything(
    nats_server: NatsServer, nats_client: Client, state: KvState
) -> None:
    revision = await state.save(a_record(), 0)
    nats_server.kill()
    with pytest.raises(Unavailable):
        await KvState(JetStream(nats_client, timeout=0.3)).load(SHOP)

    await nats_server.start()

    async with asyncio.timeout(10):
        while not nats_client.is_connected:  # noqa: ASYNC110 - nats-py offers no event for it
            await asyncio.sleep(0.02)
    assert (await state.load(SHOP)).revision == revision


async def test_a_closed_connection_is_unavailable(nats_client: Client, state: KvState) -> None:
    await nats_client.close()

    with pytest.raises(Unavailable):
        await state.load(SHOP)


async def test_missing_streams_say_how_to_make_them(nats_client: Client) -> None:
    state = KvState(JetStream(nats_client, timeout=1))

    for _ in range(2):
        with pytest.raises(Misconfigured) as caught:
            await state.open()
        assert "streams apply" in caught.value.fix


async def test_a_full_bucket_is_the_brokers_trouble_and_not_the_events(
    state: KvState, context: JetStreamContext
) -> None:
    await context.update_stream(StreamConfig(**{**STATE.__dict__, "max_bytes": 2000}))

    with pytest.raises(Unavailable):
        await state.save(a_record(10), 0)


# --- tries -----------------------------------------------------------------------------------------------------------


async def test_tries_are_counted_over_all_workers(jetstream: JetStream) -> None:
    first, second = KvState(jetstream), KvState(jetstream)
    delivery = Delivery(EVENTS_STREAM, INCARNATION, 7)

    counts = [await first.add(delivery), await second.add(replace(delivery, delivered=2)), await first.add(delivery)]

    assert counts == [1, 2, 3]
    assert await first.add(Delivery(EVENTS_STREAM, INCARNATION, 8)) == 1


async def test_racing_workers_count_each_try_once(jetstream: JetStream) -> None:
    delivery = Delivery(EVENTS_STREAM, INCARNATION, 7)

    counts = await asyncio.gather(*(KvState(jetstream).add(delivery) for _ in range(8)))

    assert sorted(counts) == list(range(1, 9))


async def test_a_recreated_stream_starts_to_count_anew(jetstream: JetStream) -> None:
    state = KvState(jetstream)
    await state.add(Delivery(EVENTS_STREAM, INCARNATION, 7))

    assert await state.add(Delivery(EVENTS_STREAM, "2027-01-01T00:00:00+00:00", 7)) == 1


async def test_counts_expire(jetstream: JetStream, context: JetStreamContext) -> None:
    await KvState(jetstream).add(Delivery(EVENTS_STREAM, INCARNATION, 7))
    await KvState(jetstream).add(Delivery(EVENTS_STREAM, INCARNATION, 7))

    stored = await context.get_last_msg(STATE.name or "", f"$KV.{STATE_BUCKET}.tries.7")

    assert stored.headers is not None
    assert stored.headers["Nats-TTL"] == "86400"
