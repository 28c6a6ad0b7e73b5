"""Judges a history. Each rule is one function that returns what is wrong.

An empty list proves something only because the planted faults (`mutants.py`) do not get one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

from tests.crash.history import History, Published


def check(history: History) -> list[str]:
    """Return every violation of the promises of delivery, in words."""
    return [problem for rule in RULES for problem in rule(history)]


def one_disposition_each(history: History) -> list[str]:
    """Every event ends in exactly one of accepted, unchanged, superseded, rejected, and the ledger says so."""
    problems = []
    for sequence, kinds in history.dispositions().items():
        if not kinds:
            problems.append(f"event {sequence} was lost: the ledger says nothing about it")
        elif len(kinds) > 1:
            problems.append(f"event {sequence} ended in {' and '.join(sorted(kinds))}")
    return problems


def nothing_pending(history: History) -> list[str]:
    """At rest the consumer has nothing left."""
    return [f"{history.pending} messages are still waiting"] if history.pending else []


def dead_letters_are_the_rejected(history: History) -> list[str]:
    """A rejected event is in the DLQ with its original bytes, once; no other event is."""
    problems = []
    dispositions = history.dispositions()
    counts = Counter(letter.sequence for letter in history.dead)
    bodies = {letter.sequence: letter.body for letter in history.dead}
    for event in history.published:
        rejected = "rejected" in dispositions[event.sequence]
        if rejected != (event.sequence in counts):
            problems.append(
                f"event {event.sequence}: rejected is {rejected}, in the DLQ {counts[event.sequence]} times"
            )
        elif rejected and bodies[event.sequence] != event.body:
            problems.append(f"event {event.sequence}: the DLQ has other bytes than the publisher")
        if rejected and event.valid:
            problems.append(f"event {event.sequence} is valid and was rejected")
    problems += [f"event {sequence} is in the DLQ {count} times" for sequence, count in counts.items() if count > 1]
    return problems


def one_workflow_per_attempt(history: History) -> list[str]:
    """At most one Workflow per (application, order, attempt), ever: counted by uid over the whole history."""
    by_attempt = defaultdict(set)
    for made in history.made:
        by_attempt[made.app, made.order, made.attempt, made.delivery].add(made.uid)
    problems = [f"{key} has {len(uids)} Workflows" for key, uids in by_attempt.items() if len(uids) > 1]
    names = Counter(made.name for made in history.made)
    return problems + [f"the name {name} was made {count} times" for name, count in names.items() if count > 1]


def accepted_have_a_workflow(history: History) -> list[str]:
    """What was accepted was created."""
    made = {int(one.delivery.rsplit(":", 1)[1]) for one in history.made}
    return [
        f"event {sequence} was accepted and has no Workflow"
        for sequence, kinds in history.dispositions().items()
        if kinds == {"accepted"} and sequence not in made
    ]


def older_input_never_after_newer(history: History) -> list[str]:
    """No component runs older input after newer."""
    ranks = {event.sequence: event.rank for event in history.published}
    versions = {(event.app, event.version): event.rank for event in history.published if event.version}
    rank_of = {
        made.name: versions.get((made.app, made.version), ranks.get(int(made.delivery.rsplit(":", 1)[1]), -1))
        for made in history.made
    }
    newest: dict[tuple[str, str], int] = {}
    problems = []
    for done in history.executed:
        key, rank = (done.app, done.component), rank_of.get(done.workflow, -1)
        if rank < newest.get(key, -1):
            problems.append(f"{done.app}/{done.component}: rank {rank} ran after rank {newest[key]} ({done.workflow})")
        newest[key] = max(rank, newest.get(key, -1))
    return problems


def newest_wins(history: History) -> list[str]:
    """At rest each application is as its newest event wants it."""
    newest: dict[str, Published] = {}
    for event in history.published:
        if event.valid and (event.app not in newest or event.rank > newest[event.app].rank):
            newest[event.app] = event
    present = _present(history)
    problems = []
    for app, event in newest.items():
        for component, value in event.wish:
            found = present.get((app, component))
            if found != value:
                problems.append(
                    f"{app}/{component} is {found!r} at rest, the newest event (rank {event.rank}) wants {value!r}"
                )
    return problems


def nothing_orphaned(history: History) -> list[str]:
    """At rest the records know everything that is there, and what they call applied is there as they say."""
    present = _present(history)
    known = {(one.app, one.component) for one in history.recorded}
    problems = [f"{app}/{name} is there and no record knows it" for app, name in present if (app, name) not in known]
    for one in history.recorded:
        found = present.get((one.app, one.component))
        if one.state == "applied" and (found is None or (one.value and found != one.value)):
            problems.append(f"{one.app}/{one.component} is recorded as applied ({one.value!r}), and is {found!r}")
    return problems


def _present(history: History) -> dict[tuple[str, str], str]:
    """Return what is in the cluster at rest: input value by application and component."""
    present: dict[tuple[str, str], str] = {}
    for done in history.executed:
        if done.entry == "main":
            present[done.app, done.component] = done.value
        else:
            present.pop((done.app, done.component), None)
    return present


Rule = Callable[[History], list[str]]
RULES: tuple[Rule, ...] = (
    one_disposition_each,
    nothing_pending,
    dead_letters_are_the_rejected,
    one_workflow_per_attempt,
    accepted_have_a_workflow,
    older_input_never_after_newer,
    newest_wins,
    nothing_orphaned,
)
