"""One way to call the command line in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from worker.cli.app import cli

Call = Callable[..., Result]


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as the window, and pytest's own worker processes claim a narrow one."""
    monkeypatch.setenv("COLUMNS", "180")


@pytest.fixture
def call() -> Call:
    """Call `platform-worker` with arguments; `input` is standard input."""

    def run(*arguments: str, input: str | None = None) -> Result:  # noqa: A002 - click's word for it
        return CliRunner().invoke(cli, list(arguments), input=input, prog_name="platform-worker")

    return run
