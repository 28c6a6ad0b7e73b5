"""The claims in platform/04-apis/tests/fixtures and examples, with what an invalid one has to be told."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from tools.platform_api.crds import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

FIXTURES = FOLDER / "tests" / "fixtures"
EXAMPLES = FOLDER / "examples"
_COMMENT = re.compile(r"^# (breaks|expect): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Fixture:
    """One claim.

    Attributes:
        path: Its file.
        claim: The claim as a client of the API server reads it.
        breaks: Name of the constraint that it breaks; empty if none, or if no word of the schema stands for it.
        expect: What it has to be told, ``path: words``; empty if it is valid.
    """

    path: Path
    claim: dict[str, Any]
    breaks: str
    expect: str

    @property
    def where(self) -> str:
        """Path that the refusal has to name."""
        return self.expect.partition(": ")[0]


class _Loader(yaml.SafeLoader):
    """Reads dates as texts, as Kubernetes does."""


_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)


def load(path: Path) -> Fixture:
    """Return the first document of a file, which is the claim."""
    text = path.read_text(encoding="utf-8")
    said = dict(_COMMENT.findall(text))
    claim = next(iter(yaml.load_all(text, _Loader)))
    return Fixture(path, claim, said.get("breaks", ""), said.get("expect", ""))


@functools.cache
def valid() -> tuple[Fixture, ...]:
    """Return the valid fixtures and the examples."""
    return tuple(load(path) for folder in (FIXTURES / "valid", EXAMPLES) for path in sorted(folder.glob("*.yaml")))


@functools.cache
def invalid() -> tuple[Fixture, ...]:
    """Return the invalid fixtures."""
    return tuple(load(path) for path in sorted((FIXTURES / "invalid").glob("*.yaml")))


def name(fixture: Fixture) -> str:
    """Return the name of a fixture in test ids."""
    return fixture.path.stem
