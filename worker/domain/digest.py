"""Digest of what the user asked for, so that an equal wish is recognised.

It covers the user's input that a handler maps, not the rendered parameters: an upgrade of the worker or of a template
must not run every application of the platform again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from worker.domain.classify import TYPES
from worker.domain.events import Settings
from worker.domain.model import ComponentSpec, Pattern

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def digest(spec: ComponentSpec, settings: Settings) -> str:
    """Return the digest (16 hexadecimal digits) of a component's wish, including the labels that its pattern uses."""
    labels: tuple[str, ...] = ()
    if TYPES[spec.identity.type].pattern is not Pattern.INFRASTRUCTURAL and spec.identity.type != "vcluster":
        labels = (settings.app_container, settings.github_owner)
    references = {name: (ref.kind, ref.app, ref.name) for name, ref in spec.references.items()}
    text = _canonical((spec.identity.type, spec.identity.target, spec.inputs, references, labels))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def changed_inputs(old: ComponentSpec, new: ComponentSpec) -> list[str]:
    """Return the names of the properties and references in which two specs of one component differ, for people."""

    def differing(names: Iterable[str], a: object, b: object) -> list[str]:
        return [n for n in names if a.get(n) != b.get(n)]  # type: ignore[attr-defined]

    return sorted(
        {
            *differing({*old.inputs, *new.inputs}, old.inputs, new.inputs),
            *differing({*old.references, *new.references}, old.references, new.references),
        }
    )
