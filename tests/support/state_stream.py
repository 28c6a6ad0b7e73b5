"""The stream behind the state bucket, for tests that need no other stream of the installation."""

from __future__ import annotations

from nats.js.api import DiscardPolicy, StreamConfig

from contracts.names import STATE_BUCKET


def state_stream(bucket: str = STATE_BUCKET, *, allow_msg_ttl: bool = True) -> StreamConfig:
    """Return the configuration of a key-value bucket as `contracts/streams.yaml` declares the worker's."""
    return StreamConfig(
        name=f"KV_{bucket}",
        subjects=[f"$KV.{bucket}.>"],
        max_msgs_per_subject=1,
        allow_rollup_hdrs=True,
        deny_delete=True,
        allow_direct=False,
        allow_msg_ttl=allow_msg_ttl,
        discard=DiscardPolicy.NEW,
    )
