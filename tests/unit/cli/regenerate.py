"""Write the golden plans anew: ``python -m tests.unit.cli.regenerate``; look at the difference before committing it."""

from __future__ import annotations

from click.testing import CliRunner

from tests.unit.cli.plans import GOLDEN, documents
from worker.cli.app import cli


def main() -> None:
    """Write one file for each document, and remove those without a document."""
    GOLDEN.mkdir(exist_ok=True)
    wanted = documents()
    for path in GOLDEN.glob("*.json"):
        if path.stem not in wanted:
            path.unlink()
    for name, document in wanted.items():
        done = CliRunner().invoke(cli, ["plan", str(document), "--output", "json"])
        (GOLDEN / f"{name}.json").write_text(done.stdout, encoding="utf-8")
    print(f"{len(wanted)} golden plans written")


if __name__ == "__main__":
    main()
