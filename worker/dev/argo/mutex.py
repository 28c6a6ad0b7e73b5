"""Mutexes between Workflows: one holder each, waiters by creationTimestamp (`facts` of the real controller 3.7).

A suspended Workflow takes its mutex too; nobody is displaced; deleting or finishing the holder lets the next one in.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class _Lock:
    holder: str = ""
    waiters: dict[str, tuple[int, str]] = field(default_factory=dict)

    def first(self) -> str:
        return min(self.waiters, key=lambda key: (*self.waiters[key], key), default="")


class Mutexes:
    """All mutexes of the namespaces that the controller watches."""

    def __init__(self) -> None:
        """Start with none held."""
        self._locks: dict[str, _Lock] = {}
        self._of: dict[str, set[str]] = {}

    def acquire(self, key: str, names: list[str], *, created: str, priority: int = 0) -> str:
        """Try to hold all named mutexes at once.

        Args:
            key: who wants them.
            names: the mutexes.
            created: creationTimestamp, which orders the queue (resolution: one second).
            priority: higher goes first.

        Returns:
            The name of a mutex that someone else holds or is next for, or "" when all are held by `key` now.
        """
        self._of.setdefault(key, set()).update(names)
        for name in names:
            lock = self._locks.setdefault(name, _Lock())
            if lock.holder != key:
                lock.waiters[key] = (-priority, created)
        for name in names:
            lock = self._locks[name]
            if lock.holder != key and (lock.holder or lock.first() != key):
                return name
        for name in names:
            lock = self._locks[name]
            lock.holder = key
            lock.waiters.pop(key, None)
        return ""

    def restore(self, key: str, name: str) -> None:
        """Let a Workflow hold what its status says it held before the controller was restarted."""
        self._of.setdefault(key, set()).add(name)
        self._locks.setdefault(name, _Lock()).holder = key

    def release(self, key: str) -> set[str]:
        """Give up all that someone holds or waits for.

        Returns:
            Who may be able to go on now.
        """
        woken: set[str] = set()
        for name in self._of.pop(key, ()):
            lock = self._locks[name]
            lock.waiters.pop(key, None)
            if lock.holder == key:
                lock.holder = ""
            if not lock.holder and (first := lock.first()):
                woken.add(first)
            if not lock.holder and not lock.waiters:
                del self._locks[name]
        return woken
