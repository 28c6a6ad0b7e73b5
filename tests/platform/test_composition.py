"""The Composition, played with: other claims than the kept ones, and Compositions from which something was taken.

Only where Crossplane is on PATH; elsewhere the goldens speak.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from tests.platform import expected, goldens
from tests.platform.goldens import Layout
from tests.platform.renderer import MissingRendererError, Renderer, RendererError, composite_of

if TYPE_CHECKING:
    from collections.abc import Iterator

LAYOUT = Layout()
(COMPOSITION,) = goldens.load_all(LAYOUT.composition)
FIXTURES = sorted((LAYOUT.root / "tests" / "fixtures" / "valid").glob("*.yaml"))
FULL = goldens.claim_of(LAYOUT, "full")


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    try:
        found = Renderer(LAYOUT)
    except MissingRendererError as error:
        pytest.skip(f"{error}: what is not kept as a golden cannot be tried")
    with found:
        yield found


def without_nulls(node: Any) -> Any:
    """Return a claim as the API server stores it: null is what was not said."""
    if isinstance(node, dict):
        return {key: without_nulls(value) for key, value in node.items() if value is not None}
    return [without_nulls(item) for item in node] if isinstance(node, list) else node


def manifests(output: str) -> dict[str, dict[str, Any]]:
    return {step: made["spec"]["forProvider"]["manifest"] for step, made in goldens.objects(output).items()}


def patches() -> list[tuple[int, int]]:
    """Return the places of all patches: resource, patch."""
    resources = COMPOSITION["spec"]["pipeline"][1]["input"]["resources"]
    return [(at, patch) for at, resource in enumerate(resources) for patch in range(len(resource["patches"]))]


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_every_claim_that_is_valid_leads_to_what_it_must(renderer: Renderer, path: Any) -> None:
    (claim,) = without_nulls(goldens.load_all(path))
    assert manifests(renderer.compose(claim)) == expected.manifests(claim)


def test_the_composition_as_it_is_fails_no_claim(renderer: Renderer) -> None:
    assert not misses(renderer, COMPOSITION, FULL)


@pytest.mark.parametrize(("resource", "patch"), patches())
def test_every_patch_is_missed_when_it_is_gone(renderer: Renderer, resource: int, patch: int) -> None:
    composition = copy.deepcopy(COMPOSITION)
    gone = composition["spec"]["pipeline"][1]["input"]["resources"][resource]["patches"].pop(patch)
    sized = {**FULL, "spec": {key: value for key, value in FULL["spec"].items() if key != "resources"}}
    assert any(misses(renderer, composition, claim) for claim in (FULL, sized)), gone


def misses(renderer: Renderer, composition: dict[str, Any], claim: dict[str, Any]) -> bool:
    """Return whether a Composition fails a claim."""
    try:
        return manifests(renderer.compose(claim, composition=composition)) != expected.manifests(claim)
    except RendererError:
        return True


def test_the_steps_in_the_wrong_order_compose_no_deployment(renderer: Renderer) -> None:
    composition = copy.deepcopy(COMPOSITION)
    composition["spec"]["pipeline"].reverse()
    assert manifests(renderer.compose(FULL, composition=composition)).keys() == expected.manifests(FULL).keys() - {
        "deployment"
    }


def test_a_composite_without_a_claim_composes_nothing(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    composite = composite_of(FULL)
    del composite["spec"]["claimRef"]
    monkeypatch.setattr("tests.platform.renderer.composite_of", lambda claim: composite)
    assert manifests(renderer.compose(FULL)) == {}


@pytest.mark.parametrize("field", ["stream", "consumer"])
def test_without_stream_or_consumer_there_is_no_scaler(renderer: Renderer, field: str) -> None:
    claim = copy.deepcopy(FULL)
    del claim["spec"]["nats"][field]
    assert "scaledobject" not in manifests(renderer.compose(claim))
