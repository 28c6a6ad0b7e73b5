"""Every command line in the documents is one that the program takes; every make target exists."""

from __future__ import annotations

import re
from typing import Any

import click
import pytest

from tests.docs.markdown import ROOT, Block, blocks
from worker.cli.app import cli

SHELL = blocks("sh", "console")
#: What commands of the documents may start with, besides ours.
TOOLS = {
    *(".", "argo", "cat", "curl", "eval", "export", "git", "grep"),
    *("jq", "kubectl", "pip", "python3", "sed", "source", "tail"),
}


def parse(words: list[str]) -> click.Context:
    """Let click read a command line of ours as it would before it calls the command.

    Raises:
        click.UsageError: it would refuse it.
    """
    command: click.Command = cli
    context = command.make_context("platform-worker", list(words))
    while isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command, context = found, found.make_context(name, rest, parent=context)
    return context


def ours(words: list[str]) -> list[str] | None:
    """Return the arguments of a call of our program, ``None`` for another one."""
    if words[0].rpartition("/")[2] == "platform-worker":
        return words[1:]
    if words[1:3] == ["-m", "worker"]:
        return words[3:]
    return None


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_command_lines_are_read(block: Block) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in block.commands():
        arguments = ours(words)
        if arguments is not None:
            try:
                parse(arguments)
            except click.exceptions.Exit:
                continue  # --help and --version end here
            except click.ClickException as error:
                pytest.fail(f"{block}: {' '.join(words)}: {error.format_message()}")
        elif words[0] == "make":
            asked = {word for word in words[1:] if "=" not in word}
            assert asked <= targets, f"{block}: {' '.join(words)}"
        else:
            known = words[0] in TOOLS or words[0].startswith(".venv/") or (ROOT / words[0]).is_file()
            assert known, f"{block}: what is {words[0]!r}? add it to TOOLS if a reader is sure to have it"


@pytest.mark.parametrize("words", [["publsh", "x"], ["plan"], ["plan", "--lve", "x"], ["dlq", "replay", "--fore"]])
def test_wrong_command_lines_are_found(words: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parse(words)


def test_commands_are_found_in_blocks() -> None:
    text = "X=1 platform-worker plan - <<'END' | jq .\n{a}\nEND\n"
    text += "make dev ARGS='--x y' # why\nls > out 2>/dev/null && pwd\n"
    block: Any = Block(ROOT / "README.md", 1, "sh", text)
    assert list(block.commands()) == [
        ["platform-worker", "plan", "-"],
        ["jq", "."],
        ["make", "dev", "ARGS=--x y"],
        ["ls"],
        ["pwd"],
    ]
    assert list(block.heredocs()) == [("X=1 platform-worker plan - <<'END' | jq .", "{a}\n")]
