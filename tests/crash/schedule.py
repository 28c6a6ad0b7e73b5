"""What goes wrong in a soak, and when: drawn from a seed before anything begins, so that a run can be repeated.

Lanes go wrong independently of each other, so faults overlap; within a lane they follow each other.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

#: By lane: kinds of faults, how long each lasts (seconds), and how long the lane is well between two faults.
_LANES: dict[str, tuple[dict[str, tuple[float, float]], tuple[float, float]]] = {
    "worker": (
        # A frozen worker outlasts ack_wait and the lease, or does not.
        {"kill": (0.0, 0.5), "freeze": (0.5, 5.0), "term": (0.0, 0.5)},
        (0.5, 4.0),
    ),
    "broker": ({"kill": (0.0, 1.5), "freeze": (0.3, 4.0)}, (3.0, 10.0)),
    "api": (
        {"restart": (0.2, 1.5), "latency": (0.5, 3.0), "refuse": (0.3, 1.5), "lose": (0.3, 1.5)},
        (1.0, 6.0),
    ),
    "runs": ({"fail": (0.2, 1.5), "stop": (0.0, 0.0), "retry": (0.0, 0.0), "stop-retry": (0.0, 0.0)}, (0.3, 3.0)),
}
#: Only where the broker is a cluster.
_STEP_DOWNS = {"step-down": (0.0, 0.0)}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        at, lasts: Seconds from the start, and how long it lasts.
        lane: What goes wrong: ``worker``, ``broker``, ``api`` or ``runs``.
        target: Number of the worker or server.
        dice: Chooses whatever else is to be chosen.
    """

    at: float
    lasts: float
    lane: str
    kind: str
    target: int
    dice: int


def schedule(seed: int, seconds: float, *, workers: int, nodes: int) -> list[Fault]:
    """Return the faults of a soak in the order of their beginning; all are over after ``seconds``.

    Args:
        seed: The same seed gives the same faults.
        seconds: How long things go wrong.
        workers: Worker processes; each goes wrong by itself.
        nodes: Servers of the broker; one at a time goes wrong.
    """
    faults: list[Fault] = []
    lanes = [("worker", number) for number in range(workers)] + [("broker", 0), ("api", 0), ("runs", 0)]
    for lane, number in lanes:
        dice = random.Random(f"{seed}/{lane}/{number}")
        kinds, pause = _LANES[lane]
        kinds = kinds | _STEP_DOWNS if lane == "broker" and nodes > 1 else kinds
        at = dice.uniform(*pause)
        while True:
            kind = dice.choice(sorted(kinds))
            lasts = dice.uniform(*kinds[kind])
            if at + lasts > seconds:
                break
            target = dice.randrange(nodes) if lane == "broker" else number
            faults.append(Fault(at, lasts, lane, kind, target, dice.getrandbits(32)))
            at += lasts + dice.uniform(*pause)
    return sorted(faults, key=lambda fault: fault.at)


def summary(faults: Sequence[Fault]) -> str:
    """Return how many faults of each kind there are, on one line."""
    counts = Counter(f"{fault.lane} {fault.kind}" for fault in faults)
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
