"""How often a crash test repeats itself: a few times in the quick suite, more on the real API server or when asked."""

from __future__ import annotations

import os

_ROUNDS = {"embedded": 3, "real": 10}


def rounds(server: str) -> int:
    """Return the number of rounds on ``embedded`` or ``real``; ``CRASH_ROUNDS`` overrides it."""
    return int(os.environ.get("CRASH_ROUNDS") or _ROUNDS[server])
