"""Judge files; print one line per finding, and exit 1 if there are any.

python -m tools.workflow_lint            the platform's templates and all golden Workflows
python -m tools.workflow_lint FILES…     these, together
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from tools.workflow_lint.finding import read
from tools.workflow_lint.lint import lint

ROOT = Path(__file__).resolve().parents[2]


def default_files() -> list[Path]:
    """Return the platform's templates and the golden Workflows."""
    templates = sorted((ROOT / "platform" / "05-workflows" / "templates").glob("*.yaml"))
    return [*templates, *sorted((ROOT / "tests" / "golden" / "workflows").glob("*.yaml"))]


def main(arguments: list[str] | None = None) -> int:
    """Judge files; return 1 if anything is wrong, 2 if a file cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.workflow_lint", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    files = parser.parse_args(arguments).files or default_files()
    try:
        documents = [one for file in files for one in read(file)]
    except (OSError, yaml.YAMLError) as error:
        print(f"cannot read: {error}", file=sys.stderr)
        return 2
    findings = lint(documents)
    for finding in findings:
        print(finding)
    outcome = f"{len(findings)} findings" if findings else "no findings"
    print(f"{len(documents)} Workflows and WorkflowTemplates: {outcome}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
