"""What became of the demo's events, as the ledger and the DLQ tell it, compared with what each had to become."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from worker.cli import demo_claims

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.cli.dead_letter import DeadLetter
    from worker.cli.demo_claims import Claim
    from worker.cli.ledger_view import Entry
    from worker.dev.demo_scenario import Step

_DISPOSITIONS = frozenset({"accepted", "unchanged", "superseded", "rejected"})
_SETTLED = frozenset({"applied", "retained"})


@dataclass(slots=True)
class Result:
    """One published event, and all that was told of it so far.

    Attributes:
        body: The bytes that were sent.
        sequence: Its place in the event stream.
        stored: The stream took it.
        tasks: Phase of each task of its run, as the Kubernetes API shows it; for the live picture only.
        claims: Claims of its application at the end of its stage, where the scenario says which there have to be.
    """

    step: Step
    application: str
    id: str
    body: bytes
    sequence: int
    stored: bool
    entries: list[Entry] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    tasks: dict[str, str] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Nothing more will be told of it."""
        return not self.stored or any(entry.closes(deletes=self.step.expect.end == "deleted") for entry in self.entries)

    @property
    def accepted(self) -> Entry | None:
        """The entry that tells that a run was started, if one was."""
        return next((entry for entry in self.entries if entry.kind == "accepted"), None)

    @property
    def run(self) -> str:
        """Name of its Workflow, ``""`` if there is none."""
        found = self.accepted.data.get("run") if self.accepted else None
        return str(found["name"]) if found else ""

    @property
    def disposition(self) -> str:
        """The first word of the ledger about it."""
        if not self.stored:
            return "not stored"
        return self.entries[0].kind if self.entries else ""

    @property
    def end(self) -> str:
        """The last word of the ledger about it."""
        return next((entry.kind for entry in reversed(self.entries) if entry.ends), "")

    @property
    def actions(self) -> dict[str, str]:
        """What the plan did, by component."""
        told = self.accepted or (self.entries[0] if self.entries else None)
        components = told.data.get("components", []) if told else []
        return {c["name"]: c["action"] for c in components if c["action"] != "unchanged"}

    @property
    def skipped(self) -> list[str]:
        """Components that were passed over."""
        return [one["component"] for entry in self.entries[:1] for one in entry.data.get("skipped", [])]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The errors of its last word."""
        return list(self.entries[-1].data.get("errors", [])) if self.entries else []

    def deviations(self) -> list[str]:
        """Return how it differs from what it had to become; empty if it does not."""
        want = self.step.expect
        if self.stored is not want.stored:
            return ["it was stored" if self.stored else "it was not stored"]
        found = []
        for what, wanted, got in (
            ("disposition", want.disposition, self.disposition if self.stored else None),
            ("end", want.end, self.end if self.stored else None),
            ("actions", want.actions, self.actions),
        ):
            if wanted is not None and wanted != got:
                found.append(f"{what}: {_show(got)} instead of {_show(wanted)}")
        for what, names, got_names in (
            ("skipped", want.skipped, self.skipped),
            ("paths of errors", want.errors, [str(e.get("path", "")) for e in self.errors] if want.errors else []),
            ("failing", want.failing, [str(e.get("component", "")) for e in self.errors] if want.failing else []),
        ):
            if sorted(names) != sorted(got_names):
                found.append(f"{what}: {_show(got_names)} instead of {_show(list(names))}")
        if want.reason and not any(want.reason in str(error.get("message", "")) for error in self.errors):
            found.append(f"reason: {_show([str(e.get('message', '')) for e in self.errors])} instead of {want.reason}")
        if want.claims:
            found += demo_claims.deviations(self.claims, want.claims, want.binds)
        return found + self._order() + self._dispositions() + self._states() + self._dead_letters()

    def _order(self) -> list[str]:
        """The order of the tasks: the wanted one where one is, and 3, 2, 1 always."""
        components = self.accepted.data.get("components", []) if self.accepted else []
        built = [c for c in components if c["action"] in {"create", "change"}]
        names, patterns = [c["name"] for c in built], [c["pattern"] for c in built]
        wanted = list(self.step.expect.order)
        found = [f"order: {_show(names)} instead of {_show(wanted)}"] if wanted and names != wanted else []
        if patterns != sorted(patterns, reverse=True):
            found.append(f"order of patterns: {patterns}")
        return found

    def _dispositions(self) -> list[str]:
        kinds = {str(entry.data.get("disposition")) for entry in self.entries}
        if self.stored and (len(kinds) != 1 or not kinds <= _DISPOSITIONS):
            return [f"dispositions: {_show(sorted(kinds))} instead of exactly one"]
        return []

    def _states(self) -> list[str]:
        if self.end not in {"succeeded", "deleted"}:
            return []
        unsettled = [
            f"{c['name']} {c['state']}" for c in self.entries[-1].data.get("components", []) if not _settled(c)
        ]
        return [f"states: {_show(unsettled)} at the end of the run"] if unsettled else []

    def _dead_letters(self) -> list[str]:
        wanted = self.step.expect.dead_letter
        classes = [letter.error_class for letter in self.letters]
        if classes != ([wanted] if wanted else []):
            return [f"dead letters: {_show(classes)} instead of {_show([wanted] if wanted else [])}"]
        if wanted and self.letters[0].body != self.body:
            return ["the dead letter does not have the original bytes"]
        return []

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "name": self.step.name,
            "title": self.step.title,
            "application": self.application,
            "id": self.id,
            "sequence": self.sequence,
            "expected": self.step.expect.model_dump(mode="json", by_alias=True, exclude_none=True),
            "became": {
                "stored": self.stored,
                "disposition": self.disposition,
                "end": self.end,
                "run": self.run,
                "actions": self.actions,
                "skipped": self.skipped,
                "errors": self.errors,
                "deadLetters": [letter.error_class for letter in self.letters],
                "claims": [claim.to_json() for claim in self.claims],
            },
            "deviations": self.deviations(),
        }


def sort_in(results: Sequence[Result], entries: Sequence[Entry], letters: Sequence[DeadLetter]) -> None:
    """Give each result what the ledger and the DLQ have about it, and nothing else."""
    for result in results:
        mine = [entry for entry in entries if entry.delivered == result.sequence] if result.stored else []
        result.entries = sorted(mine, key=lambda entry: entry.sequence)
        result.letters = [one for one in letters if result.stored and one.event_sequence == result.sequence]


def _settled(component: dict[str, Any]) -> bool:
    return component["state"] in _SETTLED or component["action"] == "remove"


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {one}" for name, one in value.items()) or "nothing"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "nothing"
    return str(value) if value not in {None, ""} else "nothing"
