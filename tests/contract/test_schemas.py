"""The generated files: they are what the models say, valid in themselves, and complete."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from contracts import components, generate, names
from contracts.components import PROPERTIES
from contracts.json_schema import DIALECT
from contracts.names import InboundType, OutboundType
from contracts.streams import topology
from contracts.violations import ContractViolation
from tests.contract.library import PACKAGE, schema

SCHEMAS = sorted((PACKAGE / "schemas").rglob("*.json"))


def test_nothing_has_drifted() -> None:
    assert generate.drift() == []


def test_a_library_that_changes_pyyaml_for_all_changes_nothing() -> None:
    importlib.import_module("hera.workflows")
    assert generate.drift() == []


def test_drift_is_found_named_and_repaired(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate.write(tmp_path)
    assert generate.drift(tmp_path) == []
    (tmp_path / "schemas/components/redis.json").write_text("{}")
    (tmp_path / "schemas/components/oracle.json").write_text("{}")
    (tmp_path / "asyncapi.yaml").unlink()
    assert [line.split(":")[0] for line in generate.drift(tmp_path)] == [
        "asyncapi.yaml",
        "schemas/components/oracle.json",
        "schemas/components/redis.json",
    ]
    generate.write(tmp_path)
    assert generate.drift(tmp_path) == []


def test_the_check_exits_with_one_on_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.main(["--check"]) == 0
    monkeypatch.setattr(generate, "drift", lambda: ["schemas/components/redis.json: differs from the models"])
    assert generate.main(["--check"]) == 1
    assert "contracts/schemas/components/redis.json: differs" in capsys.readouterr().err


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_schema_is_a_valid_schema_with_resolvable_references(path: Path) -> None:
    document = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(document)
    assert document["$schema"] == DIALECT
    assert document["$id"].startswith("urn:platform-worker:schema:")
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "')[1:]}:
        here = document
        for step in reference.removeprefix("#/").split("/"):
            here = here[step]


def test_there_is_a_schema_for_everything() -> None:
    found = {f"{path.parent.name}/{path.stem}" for path in SCHEMAS}
    types = [*InboundType, *OutboundType]
    wanted = {f"{kind}/{one}" for kind in ("events", "data") for one in types} | {
        f"components/{one}" for one in PROPERTIES
    }
    assert found == wanted


@pytest.mark.parametrize("type_name", PROPERTIES)
def test_schema_takes_every_spelling_that_the_model_takes(type_name: str) -> None:
    validator = jsonschema.Draft202012Validator(schema("components", type_name))
    model = PROPERTIES[type_name]
    for field in model.model_fields:
        camel = "".join(part.capitalize() if at else part for at, part in enumerate(field.split("_")))
        for word in {field, field.replace("_", "-"), camel, *model.spellings.get(field, ())}:
            name = word.rstrip("_-")
            wrong: dict[str, object] = {name: [[]]}
            assert model.field_of(name) == field
            assert not validator.is_valid(wrong), name
            with pytest.raises(ContractViolation) as caught:
                components.parse(type_name, wrong)
            assert caught.value.path.startswith(f"$.{name}")


def asyncapi() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((PACKAGE / "asyncapi.yaml").read_text())
    return document


def test_asyncapi_references_resolve() -> None:
    document = asyncapi()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str) and reference.startswith("#/"):
                here = document
                for step in reference.removeprefix("#/").split("/"):
                    here = here[step]
            elif isinstance(reference, str):
                assert (PACKAGE / reference).is_file(), reference
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(document)


def test_asyncapi_is_complete() -> None:
    document = asyncapi()
    assert document["asyncapi"] == "3.0.0"
    messages = {one["name"] for one in document["components"]["messages"].values()}
    assert messages >= {*InboundType, *OutboundType}
    in_channels = {name for channel in document["channels"].values() for name in channel["messages"]}
    assert in_channels == set(document["components"]["messages"])
    operated = {one["channel"]["$ref"].rsplit("/", 1)[1] for one in document["operations"].values()}
    assert operated == set(document["channels"])
    streams = {one["x-jetstream"]["stream"] for one in document["channels"].values()}
    assert streams == set(topology("production").streams)
    for channel in document["channels"].values():
        tokens = channel["address"].count("{")
        assert len(channel["parameters"]) == tokens
    for operation in document["operations"].values():
        if operation["action"] == "receive":
            assert operation["x-jetstream"]["durable"] == names.CONSUMER
            assert operation["x-jetstream"]["ackPolicy"] == "explicit"
