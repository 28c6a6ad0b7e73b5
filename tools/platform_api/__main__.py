"""Write everything in platform/04-apis that is derived from the definitions.

python -m tools.platform_api                  write the JSON Schemas and the generated parts of the pages
python -m tools.platform_api --check          only compare; exit 1 on drift
python -m tools.platform_api --only schema    the JSON Schemas alone (or `page`)
python -m tools.platform_api PLURAL…          of these APIs alone
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tools.platform_api import json_schema
from tools.platform_api import readme as pages
from tools.platform_api.apis import APIS, ROOT, Api, api
from tools.platform_api.crds import load_definition

if TYPE_CHECKING:
    from pathlib import Path


def derived(of: Api, only: str | None) -> dict[Path, str]:
    """Return the wanted text of each derived file; ``only`` is ``schema``, ``page`` or ``None`` for both."""
    definition = load_definition(of)
    found: dict[Path, str] = {}
    if only != "page":
        found[of.schema] = json_schema.text(definition)
    if only != "schema":
        found[of.page] = pages.rewritten(of, definition)
    return found


def main() -> int:
    """Write the derived files, or with --check only compare; return 1 on drift."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare")
    parser.add_argument("--only", choices=("schema", "page"), help="only these")
    parser.add_argument("plural", nargs="*", help="only these APIs")
    options = parser.parse_args()
    try:
        apis = [api(plural) for plural in options.plural] or APIS
    except ValueError as error:
        parser.error(str(error))
    stale = 0
    for path, wanted in [derivate for of in apis for derivate in derived(of, options.only).items()]:
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
