"""What drafts invalid fixtures breaks the constraint that it says, and leaves CEL rules to people."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.platform import draft_fixtures, fixtures
from tests.platform.constraints import constraints
from tools.platform_api.apis import FOLDER, api
from tools.platform_api.crds import load_definition

if TYPE_CHECKING:
    from pathlib import Path

    from tools.platform_api.apis import Api


@pytest.fixture
def bare(tmp_path: Path) -> Api:
    """A copy of an API without its invalid fixtures."""
    found = replace(api("appcontainerclaims"), root=tmp_path)
    shutil.copytree(FOLDER / "definitions", tmp_path / "definitions")
    shutil.copytree(api("appcontainerclaims").tests / "fixtures" / "valid", found.tests / "fixtures" / "valid")
    return found


#: Constraint, and what its draft has to expect; one of each sort, for each asks the validator once.
DRAFTED = {
    "spec: required name": "spec.name: required, but missing",
    "spec.name: type": "spec.name: must be of type string",
    "spec.name: pattern": "spec.name: must match ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    "spec.description: maxLength": "spec.description: must have at most 350 characters",
    "spec.deletionPolicy: enum": "spec.deletionPolicy: must be one of Delete, Orphan",
}


def test_a_draft_breaks_the_constraint_that_it_says(bare: Api, validator: Path) -> None:
    known = {str(constraint): constraint for constraint in constraints(load_definition(bare))}
    assert all(draft_fixtures.draft(bare, known[name], validator) for name in DRAFTED)
    assert {fixture.breaks: fixture.expect for fixture in fixtures.invalid(bare)} == DRAFTED


def test_rules_are_left_to_people(bare: Api, validator: Path) -> None:
    rules = [constraint for constraint in constraints(load_definition(bare)) if constraint.keyword.startswith("rule")]
    assert rules
    assert not any(draft_fixtures.draft(bare, constraint, validator) for constraint in rules)
