"""`streams apply` and `streams check`: the server's streams, consumer and bucket against their declaration.

Configurations travel as the server's own JSON, not as nats-py's dataclasses: settings that this version of the
client does not know are kept as they are. Only declared settings are compared and changed. What would lose messages
is refused, never done by the way.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import nats.errors

from worker.errors import Misconfigured, Unavailable
from worker.outbound.stream_configs import targets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nats.aio.client import Client

    from contracts.streams import Topology
    from worker.outbound.stream_configs import Target

_NOT_FOUND = 404
#: JetStream has no leader, or the stream has none: a cluster that loses a server says so until it has elected another.
_NOT_NOW = 503
_APPLY = "platform-worker streams apply"
#: Differences that change what happens to events; a worker does not start on them. The others are capacity and taste.
_ESSENTIAL = frozenset(
    {
        "missing",
        "subjects",
        "retention",
        "discard",
        "filter_subjects",
        "ack_policy",
        "max_deliver",
        "deliver_subject",
        "allow_direct",
        "allow_msg_ttl",
        "max_msgs_per_subject",
        "no_ack",
    }
)
#: Settings whose change the server refuses, or that would delete what is stored.
_FIXED = frozenset({"retention", "storage", "ack_policy", "deliver_subject", "deliver_policy"})


@dataclass(frozen=True, slots=True)
class Drift:
    """One setting that is not as declared.

    Attributes:
        kind: ``stream``, ``consumer`` or ``bucket``.
        setting: The server's name of the setting; ``missing`` if the thing itself is missing.
        declared, found: Both values, in the server's units.
    """

    kind: str
    name: str
    setting: str
    declared: Any = None
    found: Any = None

    @property
    def essential(self) -> bool:
        """Whether a worker must not start with it."""
        return self.setting in _ESSENTIAL

    def __str__(self) -> str:
        if self.setting == "missing":
            return f"{self.kind} {self.name} does not exist"
        return f"{self.kind} {self.name}: {self.setting} is {_show(self.found)}, declared is {_show(self.declared)}"


@dataclass(frozen=True, slots=True)
class Change:
    """What ``apply`` did: ``created``, ``changed`` or ``unchanged``, and the settings that it changed."""

    kind: str
    name: str
    action: str
    settings: tuple[Drift, ...] = ()


class RefusedChange(Misconfigured):
    """The declared setting can only be reached by losing messages, which ``apply`` never does."""

    def __init__(self, drift: Drift, why: str) -> None:
        super().__init__(
            "nats", f"{drift}: {why}", fix=f"migrate by hand (new {drift.kind}, move what is in it), then {_APPLY}"
        )
        self.drift = drift


def tailored(topology: Topology, *, stream: str, consumer: str, replicas: int | None = None) -> Topology:
    """Return the declaration under an installation's names.

    Args:
        topology: What the contract declares: one events stream with one consumer.
        stream: Name of the events stream.
        consumer: Name of its durable consumer.
        replicas: Copies of everything; ``None`` keeps the declared number.
    """
    [declared] = topology.consumers.values()
    streams = {
        (stream if name == declared.stream else name): replace(
            one, name=stream if name == declared.stream else name, replicas=replicas or one.replicas
        )
        for name, one in topology.streams.items()
    }
    return replace(
        topology,
        streams=streams,
        consumers={consumer: replace(declared, name=consumer, stream=stream)},
        buckets={name: replace(one, replicas=replicas or one.replicas) for name, one in topology.buckets.items()},
    )


class Streams:
    """Compares and creates what the worker needs, over one connection."""

    def __init__(self, client: Client, topology: Topology, *, timeout: float = 5.0) -> None:
        """Work on ``topology``; wait ``timeout`` seconds for each answer."""
        self._client = client
        self._targets = list(targets(topology))
        self._timeout = timeout

    async def check(self) -> list[Drift]:
        """Return every difference; change nothing. Raises ``Unavailable``."""
        return [drift for target in self._targets for drift in _compare(target, await self._info(target))]

    async def verify(self) -> None:
        """Raise ``Misconfigured`` if a difference changes what happens to events."""
        drifts = [drift for drift in await self.check() if drift.essential]
        if drifts:
            raise Misconfigured("nats", "; ".join(map(str, drifts)), fix=f"run: {_APPLY}")

    async def apply(self) -> list[Change]:
        """Create what is missing and change what differs; a second call changes nothing.

        Raises:
            RefusedChange: a difference can only be removed by losing messages; nothing was changed then.
            Misconfigured: the server refused a request.
            Unavailable: the server gave no answer.
        """
        infos = [await self._info(target) for target in self._targets]
        for target, info in zip(self._targets, infos, strict=True):
            for drift in _compare(target, info):
                _refuse_loss(drift, info)
        return [await self._apply(target, info) for target, info in zip(self._targets, infos, strict=True)]

    async def _apply(self, target: Target, info: Mapping[str, Any] | None) -> Change:
        if info is None:
            await self._request(target.create, target.body(target.config, "create"), str(target.name))
            return Change(target.kind, target.name, "created")
        drifts = tuple(_compare(target, info))
        if not drifts:
            return Change(target.kind, target.name, "unchanged")
        config = {**info["config"], **target.config}
        if target.kind == "consumer":
            config.pop("filter_subject", None)
        await self._request(target.update, target.body(config, "update"), str(target.name))
        return Change(target.kind, target.name, "changed", drifts)

    async def _info(self, target: Target) -> Mapping[str, Any] | None:
        return await self._request(target.info, b"", target.name, may_miss=True)

    async def _request(self, verb: str, body: bytes, what: str, *, may_miss: bool = False) -> Mapping[str, Any] | None:
        try:
            message = await self._client.request(f"$JS.API.{verb}", body, timeout=self._timeout)
        except nats.errors.NoRespondersError as error:
            raise Unavailable("nats", "JetStream does not answer: it is off, or has no leader") from error
        except (nats.errors.Error, OSError) as error:
            raise Unavailable("nats", f"no answer about {what}: {type(error).__name__}") from error
        answer: dict[str, Any] = json.loads(message.data)
        failure = answer.get("error")
        if failure is None:
            return answer
        if may_miss and failure.get("code") == _NOT_FOUND:
            return None
        text = f"the server refused {what}: {failure.get('description')}"
        if failure.get("code") == _NOT_NOW:
            raise Unavailable("nats", text)
        raise Misconfigured("nats", text, fix=f"correct the cause, then run: {_APPLY}")


def _compare(target: Target, info: Mapping[str, Any] | None) -> Iterator[Drift]:
    if info is None:
        yield Drift(target.kind, target.name, "missing")
        return
    found = dict(info["config"])
    if "filter_subject" in found:
        found["filter_subjects"] = [found["filter_subject"]]
    for setting, declared in target.config.items():
        # The server leaves out what has no value: false, "" and, for a single replica or an absent list, nothing.
        value = found.get(setting, type(declared)())
        same = sorted(value) == sorted(declared) if isinstance(declared, list) else value == declared
        if not same:
            yield Drift(target.kind, target.name, setting, declared, value)


def _refuse_loss(drift: Drift, info: Mapping[str, Any] | None) -> None:
    """Raise if reaching the declared value would lose messages, or is impossible."""
    if drift.setting in _FIXED:
        raise RefusedChange(drift, "this cannot be changed without losing messages")
    if drift.setting == "subjects" and not set(drift.found) <= set(drift.declared):
        raise RefusedChange(drift, "events on subjects that are left out would no longer be stored")
    state = (info or {}).get("state", {})
    if drift.setting == "max_bytes" and 0 < drift.declared < state.get("bytes", 0):
        raise RefusedChange(drift, f"{state['bytes']} bytes are stored")
    shorter = drift.setting == "max_age" and drift.declared and not 0 < drift.found <= drift.declared
    if shorter and state.get("messages"):
        raise RefusedChange(drift, "messages older than that would be deleted at once")


def _show(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value) or "empty"
