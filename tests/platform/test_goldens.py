"""A golden render proves that it belongs to the present definition and Composition; with Crossplane it is compared."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.platform import goldens
from tests.platform.goldens import GoldenError, Layout, rendered, seal, unseal
from tests.platform.render import main
from tests.platform.renderer import MissingRendererError, Renderer
from tools.platform_api.apis import APIS, FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAYOUT = Layout()
LAYOUTS = tuple(map(Layout, APIS))
CASES = [
    pytest.param(layout, name, id=f"{layout.api.singular}-{name}") for layout in LAYOUTS for name in layout.cases()
]


@pytest.fixture
def copy(tmp_path: Path) -> Layout:
    root, others = tmp_path / "api", shutil.ignore_patterns(*(api.plural for api in APIS))
    for folder in ("definitions", "compositions", "prerequisites", "examples", "tests"):
        shutil.copytree(LAYOUT.root / folder, root / folder, ignore=others)
    return Layout(replace(LAYOUT.api, root=root))


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    try:
        found = Renderer(LAYOUT)
    except MissingRendererError as error:
        pytest.skip(f"{error}: only the digests of the goldens are checked")
    with found:
        yield found


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.api.plural)
def test_there_are_goldens_for_exactly_the_cases(layout: Layout) -> None:
    assert layout.goldens() == layout.cases()
    assert len(layout.cases()) >= (14 if layout == LAYOUT else 5)


def test_the_table_of_apis_has_each_definition_and_each_composition() -> None:
    assert {layout.definition for layout in LAYOUTS} == set((FOLDER / "definitions").glob("*.yaml"))
    assert {layout.composition for layout in LAYOUTS} == set((FOLDER / "compositions").glob("*.yaml"))


@pytest.mark.parametrize(("layout", "name"), CASES)
def test_the_golden_belongs_to_what_is_there_now(layout: Layout, name: str) -> None:
    unseal(layout, name)


@pytest.mark.parametrize(("layout", "name"), CASES)
def test_crossplane_renders_the_golden(renderer: Renderer, layout: Layout, name: str) -> None:
    assert renderer.render_case(layout, name) == rendered(layout, name)


def test_rendering_again_changes_no_file(renderer: Renderer, copy: Layout) -> None:
    copy.golden("minimal").write_text("edited")
    copy.golden("stray").write_text("")
    assert main(["--check"], (copy,)) == 1
    assert main([], (copy,)) == 0
    assert main(["--check"], (copy,)) == 0
    for name in copy.cases():
        assert copy.golden(name).read_text() == LAYOUT.golden(name).read_text()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("definition", "default: 8080", "default: 8081"),
        ("definition", "enum: [small, medium, large]", "enum: [small, medium, large, huge]"),
        ("composition", "runAsUser: 1000", "runAsUser: 1001"),
        ("composition", "mode: Pipeline", "mode: Pipeline\n  revision: 2"),
        ("functions", "function-patch-and-transform:v", "function-patch-and-transform:v9"),
    ],
)
def test_a_golden_is_stale_when_anything_it_depends_on_changes(copy: Layout, file: str, old: str, new: str) -> None:
    edit(getattr(copy, file), old, new)
    for name in copy.cases():
        with pytest.raises(GoldenError, match=r"render\.sh"):
            unseal(copy, name)


def test_a_golden_is_stale_when_its_case_changes_and_only_then(copy: Layout) -> None:
    edit(copy.case("minimal"), "ORDERS", "OTHERS")
    with pytest.raises(GoldenError, match="minimal"):
        unseal(copy, "minimal")
    unseal(copy, "full")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("runAsNonRoot: true", "runAsNonRoot: false"),
        ("---\n", "--- \n"),
        ("crossplane v", "crossplane v9"),
        ("sha256:", "sha256:0"),
        ("# Rendered", "# rendered"),
    ],
)
def test_an_edited_golden_is_noticed(copy: Layout, old: str, new: str) -> None:
    edit(copy.golden("minimal"), old, new)
    with pytest.raises(GoldenError, match="minimal"):
        unseal(copy, "minimal")


def test_a_golden_under_the_name_of_another_case_is_noticed(copy: Layout) -> None:
    shutil.copy(copy.golden("full"), copy.golden("minimal"))
    with pytest.raises(GoldenError, match="minimal"):
        unseal(copy, "minimal")


def test_a_missing_golden_is_noticed(copy: Layout) -> None:
    copy.golden("minimal").unlink()
    with pytest.raises(GoldenError, match=r"missing: run .*render\.sh --api eventdrivenservices minimal"):
        unseal(copy, "minimal")


def test_prose_makes_no_golden_stale(copy: Layout) -> None:
    edit(copy.definition, "description: What runs,", "description: Whatever runs,")
    edit(copy.composition, "# What one", "# All that one")
    for name in copy.cases():
        unseal(copy, name)


def test_a_property_named_description_is_no_prose() -> None:
    schema = {"description": "prose", "properties": {"description": {"type": "string", "description": "prose"}}}
    assert goldens.without_prose(schema) == {"properties": {"description": {"type": "string"}}}
    assert goldens.without_prose({"default": {"description": "data"}}) == {"default": {"description": "data"}}


def test_sealing_is_undone_by_unsealing(copy: Layout) -> None:
    copy.golden("minimal").write_text(seal(copy, "minimal", "a: b\n"))
    assert unseal(copy, "minimal") == "a: b\n"


def test_render_without_crossplane_says_what_is_missing(
    copy: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main([], (copy,)) == 2
    assert "crossplane is not on PATH" in capsys.readouterr().err


def test_render_with_another_version_refuses(
    copy: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in copy.versions():
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho Client Version: v0.0.1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert main([], (copy,)) == 2
    assert "crossplane v0.0.1: the goldens are rendered with v" in capsys.readouterr().err


def test_render_refuses_a_case_that_is_not_there(copy: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["minimall"], (copy,)) == 2
    assert "no such case: minimall" in capsys.readouterr().err


def test_render_refuses_an_api_that_is_not_there(copy: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--api", "teapots"], (copy,)) == 2
    assert "no API teapots: there are eventdrivenservices" in capsys.readouterr().err
