"""The way in: ``python -m worker`` and the console script ``platform-worker`` are the same command line."""

from __future__ import annotations

from worker.cli.app import cli


def main() -> None:
    """Run the command line; ends the process with one of the exit codes of ``worker.cli.exits``."""
    cli(prog_name="platform-worker")


if __name__ == "__main__":
    main()
