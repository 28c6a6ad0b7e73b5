"""How results leave the process: tables for people, JSON and YAML for programs, everything else on stderr.

Texts come from tenants: they are never read as markup, and control characters that could drive a terminal are made
visible.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

F = TypeVar("F", bound=Callable[..., Any])

TABLE, JSON, YAML = "table", "json", "yaml"
#: Columns of a table that goes into a file or a pipe, where nobody can make the window wider.
_PIPE_WIDTH = 180
#: How much wider than the window a table's longest words may make it, and a width that nothing needs.
_BREAKING, _ENDLESS = 1.25, 10_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

STYLES = {
    "create": "green",
    "change": "yellow",
    "remove": "red",
    "retain": "blue",
    "unchanged": "dim",
    "skipped": "dim",
    "accepted": "green",
    "superseded": "blue",
    "rejected": "red",
    "running": "cyan",
    "succeeded": "green",
    "failed": "red",
    "deleted": "blue",
    "applied": "green",
    "dirty": "yellow",
    "removing": "red",
    "retained": "blue",
}


def output_option(command: F) -> F:
    """Give a command the option ``--output``."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice([TABLE, JSON, YAML]),
        default=TABLE,
        show_default=True,
        help="How results are printed.",
    )(command)


def emit(data: Any, output: str) -> None:
    """Print ``data`` as JSON or YAML on stdout."""
    if output == YAML:
        import yaml  # noqa: PLC0415 - only when asked for

        click.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=False), nl=False)
    else:
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def console(*, stderr: bool = False) -> Console:
    """Return a console: colours only on a terminal and without ``NO_COLOR``, wide when it is no terminal."""
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second that --output json need not pay

    stream = sys.stderr if stderr else sys.stdout
    plain = not stream.isatty() and "COLUMNS" not in os.environ
    return Console(file=stream, markup=False, highlight=False, emoji=False, width=_PIPE_WIDTH if plain else None)


def clean(value: object) -> str:
    """Return a text in which control characters are visible and harmless."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", str(value))


def text(value: object, style: str = "") -> Text:
    """Return a text that is shown as it is; known words get their colour."""
    from rich.text import Text  # noqa: PLC0415

    shown = clean(value)
    return Text(shown, style=style or STYLES.get(shown, ""))


def lines(values: Iterable[object]) -> Text:
    """Return texts one below the other, for a cell that would be folded within a word otherwise."""
    from rich.text import Text  # noqa: PLC0415

    return Text("\n").join(map(text, values))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> Table:
    """Return a table; cells are texts or anything that rich can render."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    made = Table(box=box.SIMPLE_HEAD, title=clean(title) or None, title_justify="left", pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold", no_wrap=False)
    for row in rows:
        made.add_row(*(cell if hasattr(cell, "__rich_console__") else text(cell) for cell in row))
    return made


def show_table(out: Console, columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """Print a table; where the window is so narrow that most words would break, a paragraph for each row instead."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    listed = [tuple(row) for row in rows]
    made = table(columns, listed, title=title)
    wanted = out.measure(made, options=out.options.update_width(_ENDLESS)).minimum
    if wanted <= out.width * _BREAKING:
        out.print(made)
        return
    if title:
        out.print(text(title, "italic"))
    for row in listed:
        paragraph = Table.grid(padding=(0, 2))
        paragraph.add_column(no_wrap=True)
        paragraph.add_column(overflow="fold")
        for column, cell in zip(columns, row, strict=True):
            shown = cell if hasattr(cell, "__rich_console__") else text(cell)
            if not isinstance(shown, Text) or shown.plain:
                paragraph.add_row(text(column, "dim"), shown)
        out.print(paragraph)
        out.print()


def note(message: str) -> None:
    """Say something that is no result, on stderr."""
    click.echo("\n".join(map(clean, message.split("\n"))), err=True)


@contextlib.contextmanager
def working(what: str, *, quiet: bool = False) -> Iterator[None]:
    """Show a spinner on stderr while something takes its time.

    Nothing is shown where stderr is no terminal, or if ``quiet``: whatever prints lines of its own on the way.
    """
    if quiet or not sys.stderr.isatty():
        yield
        return
    with console(stderr=True).status(what):
        yield
