"""The platform's claim APIs and where the files of each are: the one table that tools and tests go through.

To add an API, put its files where `Api` looks for them and add one line to `APIS`; nothing else lists the APIs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "platform" / "04-apis"


@dataclass(frozen=True)
class Api:
    """One claim API.

    Attributes:
        plural: Plural of the claim's kind; the definition is `definitions/x<plural>.yaml`.
        kind: Kind of the claim; that of the composite resource has an X before it.
        group: API group.
        composition_stem: Stem of the Composition's file; `<singular>-composition` where it is empty.
        own_folders: Whether examples, tests and the page with the fields are in folders named as the plural; those of
            the first API stand beside these folders, and its fields in README.md.
        root: The folder `platform/04-apis`; tests of the tools use a copy.
    """

    plural: str
    kind: str
    group: str
    composition_stem: str = ""
    own_folders: bool = True
    root: Path = FOLDER

    @property
    def singular(self) -> str:
        """Singular of the claim's kind, in lower case as Kubernetes writes it."""
        return self.kind.lower()

    @property
    def composite_kind(self) -> str:
        """Kind of the composite resource."""
        return f"X{self.kind}"

    @property
    def definition(self) -> Path:
        """The CompositeResourceDefinition."""
        return self.root / "definitions" / f"x{self.plural}.yaml"

    @property
    def composition(self) -> Path:
        """The Composition."""
        return self.root / "compositions" / f"{self.composition_stem or f'{self.singular}-composition'}.yaml"

    @property
    def schema(self) -> Path:
        """The JSON Schema of a claim, which is derived from the definition."""
        return self.root / "schemas" / f"{self.singular}.schema.json"

    @property
    def page(self) -> Path:
        """The document with the tables of fields."""
        return self.root / "docs" / f"{self.plural}.md" if self.own_folders else self.root / "README.md"

    @property
    def examples(self) -> Path:
        """Folder of the claims for users."""
        return self._own(self.root / "examples")

    @property
    def tests(self) -> Path:
        """Folder with `cases`, `golden` and `fixtures`."""
        return self._own(self.root / "tests")

    def _own(self, folder: Path) -> Path:
        return folder / self.plural if self.own_folders else folder


EVENT_DRIVEN_SERVICE = Api(
    "eventdrivenservices",
    "EventDrivenService",
    "platform.bizmatters.io",
    composition_stem="event-driven-service-composition",
    own_folders=False,
)

APIS: tuple[Api, ...] = (
    EVENT_DRIVEN_SERVICE,
    Api("appcontainerclaims", "AppContainerClaim", "platform.example.org"),
    Api("applicationclaims", "ApplicationClaim", "platform.example.org"),
    Api("infrastructureclaims", "InfrastructureClaim", "platform.io"),
    Api("providersecretclaims", "ProviderSecretClaim", "platform.io"),
    Api("graphqlplatformclaims", "GraphQLPlatformClaim", "platform.example.org"),
    Api("orchestrationplatformclaims", "OrchestrationPlatformClaim", "platform.example.org"),
    Api("realtimeplatformclaims", "RealtimePlatformClaim", "platform.example.org"),
    Api("vclusterenvironmentclaims", "VClusterEnvironmentClaim", "platform.example.org"),
)


def api(plural: str) -> Api:
    """Return the API of that plural.

    Raises:
        ValueError: There is none; the message names those that there are.
    """
    for found in APIS:
        if found.plural == plural:
            return found
    raise ValueError(f"no API {plural}: there are {', '.join(found.plural for found in APIS)}")
