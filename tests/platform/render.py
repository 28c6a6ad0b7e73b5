"""Write the golden renders of the platform API anew, or with ``--check`` only say which of them differ."""

from __future__ import annotations

import argparse
import sys

from tests.platform.goldens import GoldenError, Layout, seal, unseal
from tests.platform.renderer import MissingRendererError, Renderer, RendererError


def main(arguments: list[str], layout: Layout | None = None) -> int:
    """Return 0, 1 if ``--check`` was given and something differs, or 2 if nothing can be rendered."""
    layout = layout or Layout()
    parser = argparse.ArgumentParser(prog="render.sh", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 if a golden differs")
    parser.add_argument("case", nargs="*", help="only these cases (all of them, and goldens without one are removed)")
    options = parser.parse_args(arguments)
    unknown = set(options.case) - set(layout.cases())
    if unknown:
        print(f"no such case: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    differs = False
    try:
        with Renderer(layout) as renderer:
            for name in options.case or layout.cases():
                differs |= _case(layout, name, renderer.render(name), check=options.check)
    except (MissingRendererError, RendererError) as error:
        print(f"cannot render: {error}", file=sys.stderr)
        return 2
    for name in [] if options.case else sorted(set(layout.goldens()) - set(layout.cases())):
        differs = True
        print(f"{'stray' if options.check else 'removed'}: {name}")
        if not options.check:
            layout.golden(name).unlink()
    return 1 if options.check and differs else 0


def _case(layout: Layout, name: str, output: str, *, check: bool) -> bool:
    """Write or compare one golden; return whether it differed."""
    try:
        if unseal(layout, name) == output:
            return False
    except GoldenError as error:
        if check:
            print(error, file=sys.stderr)
    print(f"{'differs' if check else 'written'}: {name}")
    if not check:
        layout.golden(name).parent.mkdir(exist_ok=True)
        layout.golden(name).write_text(seal(layout, name, output), encoding="utf-8")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
