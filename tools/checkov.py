"""Run checkov, from an environment of its own: its dependencies would collide with those of the project.

The environment is made once from hash-pinned requirements, in a cache folder of the user that is named after them.

    python -m tools.checkov ARGUMENTS…      for example --framework kubernetes --directory FOLDER
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements" / "checkov.txt"


class CheckovError(Exception):
    """checkov cannot be installed; the message has pip's words."""


def folder() -> Path:
    """Return where the environment belongs, whether it is there or not."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "platform-worker" / f"checkov-{digest}"


def python() -> Path:
    """Return the Python that has checkov, after installing it if this is the first time.

    Raises:
        CheckovError: pip failed.
    """
    target = folder()
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # others wait for the first instead of doing the same
            if not target.is_dir():
                with tempfile.TemporaryDirectory(dir=target.parent, prefix=".checkov-") as work:
                    made = Path(work) / "environment"
                    _install(made)
                    made.rename(target)
    return target / "bin" / "python"


def _install(environment: Path) -> None:
    print("checkov: installing it once, about two minutes …", file=sys.stderr, flush=True)
    pip: list[str | Path] = [environment / "bin" / "python", "-m", "pip", "install", "--quiet"]
    commands: list[list[str | Path]] = [
        [sys.executable, "-m", "venv", environment],
        [*pip, "--disable-pip-version-check", "--require-hashes", "--requirement", REQUIREMENTS],
    ]
    for command in commands:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise CheckovError(f"cannot install checkov: {result.stdout}{result.stderr}")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run checkov without the network; return what it said.

    Raises:
        CheckovError: it cannot be installed.
    """
    # Not its script, whose first line names the folder in which it was installed.
    command: list[str | Path] = [python(), "-W", "ignore", "-m", "checkov.main", "--skip-download", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def main() -> int:
    """Run the command line; return checkov's exit code, 2 if it cannot be installed."""
    try:
        result = run(*sys.argv[1:])
    except CheckovError as error:
        print(error, file=sys.stderr)
        return 2
    print(result.stdout, end="")
    print(result.stderr, end="", file=sys.stderr)
    return result.returncode


if __name__ == "__main__":
    sys.exit(main())
