"""The claims in the fixtures and examples of platform/04-apis, with what an invalid one has to be told."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.platform import kubernetes_yaml
from tools.platform_api.apis import APIS, EVENT_DRIVEN_SERVICE

if TYPE_CHECKING:
    from pathlib import Path

    from tools.platform_api.apis import Api

#: Of the first API.
FIXTURES = EVENT_DRIVEN_SERVICE.tests / "fixtures"
EXAMPLES = EVENT_DRIVEN_SERVICE.examples
_COMMENT = re.compile(r"^# (breaks|expect): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Fixture:
    """One claim.

    Attributes:
        api: The API that it belongs to.
        path: Its file.
        claim: The claim as a client of the API server reads it.
        breaks: Name of the constraint that it breaks; empty if none, or if no word of the schema stands for it.
        expect: What it has to be told, ``path: words``; empty if it is valid.
    """

    api: Api
    path: Path
    claim: dict[str, Any]
    breaks: str
    expect: str

    @property
    def where(self) -> str:
        """Path that the refusal has to name."""
        return self.expect.partition(": ")[0]


def load(path: Path, api: Api = EVENT_DRIVEN_SERVICE) -> Fixture:
    """Return the first document of a file, which is the claim."""
    text = path.read_text(encoding="utf-8")
    said = dict(_COMMENT.findall(text))
    claim = kubernetes_yaml.load_all(text)[0]
    return Fixture(api, path, claim, said.get("breaks", ""), said.get("expect", ""))


@functools.cache
def valid(api: Api) -> tuple[Fixture, ...]:
    """Return the valid fixtures and the examples of an API."""
    folders = (api.tests / "fixtures" / "valid", api.examples)
    return tuple(load(path, api) for folder in folders for path in sorted(folder.glob("*.yaml")))


@functools.cache
def invalid(api: Api) -> tuple[Fixture, ...]:
    """Return the invalid fixtures of an API."""
    return tuple(load(path, api) for path in sorted((api.tests / "fixtures" / "invalid").glob("*.yaml")))


def all_valid() -> list[Fixture]:
    """Return the valid fixtures and the examples of all APIs."""
    return [fixture for api in APIS for fixture in valid(api)]


def all_invalid() -> list[Fixture]:
    """Return the invalid fixtures of all APIs."""
    return [fixture for api in APIS for fixture in invalid(api)]


def name(fixture: Fixture) -> str:
    """Return the name of a fixture in test ids."""
    return f"{fixture.api.singular}-{fixture.path.stem}"
