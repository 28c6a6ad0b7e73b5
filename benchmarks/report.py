"""How results are shown: a table for people, JSON for machines."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One result."""

    what: str
    value: str
    note: str = ""


def show(rows: list[Row], *, as_json: bool) -> None:
    """Print results."""
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    table = Table(title="Benchmarks of this run (compare within it, not with others)")
    for column in ("what", "result", "note"):
        table.add_column(column)
    for row in rows:
        table.add_row(row.what, row.value, row.note)
    Console().print(table)
