"""Versions in references of images and packages."""

from __future__ import annotations

import re

_VERSION = re.compile(r":v?(\d+(?:\.\d+)*[^:/@]*)(?:@[^@]*)?$")
_NUMBER = re.compile(r"\d+")


def version_of(reference: str) -> str:
    """Return the version in an image or package reference without a leading ``v``; ``""`` if its tag is none."""
    found = _VERSION.search(reference)
    return found[1] if found else ""


def at_least(version: str, wanted: str) -> bool:
    """Tell whether ``version`` is ``wanted`` or newer; what is no version is not."""
    return bool(version) and _numbers(version) >= _numbers(wanted)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in _NUMBER.findall(re.split(r"[-+]", version)[0])[:3])
