"""Applications as their authors change them: what happens in the soak before anything is published of it.

Each version knows its rank, which is the order in which the author made it, whatever order it is published in.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.crash.events import SIZES, changed, deleted, retry

COMPONENTS = ("db", "cache", "queue")
#: Equal names in two namespaces, and one whose data nobody asked to delete.
NAMES = (("team-a", "shop"), ("team-b", "shop"), ("team-a", "mall"), ("team-b", "mall"), ("team-a", "kept"))
_RETAINING = "kept"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one Application, as an event.

    Attributes:
        rank: Its place among the versions of its Application.
        wish: What each component must be if it is the newest: an input value, ``None`` for "not there".
        name: ``<uid>/<generation>``.
    """

    event: Mapping[str, Any]
    rank: int
    wish: tuple[tuple[str, str | None], ...]
    name: str


@dataclass(slots=True)
class Application:
    """One name and everything that was ever wanted under it.

    Attributes:
        withheld: Versions that will be published later than newer ones.
    """

    namespace: str
    name: str
    dice: random.Random
    versions: list[Version] = field(default_factory=list)
    withheld: list[Version] = field(default_factory=list)
    _lives: int = 0
    _alive: bool = False
    _generation: int = 0

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    def next(self) -> Version:
        """Let its author do something: create it, change it, or delete it."""
        if self._alive and self.dice.random() < 0.15:
            return self._delete()
        return self._change()

    def again(self) -> dict[str, Any]:
        """Return the request to run again what did not succeed."""
        return retry(self.name, self.dice.getrandbits(48), namespace=self.namespace)

    def _change(self) -> Version:
        if not self._alive:
            self._alive, self._generation = True, 0
            self._lives += 1
        self._generation += 1
        wanted = self.dice.sample(COMPONENTS, self.dice.randint(1, len(COMPONENTS)))
        parts: dict[str, dict[str, Any]] = {}
        for place, name in enumerate(wanted):
            parts[name] = {"type": "postgresql", "properties": {"size": self.dice.choice(SIZES)}}
            if place and self.dice.random() < 0.5:
                parts[name]["dependsOn"] = [wanted[place - 1]]
        event = changed(self.name, self._generation, parts, namespace=self.namespace, **self._metadata())
        sizes = {name: str(part["properties"]["size"]) for name, part in parts.items()}
        return self._version(event, sizes)

    def _delete(self) -> Version:
        self._alive = False
        self._generation += 1
        event = deleted(self.name, self._generation, namespace=self.namespace, **self._metadata())
        return self._version(event, {})

    def _metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = {
            "uid": f"uid-{self.namespace}-{self.name}-{self._lives}",
            "creationTimestamp": f"2026-01-01T{self._lives // 60:02d}:{self._lives % 60:02d}:00Z",
            "resourceVersion": str(1000 + len(self.versions)),
        }
        if self.name != _RETAINING:
            metadata["annotations"] = {"platform.io/deletion-policy": "delete"}
        return metadata

    def _version(self, event: dict[str, Any], wanted: Mapping[str, str]) -> Version:
        wish: list[tuple[str, str | None]] = list(wanted.items())
        if self.name != _RETAINING:
            wish += [(name, None) for name in COMPONENTS if name not in wanted]
        metadata = event["data"]["application"]["metadata"]
        name = f"{metadata['uid']}/{metadata['generation']}"
        version = Version(event, len(self.versions) + 1, tuple(wish), name)
        self.versions.append(version)
        return version


def applications(seed: int) -> list[Application]:
    """Return applications that nobody has created yet."""
    return [Application(namespace, name, random.Random(f"{seed}/{namespace}/{name}")) for namespace, name in NAMES]
