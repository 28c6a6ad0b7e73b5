"""JSON Schemas (Draft 2020-12) made from the models: one document for each event type, its data, and component type.

They say what a schema can say. What needs more (unique names, matching namespaces, references) only the models check,
so a document that passes its schema may still be rejected, and one that fails it always is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, Union

from pydantic import BaseModel, create_model
from pydantic.json_schema import models_json_schema

from contracts.cloudevents import CloudEvent
from contracts.components import PROPERTIES, ComponentProperties
from contracts.events import MODELS
from contracts.status import STATUS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_URN: Final = "urn:platform-worker:schema"

Schema = dict[str, Any]


def all_schemas() -> Iterator[tuple[str, Schema]]:
    """Yield every schema with its path below `contracts/schemas`."""
    for event_type, models in data_models().items():
        yield f"data/{event_type}.json", data_schema(event_type, models)
        yield f"events/{event_type}.json", event_schema(event_type, models)
    for type_name, model in PROPERTIES.items():
        yield f"components/{type_name}.json", component_schema(type_name, model)


def data_models() -> Mapping[str, tuple[type[BaseModel], ...]]:
    """Return the data models of all event types, in and out; several are alternatives."""
    inbound: dict[str, tuple[type[BaseModel], ...]] = {str(event_type): models for event_type, models in MODELS.items()}
    return inbound | {str(event_type): (model,) for event_type, model in STATUS.items()}


def data_schema(event_type: str, models: tuple[type[BaseModel], ...]) -> Schema:
    """Return the schema of an event type's `data`."""
    _, bundle = models_json_schema([(model, "validation") for model in models], by_alias=True)
    references = [{"$ref": f"#/$defs/{model.__name__}"} for model in models]
    body = references[0] if len(references) == 1 else {"anyOf": references}
    return _document(f"{_URN}:data:{event_type}", f"Data of {event_type}", {**body, **_definitions(bundle)})


def event_schema(event_type: str, models: tuple[type[BaseModel], ...]) -> Schema:
    """Return the schema of a whole CloudEvent in structured mode."""
    only_type: Any = Literal[event_type]
    data: Any = Union[models]  # noqa: UP007 - the members are only known at run time
    model = create_model("Event", __base__=CloudEvent, type=(only_type, ...), data=(data, ...))
    _, bundle = models_json_schema([(model, "validation")], by_alias=True)
    definitions = _definitions(bundle)
    root = definitions["$defs"].pop("Event")
    root["description"] = f"A CloudEvent 1.0 of type {event_type}."
    root["required"] = sorted({*root["required"], "specversion"})
    root["properties"]["type"].pop("title", None)
    root["properties"]["specversion"].pop("default", None)
    return _document(f"{_URN}:event:{event_type}", event_type, {**root, **definitions})


def component_schema(type_name: str, model: type[ComponentProperties]) -> Schema:
    """Return the schema of a component type's properties, with its secrets marked."""
    _, bundle = models_json_schema([(model, "validation")], by_alias=True)
    definitions = _definitions(bundle)
    defs = definitions["$defs"]
    root = defs[model.__name__]
    for path in model.secret_paths:
        _mark_secret(defs, root, path.replace("[]", ".[]").split("."))
    for name in model.refused:
        root["properties"][name] = {
            "description": "Refused: put it into a Secret and name that in credentialsSecretRef.",
            "maxLength": 0,
            "maxProperties": 0,
            "type": ["string", "object", "null"],
        }
    reference = {"$ref": f"#/$defs/{model.__name__}"}
    return _document(f"{_URN}:component:{type_name}", f"Properties of a {type_name}", {**reference, **definitions})


def _document(identifier: str, title: str, body: Schema) -> Schema:
    body = {key: value for key, value in body.items() if key != "title"}
    return {"$schema": DIALECT, "$id": identifier, "title": title, **body}


def _definitions(bundle: Schema) -> dict[str, dict[str, Schema]]:
    return {"$defs": {name: _tidy(body) for name, body in sorted(bundle["$defs"].items())}}


def _tidy(value: Any) -> Any:
    """Leave out what pydantic adds for its own forms: generated titles, and null as default of what may be absent."""
    if isinstance(value, dict):
        named = isinstance(value.get("properties"), dict)
        tidy = {}
        for key, inner in value.items():
            if key == "title" and isinstance(inner, str):
                continue
            if key == "default" and inner is None:
                continue
            if key == "properties" and named:
                tidy[key] = {name: _tidy(one) for name, one in inner.items()}
            else:
                tidy[key] = _tidy(inner)
        return tidy
    if isinstance(value, list):
        return [_tidy(inner) for inner in value]
    return value


def _mark_secret(defs: Mapping[str, Schema], here: Schema, steps: list[str]) -> None:
    name, rest = steps[0], steps[1:]
    properties = here.setdefault("properties", {})
    if not rest:
        properties[name] = {"description": "Dropped: the platform generates it.", "writeOnly": True}
        return
    inner = _resolved(defs, properties.setdefault(name, {"type": "object"}))
    if rest[0] == "[]":
        inner = _resolved(defs, inner["items"])
        rest = rest[1:]
    _mark_secret(defs, inner, rest)


def _resolved(defs: Mapping[str, Schema], schema: Schema) -> Schema:
    for option in schema.get("anyOf", [schema]):
        if "$ref" in option:
            return defs[option["$ref"].rsplit("/", 1)[1]]
        if option.get("type") in {"array", "object"}:
            return dict(option) if "anyOf" in schema else schema
    return schema
