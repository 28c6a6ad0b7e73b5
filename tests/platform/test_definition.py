"""The definition says something about every field, and no constraint of it could go without a fixture noticing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from tests.platform import fixtures
from tests.platform.constraints import Constraint, constraints, schema_of, without
from tools.platform_api.crds import ROOT, claim_crd, composite_crd, load_definition
from tools.platform_api.json_schema import claim_schema
from tools.platform_api.readme import table

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFINITION = load_definition()
CONSTRAINTS = constraints(DEFINITION)


def _fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from _fields(field, f"{path}.{name}")
    for word in ("items", "additionalProperties"):
        if word in schema:
            yield from _fields(schema[word], f"{path}[]")


def test_it_is_what_crossplane_1_17_and_2_both_serve() -> None:
    spec = DEFINITION["spec"]
    assert DEFINITION["apiVersion"] == "apiextensions.crossplane.io/v1"
    assert "scope" not in spec
    assert DEFINITION["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}"
    assert (spec["group"], spec["names"]["kind"]) == ("platform.bizmatters.io", "XEventDrivenService")
    assert spec["claimNames"]["kind"] == "EventDrivenService"
    assert [version["name"] for version in spec["versions"]] == ["v1alpha1"]


def test_every_field_is_described() -> None:
    undescribed = [path for path, field in _fields(schema_of(DEFINITION), "") if not field.get("description")]
    assert undescribed in ([], [""])


def test_patterns_mean_the_same_to_re2_and_ecmascript() -> None:
    for path, field in _fields(schema_of(DEFINITION), ""):
        pattern = field.get("pattern", "^$")
        assert pattern.startswith("^"), path
        assert pattern.endswith("$"), path
        for word in ("(?", r"\s", r"\d", r"\w", r"\b"):
            assert word not in pattern, f"{path}: {word}"


def test_every_constraint_has_a_fixture_that_breaks_it() -> None:
    broken = {fixture.breaks for fixture in fixtures.invalid()}
    assert sorted(map(str, CONSTRAINTS)) == sorted(set(map(str, CONSTRAINTS)))
    assert [str(constraint) for constraint in CONSTRAINTS if str(constraint) not in broken] == []


def test_every_fixture_breaks_a_constraint_that_exists_and_says_what_it_expects() -> None:
    known = {str(constraint) for constraint in CONSTRAINTS}
    for fixture in fixtures.invalid():
        assert fixture.expect, fixture.path
        assert not fixture.breaks or fixture.breaks in known, fixture.path
    assert [fixture.path for fixture in fixtures.valid() if fixture.breaks or fixture.expect] == []


def test_without_any_one_constraint_a_fixture_fails(validator: Path) -> None:
    tries = [
        (constraint, fixture)
        for constraint in CONSTRAINTS
        for fixture in fixtures.invalid()
        if fixture.breaks == str(constraint)
    ]
    verdicts = _judge(validator, [(without(DEFINITION, constraint), fixture) for constraint, fixture in tries])
    noticed = Counter[Constraint]()
    for (constraint, fixture), told in zip(tries, verdicts, strict=True):
        noticed[constraint] += not any(line.startswith(fixture.expect) for line in told)
    assert [str(constraint) for constraint in CONSTRAINTS if not noticed[constraint]] == []


def test_the_judge_of_that_test_tells_fixtures_apart(validator: Path) -> None:
    invalid = fixtures.invalid()
    verdicts = _judge(validator, [(DEFINITION, fixture) for fixture in invalid])
    for fixture, told in zip(invalid, verdicts, strict=True):
        assert any(line.startswith(fixture.expect) for line in told), fixture.path
    assert not any(_judge(validator, [(DEFINITION, fixture) for fixture in fixtures.valid()]))


def _judge(validator: Path, tries: list[tuple[dict[str, Any], fixtures.Fixture]]) -> list[list[str]]:
    cases = [{"schema": claim_schema(definition), "claim": fixture.claim} for definition, fixture in tries]
    judge = Path(__file__).with_name("judge.mjs")
    result = subprocess.run(
        ["node", judge, validator], input=json.dumps(cases), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    found: list[list[str]] = json.loads(result.stdout)
    return found


def test_the_schema_is_of_draft_2020_12() -> None:
    schema = claim_schema(DEFINITION)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


def test_a_keyword_that_nobody_translated_is_an_error() -> None:
    strange = load_definition()
    schema_of(strange)["properties"]["spec"]["properties"]["size"]["nullable"] = True
    with pytest.raises(ValueError, match="no translation for nullable"):
        claim_schema(strange)
    with pytest.raises(ValueError, match=r"spec\.size: is nullable a constraint"):
        constraints(strange)


def test_the_crds_have_the_definitions_fields_and_crossplanes_own() -> None:
    own = schema_of(DEFINITION)["properties"]
    for crd, scope, added in (
        (claim_crd(DEFINITION), "Namespaced", "resourceRef"),
        (composite_crd(DEFINITION), "Cluster", "claimRef"),
    ):
        assert crd["spec"]["scope"] == scope
        version = crd["spec"]["versions"][0]
        made = version["schema"]["openAPIV3Schema"]["properties"]
        assert own["spec"]["properties"].items() <= made["spec"]["properties"].items()
        assert own["status"]["properties"].items() <= made["status"]["properties"].items()
        assert {added, "compositionRef", "writeConnectionSecretToRef"} <= made["spec"]["properties"].keys()
        assert {"conditions", "connectionDetails"} <= made["status"]["properties"].keys()
        columns = [column["name"] for column in version["additionalPrinterColumns"]]
        assert columns[:3] == ["Size", "Stream", "Consumer"]
        assert {"SYNCED", "READY", "AGE"} <= set(columns)


def test_the_table_of_fields_has_a_row_for_each() -> None:
    rows = table(DEFINITION, "spec").splitlines()[2:]
    spec = schema_of(DEFINITION)["properties"]["spec"]
    named = [path for path, field in _fields(spec, "") if path and not path.endswith("[]")]
    assert len(rows) == len(named)
    assert all(row.count(" | ") == 4 for row in rows)
    assert any(row.startswith("| `nats.stream` | string | **required** |") for row in rows)


def test_derived_files_are_up_to_date() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "tools.platform_api", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{result.stdout}{result.stderr}run: python -m tools.platform_api"
