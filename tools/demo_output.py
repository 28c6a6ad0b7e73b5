"""Write the demo's real output into README.md, between the comments `output: make demo` and `end output`.

It takes a run of the demo, so `make generate` leaves it out; tests/docs compares, and ends with this command:

    python -m tools.demo_output
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
COLUMNS = 118
#: Seconds that it may take; 13 on a machine with nothing else to do.
_PATIENCE = 600
_BLOCK = re.compile(r"(?<=<!-- output: make demo -->\n```text\n).*?(?=```\n<!-- end output -->)", re.DOTALL)
#: Lines of progress that are shown before the result.
_PROGRESS, _WIDTH = 6, 119
_RESULT = "Read back from"
#: Times, durations and places in a stream differ from run to run, and with them the widths of what is around them.
_NUMBER = re.compile(r"\b\d+(?:\.\d+)?\b")


def run() -> str:
    """Run the demo; return what README.md shows of it.

    Raises:
        RuntimeError: It ended badly, or not in time.
    """
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "worker", "demo"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, encoding="utf-8", env=environment) as demo:
        try:
            shown, told = demo.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            demo.terminate()  # it takes its servers with it
            try:
                shown, told = demo.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                demo.kill()
                shown, told = demo.communicate()
            raise RuntimeError(f"the demo did not end within {_PATIENCE} s:\n{shown}\n{told}") from None
    if demo.returncode:
        raise RuntimeError(f"the demo ended with {demo.returncode}:\n{shown}\n{told}")
    progress = [line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…" for line in told.splitlines()]
    result = [line.rstrip() for line in shown.splitlines()]
    return "\n".join([*progress[:_PROGRESS], "…", *result]) + "\n"


def shown() -> str:
    """Return what README.md shows."""
    found = _BLOCK.search(README.read_text(encoding="utf-8"))
    if found is None:
        raise RuntimeError(f"{README.name} has no place for the output of make demo")
    return found[0]


def comparable(text: str) -> list[str]:
    """Return the words of the result, without numbers, in an order that no run decides."""
    result = text[text.index(_RESULT) :]
    return sorted(word for word in _NUMBER.sub("0", result).split() if set(word) != {"─"})


def main() -> int:
    """Run the demo and write what it prints."""
    output = run()
    text = README.read_text(encoding="utf-8")
    README.write_text(_BLOCK.sub(lambda _: output, text), encoding="utf-8")
    print("wrote: README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
