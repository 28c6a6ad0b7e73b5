"""The streams, the consumer and the bucket as typed data, for whoever creates them or checks them for drift."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

Profile: TypeAlias = Literal["dev", "production"]

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES: Final = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A stream; durations are in seconds, sizes in bytes, None is unlimited."""

    name: str
    description: str
    subjects: tuple[str, ...]
    retention: Literal["limits", "workqueue", "interest"]
    storage: Literal["file", "memory"]
    discard: Literal["old", "new"]
    replicas: int
    max_bytes: int | None
    max_msg_size: int | None
    max_age: float | None
    duplicate_window: float


@dataclass(frozen=True, slots=True)
class ConsumerSpec:
    """A durable pull consumer; `ack_wait` is in seconds, `max_deliver` of -1 is unlimited."""

    name: str
    description: str
    stream: str
    filter_subjects: tuple[str, ...]
    ack_policy: Literal["explicit"]
    ack_wait: float
    max_ack_pending: int
    max_deliver: int


@dataclass(frozen=True, slots=True)
class BucketSpec:
    """A key-value bucket; `allow_msg_ttl` lets single keys expire."""

    name: str
    description: str
    history: int
    storage: Literal["file", "memory"]
    allow_direct: bool
    allow_msg_ttl: bool
    replicas: int
    max_bytes: int | None


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything that has to exist before the worker starts, by name."""

    streams: Mapping[str, StreamSpec]
    consumers: Mapping[str, ConsumerSpec]
    buckets: Mapping[str, BucketSpec]


@cache
def topology(profile: Profile = "production") -> Topology:
    """Return what `streams.yaml` declares for one server (`dev`) or a cluster (`production`)."""
    import yaml  # noqa: PLC0415 - only `streams` commands and checks at start need it

    document: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("streams.yaml").read_text(encoding="utf-8"))
    replicas = document["replicas"][profile]
    return Topology(
        streams={name: _stream(name, one, replicas, profile) for name, one in document["streams"].items()},
        consumers={
            name: ConsumerSpec(
                name=name,
                description=one["description"],
                stream=one["stream"],
                filter_subjects=tuple(one["filter_subjects"]),
                ack_policy=one["ack_policy"],
                ack_wait=seconds(one["ack_wait"]),
                max_ack_pending=one["max_ack_pending"],
                max_deliver=one["max_deliver"],
            )
            for name, one in document["consumers"].items()
        },
        buckets={
            name: BucketSpec(
                name=name,
                description=one["description"],
                history=one["history"],
                storage=one["storage"],
                allow_direct=one["allow_direct"],
                allow_msg_ttl=one["allow_msg_ttl"],
                replicas=replicas,
                max_bytes=_size(one.get("max_bytes"), profile),
            )
            for name, one in document["buckets"].items()
        },
    )


def seconds(duration: str) -> float:
    """Read a duration such as `30s`, `2m` or `30d`.

    Raises:
        ValueError: It is none.
    """
    match = re.fullmatch(r"(\d+)(ms|[smhd])", duration)
    if match is None:
        raise ValueError(f"{duration!r} is no duration: write a number with ms, s, m, h or d")
    return int(match[1]) * _SECONDS[match[2]]


def _stream(name: str, one: Mapping[str, Any], replicas: int, profile: Profile) -> StreamSpec:
    return StreamSpec(
        name=name,
        description=one["description"],
        subjects=tuple(one["subjects"]),
        retention=one["retention"],
        storage=one["storage"],
        discard=one["discard"],
        replicas=replicas,
        max_bytes=_size(one.get("max_bytes"), profile),
        max_msg_size=_size(one.get("max_msg_size"), profile),
        max_age=seconds(one["max_age"]) if "max_age" in one else None,
        duplicate_window=seconds(one["duplicate_window"]),
    )


def _size(value: str | Mapping[str, str] | None, profile: Profile) -> int | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else value[profile]
    match = re.fullmatch(r"(\d+)(Ki|Mi|Gi|)", text)
    if match is None:
        raise ValueError(f"{text!r} is no size: write bytes, or a number with Ki, Mi or Gi")
    return int(match[1]) * _BYTES[match[2]]
