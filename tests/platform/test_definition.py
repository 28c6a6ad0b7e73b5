"""Each definition says something about every field, and no constraint could go without a fixture noticing."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from tests.platform import fixtures
from tests.platform.constraints import Constraint, constraints, schema_of, without
from tests.platform.judge import judge
from tools.platform_api.apis import APIS, EVENT_DRIVEN_SERVICE, ROOT
from tools.platform_api.crds import claim_crd, composite_crd, load_definition
from tools.platform_api.json_schema import claim_schema
from tools.platform_api.readme import table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.platform_api.apis import Api

DEFINITIONS = {api: load_definition(api) for api in APIS}
each_api = pytest.mark.parametrize("api", APIS, ids=lambda api: api.plural)


def _fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from _fields(field, f"{path}.{name}")
    for word in ("items", "additionalProperties"):
        if word in schema:
            yield from _fields(schema[word], f"{path}[]")


@each_api
def test_it_is_what_crossplane_1_17_and_2_both_serve(api: Api) -> None:
    definition = DEFINITIONS[api]
    spec = definition["spec"]
    assert definition["apiVersion"] == "apiextensions.crossplane.io/v1"
    assert "scope" not in spec
    assert definition["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}"
    assert (spec["group"], spec["names"]["kind"]) == (api.group, api.composite_kind)
    assert (spec["claimNames"]["kind"], spec["claimNames"]["plural"]) == (api.kind, api.plural)
    assert spec["claimNames"]["singular"] == api.singular
    assert [version["name"] for version in spec["versions"]] == ["v1alpha1"]


@each_api
def test_every_field_is_described(api: Api) -> None:
    undescribed = [path for path, field in _fields(schema_of(DEFINITIONS[api]), "") if not field.get("description")]
    assert undescribed in ([], [""])


@each_api
def test_patterns_mean_the_same_to_re2_and_ecmascript(api: Api) -> None:
    for path, field in _fields(schema_of(DEFINITIONS[api]), ""):
        pattern = field.get("pattern", "^$")
        assert pattern.startswith("^"), path
        assert pattern.endswith("$"), path
        for word in ("(?", r"\s", r"\d", r"\w", r"\b"):
            assert word not in pattern, f"{path}: {word}"


@each_api
def test_every_constraint_has_a_fixture_that_breaks_it(api: Api) -> None:
    known = constraints(DEFINITIONS[api])
    broken = {fixture.breaks for fixture in fixtures.invalid(api)}
    assert sorted(map(str, known)) == sorted(set(map(str, known)))
    assert [str(constraint) for constraint in known if str(constraint) not in broken] == []


@each_api
def test_every_fixture_breaks_a_constraint_that_exists_and_says_what_it_expects(api: Api) -> None:
    known = {str(constraint) for constraint in constraints(DEFINITIONS[api])}
    for fixture in fixtures.invalid(api):
        assert fixture.expect, fixture.path
        assert not fixture.breaks or fixture.breaks in known, fixture.path
    assert [fixture.path for fixture in fixtures.valid(api) if fixture.breaks or fixture.expect] == []


@each_api
def test_without_any_one_constraint_a_fixture_fails(validator: Path, api: Api) -> None:
    known = constraints(DEFINITIONS[api])
    breaking: dict[str, list[fixtures.Fixture]] = {}
    for fixture in fixtures.invalid(api):
        breaking.setdefault(fixture.breaks, []).append(fixture)
    tries = [(constraint, fixture) for constraint in known for fixture in breaking.get(str(constraint), [])]
    schemas = {constraint: claim_schema(without(DEFINITIONS[api], constraint)) for constraint in known}
    verdicts = judge(
        validator, [(_about(fixture.claim, schemas[constraint]), fixture.claim) for constraint, fixture in tries]
    )
    noticed = Counter[Constraint]()
    for (constraint, fixture), told in zip(tries, verdicts, strict=True):
        noticed[constraint] += not any(line.startswith(fixture.expect) for line in told)
    assert [str(constraint) for constraint in known if not noticed[constraint]] == []


def _about(claim: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without what a claim says nothing about, for there is a schema to compile for each constraint."""
    parts = {name: part for name, part in schema["properties"].items() if name != "status"}
    said = claim["spec"] if isinstance(claim["spec"], dict) else {}
    fields = {name: field for name, field in parts["spec"]["properties"].items() if name in said or "default" in field}
    return schema | {"properties": parts | {"spec": parts["spec"] | {"properties": fields}}}


@each_api
def test_the_judge_of_that_test_tells_fixtures_apart(validator: Path, api: Api) -> None:
    invalid, schema = fixtures.invalid(api), claim_schema(DEFINITIONS[api])
    verdicts = judge(validator, [(schema, fixture.claim) for fixture in invalid])
    for fixture, told in zip(invalid, verdicts, strict=True):
        assert any(line.startswith(fixture.expect) for line in told), fixture.path
    assert not any(judge(validator, [(schema, fixture.claim) for fixture in fixtures.valid(api)]))


@each_api
def test_the_schema_is_of_draft_2020_12(api: Api) -> None:
    schema = claim_schema(DEFINITIONS[api])
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


def test_a_keyword_that_nobody_translated_is_an_error() -> None:
    strange = load_definition()
    schema_of(strange)["properties"]["spec"]["properties"]["size"]["not"] = {}
    with pytest.raises(ValueError, match="no translation for not"):
        claim_schema(strange)
    with pytest.raises(ValueError, match=r"spec\.size: is not a constraint"):
        constraints(strange)


@each_api
def test_the_crds_have_the_definitions_fields_and_crossplanes_own(api: Api) -> None:
    definition = DEFINITIONS[api]
    own = schema_of(definition)["properties"]
    for crd, scope, added in (
        (claim_crd(definition), "Namespaced", "resourceRef"),
        (composite_crd(definition), "Cluster", "claimRef"),
    ):
        assert crd["spec"]["scope"] == scope
        version = crd["spec"]["versions"][0]
        made = version["schema"]["openAPIV3Schema"]["properties"]
        assert own["spec"]["properties"].items() <= made["spec"]["properties"].items()
        assert own["status"]["properties"].items() <= made["status"]["properties"].items()
        assert {added, "compositionRef", "writeConnectionSecretToRef"} <= made["spec"]["properties"].keys()
        assert {"conditions", "connectionDetails"} <= made["status"]["properties"].keys()
        columns = [column["name"] for column in version["additionalPrinterColumns"]]
        if api == EVENT_DRIVEN_SERVICE:
            assert columns[:3] == ["Size", "Stream", "Consumer"]
        assert {"SYNCED", "READY", "AGE"} <= set(columns)


@each_api
def test_the_table_of_fields_has_a_row_for_each(api: Api) -> None:
    rows = table(DEFINITIONS[api], "spec").splitlines()[2:]
    spec = schema_of(DEFINITIONS[api])["properties"]["spec"]
    named = [path for path, field in _fields(spec, "") if path and not path.endswith("[]")]
    assert len(rows) == len(named)
    assert all(row.count(" | ") == 4 for row in rows)


def test_a_required_field_is_marked_in_the_table() -> None:
    rows = table(DEFINITIONS[EVENT_DRIVEN_SERVICE], "spec").splitlines()
    assert any(row.startswith("| `nats.stream` | string | **required** |") for row in rows)


def test_derived_files_are_up_to_date() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "tools.platform_api", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{result.stdout}{result.stderr}run: python -m tools.platform_api"
