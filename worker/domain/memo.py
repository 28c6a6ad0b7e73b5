"""What an application wanted last, resolved: senders repeat themselves, and resolving again is most of the work.

A resolution is kept only if it depends on nothing but the event's own content: no problem, no remark, no reference that
leaves the application. Content is compared byte by byte, in memory; nothing of it is stored anywhere.
"""

from __future__ import annotations

import marshal
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from worker.domain.events import AppKey, Event
from worker.domain.model import ComponentSpec, Identity, ReferenceKind

#: Applications whose last wish is kept; a few kilobytes each.
CAPACITY = 4096
#: The first version of marshal's format that is the same for equal values, whatever their history in memory.
_DETERMINISTIC = 2


@dataclass(frozen=True, slots=True)
class Resolved:
    """A wish that raised no question.

    Attributes:
        specs: The wanted components in the order of provisioning.
        digests: Their digests.
    """

    specs: Sequence[ComponentSpec]
    digests: Mapping[Identity, str]


class WishMemo:
    """The last resolved wish of each application, the least recently used ones forgotten."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[AppKey, tuple[bytes, Resolved]] = OrderedDict()

    def recall(self, event: Event) -> Resolved | None:
        """Return what the same wish was resolved to, if it was the application's last one."""
        kept = self._kept.get(event.app)
        if kept is None or kept[0] != _content(event):
            return None
        self._kept.move_to_end(event.app)
        return kept[1]

    def keep(self, event: Event, resolved: Resolved) -> None:
        """Remember what the wish of ``event`` was resolved to, unless it leads out of the application."""
        if any(r.kind is ReferenceKind.FOREIGN for spec in resolved.specs for r in spec.references.values()):
            return
        self._kept[event.app] = (_content(event), resolved)
        self._kept.move_to_end(event.app)
        if len(self._kept) > self._capacity:
            self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)


def _content(event: Event) -> bytes:
    """Return everything that resolving looks at, as bytes that are equal for equal wishes."""
    components = [(c.name, c.type, c.properties, c.depends_on, c.inputs_from, c.outputs) for c in event.components]
    settings = event.settings
    labels = (settings.cluster, settings.app_container, settings.github_owner)
    return marshal.dumps((components, labels, event.kind.value), _DETERMINISTIC)
