"""The seven WorkflowTemplates as typed data: which inputs each declares, with defaults, and which outputs it yields.

Only what is declared here may travel to a Workflow. The file is read on first use, so that importing this costs
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

MAIN: Final = "main"
TEARDOWN: Final = "teardown"
#: An eighth WorkflowTemplate that no task of the worker refers to, with the templates that the seven share.
SHARED: Final = "claim-steps"
SHARED_ENTRIES: Final = ("guard-claim", "check-appcontainer")


@dataclass(frozen=True, slots=True)
class TemplateInput:
    """An input parameter; without a default it must be given."""

    name: str
    default: str | None
    description: str

    @property
    def required(self) -> bool:
        """Tell whether it must be given."""
        return self.default is None


@dataclass(frozen=True, slots=True)
class WorkflowTemplate:
    """A WorkflowTemplate's interface; `main` yields the outputs, `teardown` takes the same inputs only."""

    name: str
    description: str
    claims: tuple[str, ...]
    inputs: Mapping[str, TemplateInput]
    outputs: Mapping[str, str]
    entries: tuple[str, ...] = (MAIN, TEARDOWN)


class _Templates(Mapping[str, WorkflowTemplate]):
    """The templates by name, read on first use."""

    def __getitem__(self, name: str) -> WorkflowTemplate:
        return _load()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_load())

    def __len__(self) -> int:
        return len(_load())


TEMPLATES: Final[Mapping[str, WorkflowTemplate]] = _Templates()


def common_inputs() -> tuple[str, ...]:
    """Return the names of the inputs that every template takes."""
    return _read()[0]


@cache
def _load() -> Mapping[str, WorkflowTemplate]:
    return _read()[1]


@cache
def _read() -> tuple[tuple[str, ...], Mapping[str, WorkflowTemplate]]:
    import yaml  # noqa: PLC0415 - 10 ms that the hot path need not pay

    document = yaml.safe_load(Path(__file__).with_name("templates.yaml").read_text(encoding="utf-8"))
    common = document["common"]
    made = {
        name: WorkflowTemplate(
            name=name,
            description=one["description"],
            claims=tuple(one["claims"]),
            inputs=MappingProxyType(
                {
                    key: TemplateInput(key, about.get("default"), about["description"])
                    for key, about in {**common, **one["inputs"]}.items()
                }
            ),
            outputs=MappingProxyType(dict(one["outputs"])),
        )
        for name, one in document["templates"].items()
    }
    return tuple(common), MappingProxyType(made)
