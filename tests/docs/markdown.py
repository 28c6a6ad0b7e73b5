"""Reads what the tests need out of Markdown: fenced blocks, documents in them, command lines, links and anchors."""

from __future__ import annotations

import itertools
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_HEREDOC = re.compile(
    r"^(?P<command>[^\n]*<<'(?P<word>\w+)'[^\n]*)\n(?P<body>.*?)^(?P=word)$", re.MULTILINE | re.DOTALL
)
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+)\)|href=\"(?P<href>[^\"]+)\"")
_ASSIGNMENT = re.compile(r"[A-Z_][A-Z0-9_]*=\S*")


@dataclass(frozen=True)
class Block:
    """A fenced block, and where it begins."""

    path: Path
    line: int
    language: str
    body: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"

    def heredocs(self) -> Iterator[tuple[str, str]]:
        """Yield command line and text of each here-document."""
        for match in _HEREDOC.finditer(self.body):
            yield match["command"], match["body"]

    def commands(self) -> Iterator[list[str]]:
        """Yield the words of each simple command, without prompt, assignments, redirections and what is piped on."""
        text = _HEREDOC.sub(lambda match: match["command"], self.body)
        prompts = self.language == "console"
        for line in text.replace("\\\n", " ").splitlines():
            if prompts and not line.startswith("$ "):
                continue  # output
            words = shlex.split(line.removeprefix("$ "), comments=True)
            for command in _simple(words):
                started = [*itertools.dropwhile(_ASSIGNMENT.fullmatch, command)]
                if started:
                    yield started


def documents() -> list[Path]:
    """Return every Markdown file of the project."""
    return [
        *sorted(ROOT.glob("*.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "platform").rglob("*.md")),
    ]


def blocks(*languages: str) -> list[Block]:
    """Return all fenced blocks in one of the languages."""
    found: list[Block] = []
    for path in documents():
        text = path.read_text(encoding="utf-8")
        found += [
            Block(path, text.count("\n", 0, match.start()) + 1, match["language"], match["body"])
            for match in _FENCE.finditer(text)
            if match["language"] in languages
        ]
    return found


def links(path: Path) -> list[str]:
    """Return the targets of all links that are not in code."""
    prose = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", path.read_text(encoding="utf-8")))
    return [match["target"] or match["href"] for match in _LINK.finditer(prose)]


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a file."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", path.read_text(encoding="utf-8"))):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        number = 0
        while (numbered := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(numbered)
    return found


def _simple(words: list[str]) -> Iterator[list[str]]:
    """Split a command line at pipes and lists; drop redirections."""
    command: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in {"|", "&&", "||", ";", "&"}:
            yield command
            command = []
        elif re.fullmatch(r"\d?(>>?|<|<<'?)", word):
            skip = True
        elif not re.match(r"\d?(>|<)", word):
            command.append(word)
    yield command
