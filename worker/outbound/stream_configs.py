"""The declared streams, consumer and bucket as the JSON that the server's management API takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from contracts.streams import BucketSpec, ConsumerSpec, StreamSpec, Topology

_NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Target:
    """One declared thing, in the server's terms.

    Attributes:
        kind: ``stream``, ``bucket`` or ``consumer``.
        info, create, update: Verbs of the management API, after ``$JS.API.``.
        config: The declared settings, in the server's names and units.
        stream: The stream of a consumer.
    """

    kind: str
    name: str
    info: str
    create: str
    update: str
    config: Mapping[str, Any]
    stream: str = ""

    def body(self, config: Mapping[str, Any], action: str) -> bytes:
        """Return the request that creates or updates it."""
        if self.kind != "consumer":
            return json.dumps(config).encode()
        return json.dumps({"stream_name": self.stream, "config": config, "action": action}).encode()


def targets(topology: Topology) -> Iterator[Target]:
    """Yield everything declared, in an order in which it can be created."""
    for stream in topology.streams.values():
        yield _stream_target("stream", stream.name, _stream_config(stream))
    for bucket in topology.buckets.values():
        yield _stream_target("bucket", bucket.name, _bucket_config(bucket))
    for consumer in topology.consumers.values():
        path = f"{consumer.stream}.{consumer.name}"
        create = f"CONSUMER.CREATE.{path}"
        config = _consumer_config(consumer)
        yield Target("consumer", consumer.name, f"CONSUMER.INFO.{path}", create, create, config, consumer.stream)


def _stream_target(kind: str, name: str, config: Mapping[str, Any]) -> Target:
    stream = config["name"]
    return Target(kind, name, f"STREAM.INFO.{stream}", f"STREAM.CREATE.{stream}", f"STREAM.UPDATE.{stream}", config)


def _stream_config(spec: StreamSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "description": spec.description,
        "subjects": list(spec.subjects),
        "retention": spec.retention,
        "storage": spec.storage,
        "discard": spec.discard,
        "num_replicas": spec.replicas,
        "max_bytes": spec.max_bytes or -1,
        "max_msg_size": spec.max_msg_size or -1,
        "max_age": int((spec.max_age or 0) * _NANO),
        "duplicate_window": int(spec.duplicate_window * _NANO),
        "no_ack": False,
    }


def _bucket_config(spec: BucketSpec) -> dict[str, Any]:
    """A bucket is a stream with these settings (ADR-8 of the NATS architecture)."""
    return {
        "name": f"KV_{spec.name}",
        "description": spec.description,
        "subjects": [f"$KV.{spec.name}.>"],
        "retention": "limits",
        "storage": spec.storage,
        "discard": "new",
        "num_replicas": spec.replicas,
        "max_bytes": spec.max_bytes or -1,
        "max_msgs_per_subject": spec.history,
        "allow_direct": spec.allow_direct,
        "allow_msg_ttl": spec.allow_msg_ttl,
        "allow_rollup_hdrs": True,
        "deny_delete": True,
    }


def _consumer_config(spec: ConsumerSpec) -> dict[str, Any]:
    return {
        "durable_name": spec.name,
        "name": spec.name,
        "description": spec.description,
        "deliver_policy": "all",
        "deliver_subject": "",
        "ack_policy": spec.ack_policy,
        "ack_wait": int(spec.ack_wait * _NANO),
        "max_deliver": spec.max_deliver,
        "max_ack_pending": spec.max_ack_pending,
        "filter_subjects": list(spec.filter_subjects),
    }
