"""Write the golden Workflows, or with ``--check`` only say which of them differ."""

from __future__ import annotations

import sys

from tests.golden.scenarios import FOLDER, SCENARIOS, golden


def main(arguments: list[str]) -> int:
    """Return 0, or 1 if ``--check`` was given and something differs."""
    check = arguments == ["--check"]
    if arguments and not check:
        print("usage: python -m tests.golden.regenerate [--check]", file=sys.stderr)
        return 2
    FOLDER.mkdir(exist_ok=True)
    wanted = {FOLDER / f"{name}.yaml": golden(name) for name in SCENARIOS}
    stray = set(FOLDER.glob("*.yaml")) - wanted.keys()
    different = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    for path in sorted([*different, *stray]):
        print(f"{'differs' if check else 'written' if path in wanted else 'removed'}: {path.name}")
    if check:
        return 1 if different or stray else 0
    for path in different:
        path.write_text(wanted[path])
    for path in stray:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
