"""``python -m benchmarks [--only a,c] [--output json]``: all benchmarks, or some of them."""

from __future__ import annotations

import argparse
import asyncio

from benchmarks import corridor, footprint, planning, quiet
from benchmarks.report import Row, show
from benchmarks.servers import real_is_built

PARTS = "abcde"


async def measure(parts: str) -> list[Row]:
    """Run the parts one after the other: they must not disturb each other."""
    rows: list[Row] = []
    if "a" in parts:
        rows += await quiet.run()
    if "b" in parts:
        rows += await corridor.run(real=real_is_built())
    if "c" in parts:
        rows += planning.run()
    if "d" in parts:
        rows += await footprint.start()
    if "e" in parts:
        rows += await footprint.growth()
    return rows


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=PARTS, help="letters of the parts to run, for example: a,c")
    parser.add_argument("--output", choices=["table", "json"], default="table")
    args = parser.parse_args()
    parts = args.only.replace(",", "")
    if not parts or set(parts) - set(PARTS):
        parser.error(f"--only takes letters of {PARTS}, not {args.only!r}")
    show(asyncio.run(measure(parts)), as_json=args.output == "json")


if __name__ == "__main__":
    main()
