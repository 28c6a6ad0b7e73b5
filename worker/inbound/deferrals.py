"""How many messages of each namespace wait for another delivery, as far as this worker knows.

A message that waits still counts against the consumer's ``max_ack_pending``. One namespace whose quota is exhausted
would otherwise fill that with its own waiting messages and stop everybody else's.
"""

from __future__ import annotations

#: Seconds after its due time at which a message counts as taken by another worker.
_TAKEN_ELSEWHERE = 60.0


class Deferrals:
    """Waiting messages by namespace.

    Attributes:
        share: Messages of one namespace that may wait; a tenth of ``max_ack_pending``, set when the consumer is bound.
    """

    def __init__(self, share: int = 100) -> None:
        self.share = share
        self._due: dict[str, dict[str, float]] = {}

    def full(self, namespace: str, key: str, now: float) -> bool:
        """Tell whether no further message of ``namespace`` may wait; ``key``, if it waited before, is not counted."""
        waiting = self._due.get(namespace)
        if waiting is None:
            return False
        for old in [other for other, due in waiting.items() if due + _TAKEN_ELSEWHERE < now]:
            del waiting[old]
        return len(waiting) - (key in waiting) >= self.share

    def add(self, namespace: str, key: str, due: float) -> None:
        """Note that message ``key`` waits until ``due``."""
        self._due.setdefault(namespace, {})[key] = due

    def remove(self, namespace: str, key: str) -> None:
        """Note that message ``key`` does not wait any longer."""
        waiting = self._due.get(namespace)
        if waiting is None:
            return
        waiting.pop(key, None)
        if not waiting:
            del self._due[namespace]

    def count(self) -> int:
        """Return how many messages wait in all."""
        return sum(map(len, self._due.values()))
