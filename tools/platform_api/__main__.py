"""Write everything in platform/04-apis that is derived from the definition.

python -m tools.platform_api                  write the JSON Schema and the generated parts of the README
python -m tools.platform_api --check          only compare; exit 1 on drift
python -m tools.platform_api --only schema    the JSON Schema alone
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tools.platform_api import json_schema
from tools.platform_api import readme as documents
from tools.platform_api.crds import ROOT, load_definition

if TYPE_CHECKING:
    from pathlib import Path


def derived(only: str | None) -> dict[Path, str]:
    """Return the wanted text of each derived file; ``only`` is ``schema``, ``readme`` or ``None`` for both."""
    definition = load_definition()
    found: dict[Path, str] = {}
    if only != "readme":
        found[json_schema.PUBLISHED] = json_schema.text(definition)
    if only != "schema":
        readme = documents.README
        found[readme] = documents.rewritten(readme.read_text(encoding="utf-8"), definition)
    return found


def main() -> int:
    """Write the derived files, or with --check only compare; return 1 on drift."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare")
    parser.add_argument("--only", choices=("schema", "readme"), help="only this one")
    options = parser.parse_args()
    stale = 0
    for path, wanted in derived(options.only).items():
        name = path.relative_to(ROOT)
        if path.is_file() and path.read_text(encoding="utf-8") == wanted:
            print(f"up to date: {name}")
            continue
        stale += 1
        print(f"{'stale' if options.check else 'wrote'}: {name}")
        if not options.check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(wanted, encoding="utf-8")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
