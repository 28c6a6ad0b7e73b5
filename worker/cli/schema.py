"""``schema``: hand out the machine-readable contract, as it is installed."""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path

import click

import contracts
from worker.cli.exits import CliError, Exit
from worker.cli.output import note

_PACKAGE = Path(contracts.__file__).parent
_ASYNCAPI = "asyncapi"


@click.group(name="schema")
def group() -> None:
    """Export the JSON Schemas and the AsyncAPI document."""


@group.command(short_help="Print one schema, or write all to a folder.")
@click.argument("name", required=False)
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="Write everything here.")
@click.option("--list", "listing", is_flag=True, help="List the names.")
def export(name: str | None, folder: Path | None, listing: bool) -> None:
    """Print the schema NAME (an event type, a component type, or asyncapi), or write all of them to a folder.

    Schemas are JSON Schema Draft 2020-12; the AsyncAPI document (version 3) describes the streams and who may publish
    what.
    """
    files = _files()
    if listing:
        for known in files:
            click.echo(known)
    elif folder is not None and name is None:
        note(f"{_write(files, folder)} files written to {folder}")
    elif name is not None and folder is None:
        click.echo(_find(files, name).read_text(encoding="utf-8"), nl=False)
    else:
        raise click.UsageError("give one NAME, or --to FOLDER, or --list")


def _files() -> dict[str, Path]:
    """Return the files of the contract by name: ``events/<type>``, ``components/<type>``, …, and ``asyncapi``."""
    root = _PACKAGE / "schemas"
    found = {path.relative_to(root).with_suffix("").as_posix(): path for path in sorted(root.rglob("*.json"))}
    return {**found, _ASYNCAPI: _PACKAGE / "asyncapi.yaml"}


def _find(files: dict[str, Path], name: str) -> Path:
    if name in files:
        return files[name]
    ending = [known for known in files if known.rpartition("/")[2] == name]
    # A type has a schema of the whole event and one of its data alone; the whole event is what people mean.
    for known in sorted(ending, key=lambda one: not one.startswith("events/")):
        return files[known]
    near = difflib.get_close_matches(name, [*files, *(known.rpartition("/")[2] for known in files)], n=1)
    fix = f"did you mean {near[0]}?" if near else 'see "platform-worker schema export --list"'
    raise CliError(Exit.NOT_FOUND, f"there is no schema {name!r}", fix)


def _write(files: dict[str, Path], folder: Path) -> int:
    for path in files.values():
        target = folder / path.relative_to(_PACKAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return len(files)
