"""docs/cli.md against the code: exit codes, commands, options."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from worker.cli.app import COMMANDS, cli
from worker.cli.exits import MEANINGS

TEXT = Path("docs/cli.md").read_text(encoding="utf-8")


def options(command: click.Command) -> set[str]:
    found = {name for p in command.params if isinstance(p, click.Option) for name in (*p.opts, *p.secondary_opts)}
    if isinstance(command, click.Group):
        for sub in command.commands.values():
            found |= options(sub)
    return found


def test_exit_codes_are_those_of_the_code() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| (.+) \|$", TEXT, re.MULTILINE))
    assert {int(code): meaning for code, meaning in rows.items()} == {int(c): m for c, m in MEANINGS.items()}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_described(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    names = [f"{name} {sub}" for sub in command.commands] if isinstance(command, click.Group) else [name]
    for one in names:
        assert re.search(rf"`?{one}\b", TEXT), one


def test_every_option_that_is_named_exists() -> None:
    known = {"--help", "--debug"}
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        known |= options(command)
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) <= known
