"""What one look found: a name, whether it holds, and what to do about it if it does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """Whether a requirement holds."""

    OK = "ok"
    WARNING = "warning"
    """The platform works without it, but less well."""
    FAILED = "failed"
    """Missing, broken, or not to be seen: nobody should rely on it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One requirement and how it stands.

    Attributes:
        area: What it belongs to, such as ``NATS``.
        name: What was looked for.
        detail: What was found; for anything but ``ok`` the reason.
        fix: What makes it hold; ``""`` for ``ok``.
    """

    area: str
    name: str
    health: Health
    detail: str = ""
    fix: str = ""


def ok(area: str, name: str, detail: str = "") -> Finding:
    """Return a finding of something that is as it should be."""
    return Finding(area, name, Health.OK, detail)


def failed(area: str, name: str, detail: str, fix: str) -> Finding:
    """Return a finding of something that is missing or broken."""
    return Finding(area, name, Health.FAILED, detail, fix)


def healthy(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing has failed; warnings do not count."""
    return all(finding.health is not Health.FAILED for finding in findings)
