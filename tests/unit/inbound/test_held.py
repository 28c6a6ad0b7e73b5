"""Reading reply subjects, both forms."""

from __future__ import annotations

import pytest
from nats.aio.msg import Msg

from worker.inbound.held import ReplyFacts, is_delivery, read_reply

SHORT = "$JS.ACK.EVENTS.worker.3.17.42.1767323045500000000.5"
LONG = "$JS.ACK.hub.Ab12.EVENTS.worker.3.17.42.1767323045500000000.5"
FACTS = ReplyFacts("EVENTS", 3, 17, 42, 1767323045.5, 5)


@pytest.mark.parametrize("reply", [SHORT, LONG, LONG + ".token"])
def test_both_forms_say_the_same_as_the_client_library(reply: str) -> None:
    assert read_reply(reply) == FACTS
    theirs = Msg.Metadata._from_reply(reply)
    assert (theirs.stream, theirs.num_delivered, theirs.sequence.stream, theirs.sequence.consumer) == (
        FACTS.stream,
        FACTS.delivered,
        FACTS.sequence,
        FACTS.consumer_sequence,
    )


@pytest.mark.parametrize("reply", ["", "$JS.ACK.too.short", "$JS.ACK.EVENTS.worker.x.17.42.1.5"])
def test_anything_else_is_refused(reply: str) -> None:
    with pytest.raises(ValueError, match=r"reply subject|invalid literal"):
        read_reply(reply)


def test_status_messages_are_no_deliveries() -> None:
    assert is_delivery(SHORT)
    assert not is_delivery("")
    assert not is_delivery("_INBOX.abc.1")
