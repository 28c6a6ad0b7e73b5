"""Write the catalogue of infrastructure into the page of InfrastructureClaim, as tables for people.

The catalogue is the source: which chart makes what, in which versions, and which value each field of a claim becomes.

python -m tools.platform_api.catalogue            write the tables
python -m tools.platform_api.catalogue --check    only compare; exit 1 on drift
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING, Any

import yaml

from tools.platform_api.apis import FOLDER, ROOT, api

if TYPE_CHECKING:
    from collections.abc import Iterator

CATALOGUE = FOLDER / "infrastructure-catalogue.yaml"
PAGE = api("infrastructureclaims").page
_PART = re.compile(r"(?P<begin><!-- catalogue -->\n).*?(?P<end><!-- end catalogue -->)", re.DOTALL)


def load() -> dict[str, Any]:
    """Return what the catalogue says of each type.

    Raises:
        OSError: It cannot be read.
        yaml.YAMLError: It is not YAML.
    """
    found: dict[str, Any] = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))["types"]
    return found


def rewritten(page: str, types: dict[str, Any]) -> str:
    """Return a page with the tables as they have to be.

    Raises:
        ValueError: There is no place for them in it.
    """
    tables = "\n".join(_tables(types))
    found, count = _PART.subn(lambda match: f"{match['begin']}{tables}\n{match['end']}", page)
    if count != 1:
        raise ValueError(
            f"{PAGE.name} needs the comments `catalogue` and `end catalogue` once, and has them {count} times"
        )
    return found


def _tables(types: dict[str, Any]) -> Iterator[str]:
    yield "| type | made by | operator | versions (default first) | keys of the Secret |"
    yield "|---|---|---|---|---|"
    for kind, about in types.items():
        chart, operator = about.get("chart"), about["operator"]
        made = f"chart `{chart['name']}` {chart['version']}" if chart else "objects of the operator"
        default = about["versions"][""]
        offered = [version for version in about["versions"] if version]
        versions = ", ".join(f"`{version}`" for version in offered)
        keys = ", ".join(f"`{key}`" for key in about["secretKeys"])
        yield (
            f"| `{kind}` | {about['product']}: {made} | `{operator['chart']}` {operator['version']} "
            f"| {default}; {versions} | {keys} |"
        )
    for kind, about in types.items():
        where = "values of the chart" if "chart" in about else "places in the operator's objects"
        yield ""
        yield f"### {kind}"
        yield ""
        yield about["notes"]
        yield ""
        yield f"| field | {where} |"
        yield "|---|---|"
        for field, places in about["values"].items():
            named = "resources.storage" if field == "storage" else field
            yield f"| `{named}` | {', '.join(_places(places))} |"


def _places(places: dict[str, list[str]]) -> Iterator[str]:
    for resource, paths in places.items():
        for path in paths:
            yield f"`{path}`" if resource == "release" else f"{resource}: `{path}`"


def main() -> int:
    """Write the tables, or with --check only compare; return 1 on drift."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare")
    options = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    wanted = rewritten(page, load())
    name = PAGE.relative_to(ROOT)
    if page == wanted:
        print(f"up to date: {name}")
        return 0
    if options.check:
        print(f"stale: {name}: run python -m tools.platform_api.catalogue")
        return 1
    PAGE.write_text(wanted, encoding="utf-8")
    print(f"wrote: {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
