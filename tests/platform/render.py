"""Write the golden renders of the platform APIs anew, or with ``--check`` only say which of them differ."""

from __future__ import annotations

import argparse
import sys

from tests.platform.goldens import GoldenError, Layout, seal, unseal
from tests.platform.renderer import MissingRendererError, Renderer, RendererError
from tools.platform_api.apis import APIS, api


def main(arguments: list[str], layouts: tuple[Layout, ...] = tuple(map(Layout, APIS))) -> int:
    """Return 0, 1 if ``--check`` was given and something differs, or 2 if nothing can be rendered."""
    parser = argparse.ArgumentParser(prog="render.sh", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 if a golden differs")
    parser.add_argument("--api", metavar="PLURAL", help="only of this API (all of them)")
    parser.add_argument("case", nargs="*", help="only these cases (all of them, and goldens without one are removed)")
    options = parser.parse_args(arguments)
    try:
        wanted = api(options.api).plural if options.api else None
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    layouts = tuple(layout for layout in layouts if wanted in {None, layout.api.plural})
    unknown = set(options.case) - {name for layout in layouts for name in layout.cases()}
    if unknown:
        print(f"no such case: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    differs = False
    try:
        with Renderer(layouts[0]) as renderer:
            for layout in layouts:
                for name in layout.cases():
                    if not options.case or name in options.case:
                        output = renderer.render_case(layout, name)
                        differs |= _case(layout, name, output, check=options.check)
    except (MissingRendererError, RendererError) as error:
        print(f"cannot render: {error}", file=sys.stderr)
        return 2
    if not options.case:
        for layout in layouts:
            differs |= _strays(layout, check=options.check)
    return 1 if options.check and differs else 0


def _case(layout: Layout, name: str, output: str, *, check: bool) -> bool:
    """Write or compare one golden; return whether it differed."""
    try:
        if unseal(layout, name) == output:
            return False
    except GoldenError as error:
        if check:
            print(error, file=sys.stderr)
    print(f"{'differs' if check else 'written'}: {_title(layout, name)}")
    if not check:
        layout.golden(name).parent.mkdir(parents=True, exist_ok=True)
        layout.golden(name).write_text(seal(layout, name, output), encoding="utf-8")
    return True


def _strays(layout: Layout, *, check: bool) -> bool:
    """Remove or name the goldens that no case stands behind; return whether there are any."""
    strays = sorted(set(layout.goldens()) - set(layout.cases()))
    for name in strays:
        print(f"{'stray' if check else 'removed'}: {_title(layout, name)}")
        if not check:
            layout.golden(name).unlink()
    return bool(strays)


def _title(layout: Layout, name: str) -> str:
    return f"{layout.api.plural}/{name}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
