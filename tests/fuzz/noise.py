"""Bytes that are no event at all: noise, events with broken bytes, and documents that cost their reader too much."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from contracts import strict_json
from contracts.names import CLOUDEVENTS_JSON, InboundType

#: What the stream takes is body and headers together.
_ROOM = strict_json.MAX_BYTES - len(CLOUDEVENTS_JSON) - 256
#: Few of the bombs are as large as the stream allows: the others find the same code with less to carry.
_LARGE = 0.1


def noise(dice: random.Random) -> bytes:
    """Return random bytes, mostly short."""
    return dice.randbytes(int(2000 * dice.random() ** 3))


def broken(body: bytes, dice: random.Random) -> bytes:
    """Return an event that was cut, repeated, re-encoded, or has some bytes changed."""
    match dice.randrange(5):
        case 0:
            return body[: dice.randrange(len(body))]
        case 1:
            return body + body
        case 2:
            return body.decode().encode(dice.choice(["utf-16", "utf-8-sig", "utf-32"]))
        case 3:
            return body.replace(b'"', b"'")
        case _:
            changed = bytearray(body)
            for _ in range(dice.randint(1, 8)):
                changed[dice.randrange(len(changed))] = dice.randrange(256)
            return bytes(changed)


def bomb(event: dict[str, Any], dice: random.Random) -> bytes:
    """Return a document that is too deep, too long, too wide, or has numbers or keys that readers disagree about."""
    room = _ROOM if dice.random() < _LARGE else 20_000
    body = strict_json.dumps(event)
    inside = json.dumps(InboundType.APPLICATION_CHANGED.value)
    bombs: list[Callable[[], bytes]] = [
        lambda: b"[" * room,
        lambda: b"[" * (room // 2) + b"]" * (room // 2),
        lambda: b'{"a":' * (room // 6) + b"1" + b"}" * (room // 6),
        lambda: _with(event, [[]] * (room // 4)),
        lambda: _with(event, {str(number): "" for number in range(room // 16)}),
        lambda: _with(event, "\\" * (room // 5)),
        lambda: _with(event, "[" * (room // 3)),
        lambda: _raw(body, b"9" * (room - len(body) - 10)),
        lambda: _raw(body, dice.choice([b"1e999", b"-1e400", b"NaN", b"Infinity", b"-Infinity", b"1" + b"0" * 40])),
        lambda: body[:-1] + b',"type":' + inside.encode() + b"}",
        lambda: _raw(body, b'{"x":1,"x":2}'),
        lambda: _raw(body, b'"\\ud800"'),
        lambda: _raw(body, _nested(dice.choice([28, 31, 32, 33, 34, 1000]))),
        lambda: b" " * room + body[: max(0, strict_json.MAX_BYTES - room - 300)],
        lambda: json.dumps({**event, "data": [event["data"]] * max(1, room // len(body) - 1)}).encode()[:_ROOM],
    ]
    return dice.choice(bombs)()


def _with(event: dict[str, Any], value: Any) -> bytes:
    return strict_json.dumps({**event, "extension": value})[:_ROOM]


def _raw(body: bytes, text: bytes) -> bytes:
    """Add a member whose value is written as it is."""
    return body[:-1] + b',"data2":' + text + b"}"


def _nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth
