"""The generated parts are as the code would write them now."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tools import docs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("path", docs.documents(), ids=lambda path: str(path.relative_to(docs.ROOT)))
def test_nothing_has_drifted(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert docs.rewritten(text) == text, "run: make generate"


def test_the_tables_are_where_readers_look_for_them() -> None:
    readme = (docs.ROOT / "README.md").read_text(encoding="utf-8")
    operations = (docs.ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert "| `NATS_URL` |" in readme
    assert "| `platform_worker_dead_letters_total` | counter | `error_class` |" in operations
    assert "| `platform_worker_pending_messages` | gauge |" in operations
    assert "| `platform-state` | bucket |" in operations


def test_drift_is_found_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- generated: streams -->\nold\n<!-- end generated -->\nz\n")
    monkeypatch.setattr(docs, "documents", lambda: [page])
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    monkeypatch.setattr(docs, "PARTS", {"streams": lambda _: "new\n"})
    monkeypatch.setattr(sys, "argv", ["docs", "--check"])
    assert docs.main() == 1
    assert "old" in page.read_text()
    monkeypatch.setattr(sys, "argv", ["docs"])
    assert docs.main() == 0
    assert page.read_text() == "a\n<!-- generated: streams -->\nnew\n<!-- end generated -->\nz\n"
    monkeypatch.setattr(sys, "argv", ["docs", "--check"])
    assert docs.main() == 0


def test_examples_fit_on_the_page() -> None:
    text = docs.example("io.platform.provisioning.succeeded.v1/all-applied.json")
    assert max(map(len, text.splitlines())) <= 125
