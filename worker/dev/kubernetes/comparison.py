"""What changed between two versions of an object, as three sets of field paths: added, modified, removed.

Field ownership needs no more than this: an updater owns what it added or modified, and nobody owns what was removed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from worker.dev.kubernetes.field_set import FieldSet, children, is_granular, leaf, union

if TYPE_CHECKING:
    from worker.dev.kubernetes.schema import Schema

_ABSENT: Any = object()


@dataclass(slots=True)
class Comparison:
    """The paths that differ between an old and a new value."""

    added: FieldSet = field(default_factory=dict)
    modified: FieldSet = field(default_factory=dict)
    removed: FieldSet = field(default_factory=dict)

    @property
    def written(self) -> FieldSet:
        """Added and modified paths."""
        return union(self.added, self.modified)


def compare(schema: Schema, old: Any, new: Any) -> Comparison:
    """Compare two values of a granular map, usually whole objects."""
    result = Comparison()
    _compare_children(schema, old, new, (result.added, result.modified, result.removed))
    return result


def _compare_children(schema: Schema, old: Any, new: Any, sets: tuple[FieldSet, FieldSet, FieldSet]) -> None:
    before = children(schema, old) if old is not _ABSENT else {}
    after = children(schema, new) if new is not _ABSENT else {}
    for element in before.keys() | after.keys():
        below, was = before.get(element, (None, _ABSENT))
        after_below, becomes = after.get(element, (None, _ABSENT))
        found = below or after_below
        if found is None or was is becomes or was == becomes:
            continue
        nodes: tuple[FieldSet, FieldSet, FieldSet] = ({}, {}, {})
        _compare_values(found, was, becomes, nodes)
        for target, node in zip(sets, nodes, strict=True):
            if node:
                target[element] = node


def _compare_values(schema: Schema, old: Any, new: Any, sets: tuple[FieldSet, FieldSet, FieldSet]) -> None:
    added, modified, removed = sets
    if old is _ABSENT:
        added.update(leaf())
    elif new is _ABSENT:
        removed.update(leaf())
    elif not (is_granular(schema, old) and is_granular(schema, new) and type(old) is type(new)):
        modified.update(leaf())
        return
    granular = (old is _ABSENT or is_granular(schema, old)) and (new is _ABSENT or is_granular(schema, new))
    if granular:
        _compare_children(schema, old, new, sets)
