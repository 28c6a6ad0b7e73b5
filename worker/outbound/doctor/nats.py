"""The checks of the NATS server: does it answer, has it JetStream, are streams, consumer and bucket as declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nats.errors
from nats.js.errors import APIError, ServiceUnavailableError

from worker.errors import Unavailable
from worker.outbound.desk import connected
from worker.outbound.doctor.findings import Finding, Health, failed, ok
from worker.outbound.installation import declared_streams
from worker.outbound.streams import Streams

if TYPE_CHECKING:
    from nats.aio.client import Client

    from worker.outbound.streams import Drift
    from worker.settings import Settings

_APPLY = "platform-worker streams apply"
_ENABLE = "enable JetStream in the server's configuration, for this account too"


async def examine_nats(settings: Settings) -> list[Finding]:
    """Look at the NATS server that the settings name."""
    try:
        async with connected(settings) as client:
            version = client.connected_server_version
            server = ok("NATS", "server", f"{version.major}.{version.minor}.{version.patch}")
            return [server, *await _jetstream(client, settings)]
    except Unavailable as error:
        return [failed("NATS", "server", str(error).removeprefix("nats: "), "check NATS_URL and the network")]


async def _jetstream(client: Client, settings: Settings) -> list[Finding]:
    try:
        await client.jetstream().account_info()
    except (APIError, ServiceUnavailableError, nats.errors.Error) as error:
        return [failed("NATS", "JetStream", f"it does not answer ({type(error).__name__})", _ENABLE)]
    declared = declared_streams(settings)
    try:
        drifts = await Streams(client, declared, timeout=settings.publish_timeout).check()
    except Unavailable as error:
        return [ok("NATS", "JetStream"), failed("NATS", "streams", str(error), _APPLY)]
    names = [*declared.streams, *declared.consumers, *declared.buckets]
    return [
        ok("NATS", "JetStream"),
        *(_named(name, [drift for drift in drifts if drift.name == name]) for name in names),
    ]


def _named(name: str, drifts: list[Drift]) -> Finding:
    if not drifts:
        return ok("NATS", name, "as declared")
    essential = any(drift.essential for drift in drifts)
    health = Health.FAILED if essential else Health.WARNING
    return Finding("NATS", name, health, "; ".join(map(str, drifts)), _APPLY)
