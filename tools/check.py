"""Every static check of the project, behind `make check` and CI: one line per step, all steps run, any failure fails.

A step that passes stays quiet; the output of one that fails is shown whole, under its line.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = Path(sysconfig.get_path("scripts"))
#: Checked strictly by mypy: everything that is Python and ours.
PYTHON = ("worker", "contracts", "tests", "tools", "benchmarks")


@dataclass(frozen=True)
class Step:
    """One check.

    Attributes:
        title: What it makes sure of.
        command: Program and arguments; a program without a slash is taken from the virtual environment.
        fix: What to run when it fails, or ``""``.
    """

    title: str
    command: tuple[str, ...]
    fix: str = ""


def steps() -> list[Step]:
    """Return the steps in the order in which they are quickest to fail."""
    folders = tuple(folder for folder in PYTHON if (ROOT / folder).is_dir())
    python = sys.executable
    generate = "make generate"
    found = [
        Step("lint (ruff)", ("ruff", "check", "--quiet", *folders), ".venv/bin/ruff check --fix"),
        Step("format (ruff)", ("ruff", "format", "--check", "--quiet", *folders), ".venv/bin/ruff format"),
        Step("types (mypy --strict)", ("mypy", *folders)),
        Step("layers (import-linter)", ("lint-imports", "--no-cache")),
        Step("schemas up to date", (python, "-m", "contracts.generate", "--check"), generate),
        Step("CRDs of dev mode up to date", (python, "-m", "tools.crds", "--check"), generate),
        Step("golden files up to date", (python, "-m", "tests.golden.regenerate", "--check"), generate),
        Step("Workflows and their templates", (python, "-m", "tools.workflow_lint")),
        Step("platform API up to date", (python, "-m", "tools.platform_api", "--check"), generate),
        Step("documents up to date", (python, "-m", "tools.docs", "--check"), generate),
    ]
    scripts = shell_scripts()
    if scripts:
        found.append(Step("shell scripts (shellcheck)", ("shellcheck", *scripts)))
    dockerfiles = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("Dockerfile*"))]
    if dockerfiles:
        found.append(Step("Dockerfile (hadolint)", ("hadolint", *dockerfiles)))
    return found


def shell_scripts() -> list[str]:
    """Return the tracked files that a shell runs, by their first line."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    found = []
    for name in filter(None, listing.stdout.split("\0")):
        path = ROOT / name
        if path.suffix == ".sh" or (path.suffix == "" and _runs_in_shell(path)):
            found.append(name)
    return found


def _runs_in_shell(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline(80)
    return first.startswith(b"#!") and first.split()[-1].rpartition(b"/")[2] in {b"sh", b"bash"}


def run(step: Step) -> bool:
    """Run one step and print its line; return whether it passed."""
    program, *arguments = step.command
    command = [program if "/" in program else str(SCRIPTS / program), *arguments]
    started = time.monotonic()
    try:
        result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        passed, output = result.returncode == 0, result.stdout + result.stderr
    except FileNotFoundError as error:
        passed, output = False, f"{error}: run make, which installs requirements/dev.txt\n"
    print(f"{'ok  ' if passed else 'FAIL'}  {step.title:<30} {time.monotonic() - started:6.1f} s", flush=True)
    if not passed:
        print(output, end="" if output.endswith("\n") else "\n", flush=True)
        if step.fix:
            print(f"      to mend it: {step.fix}", flush=True)
    return passed


def main() -> int:
    """Run all steps; return 1 if any failed."""
    failed = [step.title for step in steps() if not run(step)]
    print(f"check: {'failed: ' + ', '.join(failed) if failed else 'all passed'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
