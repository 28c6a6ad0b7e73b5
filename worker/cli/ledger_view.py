"""The ledger as people see it: one line per status event, and how an event's way through it ends."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from worker.cli.exits import Exit

if TYPE_CHECKING:
    from worker.outbound.desk import Letter

#: How an event's story ends, by the last word about it; ``accepted`` and ``running`` are not the end.
ENDINGS = {
    "unchanged": Exit.OK,
    "succeeded": Exit.OK,
    "deleted": Exit.OK,
    "rejected": Exit.FAILED,
    "failed": Exit.FAILED,
    "superseded": Exit.REFUSED,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One status event.

    Attributes:
        kind: ``accepted``, ``running``, ``failed``, …
        sequence: Its place in the status stream.
        event: The whole CloudEvent.
    """

    kind: str
    sequence: int
    time: str
    event: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> dict[str, Any]:
        """The CloudEvent's data."""
        data: dict[str, Any] = self.event.get("data") or {}
        return data

    @property
    def application(self) -> str:
        """``namespace/name``."""
        found = self.data.get("application") or {}
        return f"{found.get('namespace', '?')}/{found.get('name', '?')}"

    @property
    def cause(self) -> str:
        """Id of the event that this is about."""
        return str((self.data.get("cause") or {}).get("id", ""))

    @property
    def delivered(self) -> int:
        """Place of the causing event in its stream."""
        sequence = str(self.event.get("delivery", "")).rpartition(":")[2]
        return int(sequence) if sequence.isdecimal() else 0

    def closes(self, *, deletes: bool) -> bool:
        """Tell whether nothing more will be told of the event; a deletion's run succeeds before it is deleted."""
        return self.ends and not (deletes and self.kind == "succeeded")

    @property
    def ends(self) -> bool:
        """A run or an event came to its end."""
        return self.kind in ENDINGS

    def summary(self) -> str:
        """Return what happened, in one line."""
        data = self.data
        run = data.get("run") or {}
        parts = [f"run {run['name']}"] if run.get("name") else []
        if self.kind == "accepted":
            touched = [f"{c['action']} {c['name']}" for c in data.get("components", []) if c["action"] != "unchanged"]
            parts += [", ".join(touched)] if touched else []
        for error in data.get("errors", []):
            where = f" at {error['path']}" if error.get("path") else ""
            fix = f"; {error['fix']}" if error.get("fix") else ""
            who = f"{error['component']}: " if error.get("component") else ""
            parts.append(f"{who}{error['message']}{where}{fix}")
        if self.kind != "accepted":
            parts += [
                f"{c['name']} {c['state']}: {c['message']}"
                for c in data.get("components", [])
                if c.get("message") and c.get("state") not in {"applied", "retained"} and self.kind == "failed"
            ]
        return " · ".join(dict.fromkeys(parts + list(data.get("warnings", []))))


def read(letter: Letter) -> Entry:
    """Read one message of the status stream."""
    event = json.loads(letter.body)
    kind = str(event.get("type", "")).removeprefix("io.platform.provisioning.").removesuffix(".v1")
    return Entry(kind, letter.sequence, str(event.get("time", "")), event)
