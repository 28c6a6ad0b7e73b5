"""The way in: ``python -m worker`` and the console script ``platform-worker`` are the same command line."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; ends the process with one of the exit codes of ``worker.cli.exits``."""
    try:
        from worker.cli.app import cli  # noqa: PLC0415 - Ctrl-C is told without a traceback from the first import on

        cli(prog_name="platform-worker")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
