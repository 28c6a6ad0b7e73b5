"""Relative links lead to files and headings that exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.markdown import ROOT, anchors, documents, links

if TYPE_CHECKING:
    from pathlib import Path


def problem(path: Path, target: str) -> str:
    """Return what is wrong with a link, or ``""``."""
    if target.startswith(("https://", "mailto:")):
        return ""
    if "://" in target:
        return f"{target}: only https is linked to"
    file, _, anchor = target.partition("#")
    there = (path.parent / file).resolve() if file else path
    if not there.exists():
        return f"{target}: there is no such file"
    if ROOT not in [there, *there.parents]:
        return f"{target}: leads out of the project"
    if anchor and (there.suffix != ".md" or anchor not in anchors(there)):
        return f"{target}: there is no such heading"
    return ""


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    assert [text for target in links(path) if (text := problem(path, target))] == []


def test_dead_links_are_found(tmp_path: Path) -> None:
    readme = ROOT / "README.md"
    assert "no such file" in problem(readme, "docs/nothing.md")
    assert "no such heading" in problem(readme, "#nothing")
    assert "no such heading" in problem(readme, "docs/cli.md#nothing")
    assert "leads out" in problem(readme, "../")
    assert problem(readme, "#quick-start") == ""
    page = tmp_path / "page.md"
    page.write_text("[a](b.md) and `[no](link)`\n\n```sh\n[neither](this)\n```\n\n## A *b* `c`, d\n## A b c d\n")
    assert links(page) == ["b.md"]
    assert anchors(page) == {"a-b-c-d", "a-b-c-d-1"}


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / target.partition("#")[0]).resolve() for target in links(index)}
    pages = {path for path in documents() if path.parent == index.parent and path != index}
    assert {path.name for path in pages - listed} == set()
