"""The Composition of InfrastructureClaim, played with: each field of the catalogue changed on its own.

Only where Crossplane is on PATH; elsewhere the goldens speak.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.platform import goldens, infrastructure
from tests.platform.goldens import Layout
from tests.platform.infrastructure import at
from tests.platform.renderer import MissingRendererError, Renderer
from tests.platform.test_infrastructure_claim import API, CATALOGUE, CELLS, document

if TYPE_CHECKING:
    from collections.abc import Iterator

LAYOUT = Layout(API)
OTHER_VERSION = {"postgresql": "16", "mongodb": "7.0", "redis": "7.0.12", "kafka": "4.2", "clickhouse": "24.8"}


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    try:
        found = Renderer(LAYOUT)
    except MissingRendererError as error:
        pytest.skip(f"{error}: what is not kept as a golden cannot be tried")
    with found:
        yield found


def changed(kind: str, field: str) -> dict[str, Any]:
    """Return the smallest claim of a type, with this one field changed."""
    claim = goldens.claim_of(LAYOUT, f"{kind}-minimal")
    value: Any = {
        "size": "xlarge",
        "version": OTHER_VERSION[kind],
        "replicas": 4,
        "highAvailability": True,
        "backupEnabled": True,
        "monitoringEnabled": False,
        "storage": {"storage": "33Gi"},
    }[field]
    key = "resources" if field == "storage" else field
    return {**claim, "spec": {**claim["spec"], key: value}}


@pytest.mark.parametrize(("kind", "field"), CELLS)
def test_one_changed_field_becomes_the_value_that_the_catalogue_names(
    renderer: Renderer, kind: str, field: str
) -> None:
    claim = changed(kind, field)
    composed = goldens.composed(renderer.compose(claim))
    before = infrastructure.cells(goldens.claim_of(LAYOUT, f"{kind}-minimal"))[field]
    wanted = infrastructure.cells(claim)[field]
    assert wanted != before, "the claim asks for nothing new"
    for (resource, path), value in wanted.items():
        assert at(document(composed, resource), path) == value, f"{resource} {path}"


@pytest.mark.parametrize("kind", CATALOGUE)
def test_every_version_that_is_offered_is_the_one_that_is_made(renderer: Renderer, kind: str) -> None:
    claim = goldens.claim_of(LAYOUT, f"{kind}-minimal")
    ((resource, (path,)),) = ((name, paths[:1]) for name, paths in CATALOGUE[kind]["values"]["version"].items())
    for version, made in CATALOGUE[kind]["versions"].items():
        composed = goldens.composed(renderer.compose({**claim, "spec": {**claim["spec"], "version": version}}))
        assert at(document(composed, resource), path) == made


def test_a_composite_without_a_claim_composes_nothing(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = goldens.claim_of(LAYOUT, "redis-minimal")
    composite = {
        "apiVersion": claim["apiVersion"],
        "kind": API.composite_kind,
        "metadata": {"name": "alone"},
        "spec": claim["spec"],
    }
    monkeypatch.setattr("tests.platform.renderer.composite_of", lambda _: composite)
    output = renderer.compose(claim)
    assert goldens.composed(output) == {}
    assert "belongs to no claim" in goldens.composite(output, API)["status"]["message"]
