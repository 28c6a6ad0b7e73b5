"""What the worker uses of FastStream's private parts. If an upgrade moves one of them, this fails and says which.

``worker/inbound/credit_pull.py`` is the only file to adapt then; the suites beside this one say whether it still works.
"""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import Any

import pytest
from faststream import AckPolicy, BaseMiddleware
from faststream._internal.broker.registrator import Registrator
from faststream._internal.endpoint.subscriber.call_item import CallsCollection
from faststream._internal.endpoint.subscriber.usecase import SubscriberUsecase
from faststream.nats import NatsBroker
from faststream.nats.broker.registrator import NatsRegistrator
from faststream.nats.subscriber.config import NatsSubscriberConfig, NatsSubscriberSpecificationConfig
from faststream.nats.subscriber.usecases import PullStreamSubscriber

from tests.nats.conftest import DURABLE, STREAM, SUBJECTS, Bench, RecordingHandler, inbound, until
from worker.inbound.credit_pull import CreditPullSubscriber


def parameters(function: object) -> set[str]:
    return set(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("faststream") == "0.7.8"


def test_the_subscriber_can_be_made_and_overridden() -> None:
    assert parameters(PullStreamSubscriber.__init__) == {
        *("self", "config", "specification", "calls", "queue", "pull_sub", "stream")
    }
    for name in ("_create_subscription", "stop", "get_log_context", "process_message"):
        assert callable(getattr(PullStreamSubscriber, name))
    assert isinstance(inspect.getattr_static(PullStreamSubscriber, "connection"), property)
    assert parameters(SubscriberUsecase.add_call) >= {"parser_", "decoder_", "dependencies_"}
    assert parameters(SubscriberUsecase.process_message) == {"self", "msg"}


def test_the_configuration_takes_what_it_is_given() -> None:
    fields = set(NatsSubscriberConfig.__dataclass_fields__)
    assert fields >= {"subject", "sub_config", "extra_options", "no_reply", "_outer_config", "_ack_policy"}
    fields = set(NatsSubscriberSpecificationConfig.__dataclass_fields__)
    assert fields >= {"subject", "queue", "filter_subjects", "title_", "description_", "include_in_schema"}
    assert isinstance(CallsCollection(), CallsCollection)


def test_a_subscriber_is_registered_by_the_base_of_the_broker() -> None:
    assert NatsRegistrator.__mro__[1] is Registrator
    assert parameters(Registrator.subscriber) == {"self", "subscriber", "persistent"}
    assert NatsBroker.__mro__.index(NatsRegistrator) < NatsBroker.__mro__.index(Registrator)


def test_the_brokers_error_callback_still_has_to_be_replaced() -> None:
    """If this fails the trap may be gone: then ``CreditPullBroker`` can pass its options on in the ordinary way."""
    assert "raise err" in inspect.getsource(NatsBroker._log_connection_broken)
    assert "self._connection_kwargs" in inspect.getsource(NatsBroker._connect)


@pytest.mark.parametrize("name", ["_connection", "config", "subscribers"])
def test_attributes_of_a_broker(name: str) -> None:
    broker = NatsBroker(logger=None)
    assert hasattr(broker, name)
    assert hasattr(broker.config.broker_config, "disconnect")


async def test_the_subscriber_settles_nothing_itself_and_is_in_the_specification(bench: Bench) -> None:
    handler = RecordingHandler()
    async with inbound(bench.server.url, handler) as worker:
        [subscriber] = worker.broker.subscribers
        assert type(subscriber) is CreditPullSubscriber
        assert subscriber.ack_policy is AckPolicy.MANUAL
        assert set(subscriber.filter_subjects) == set(SUBJECTS)
        assert subscriber.schema().keys()
        assert (subscriber.stream.name, subscriber.stream.declare) == (STREAM, False)
        before = (await bench.js.stream_info(STREAM)).config
        await bench.publish(1)
        assert (await bench.js.stream_info(STREAM)).config == before, "FastStream must not touch the stream"
        assert (await bench.js.consumer_info(STREAM, DURABLE)).config.durable_name == DURABLE


async def test_a_middleware_of_faststream_sees_the_messages_once_there_is_one(bench: Bench) -> None:
    seen = []

    class Watching(BaseMiddleware):
        async def consume_scope(self, call_next: Any, msg: Any) -> Any:
            seen.append((msg.raw_message.subject, msg.body))
            return await call_next(msg)

    handler = RecordingHandler()
    async with inbound(bench.server.url, handler) as worker:
        worker.broker.add_middleware(Watching)
        await bench.publish(3)
        await until(lambda: worker.metrics.settles.get("ack") == 3)
    assert sorted(seen) == [(f"platform.oam.team.app-{n}", b'{"n": %d}' % n) for n in range(3)]
