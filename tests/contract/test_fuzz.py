"""Whatever arrives is read or refused with a path: mutated examples raise nothing else, and never show a secret."""

from __future__ import annotations

import json
import random
from functools import partial
from typing import Any

import pytest

from contracts import components, strict_json
from contracts.components import PROPERTIES
from contracts.events import expand
from contracts.inbound import InboundEvent, decode
from contracts.names import InboundType
from contracts.violations import ContractViolation
from tests.contract.library import examples, outcome

CANARY = "canary-5f2d"
ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**62,
    1.5,
    "",
    "x",
    "a\nb",
    "\x00",
    "{{workflow.name}}",
    "*",
    ">",
    "a.b",
    "é" * 300,
    [],
    {},
    [[]],
    {"": {}},
]
EVENTS = [content for kind, _, content in examples("valid") if kind in {*InboundType, "legacy"}]
COMPONENTS = [(kind, content) for kind, _, content in examples("valid") if kind in PROPERTIES]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key) of a JSON document."""
    pairs = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [place for key, inner in pairs for place in ((value, key), *places(inner))]


def mutate(document: Any, chance: random.Random) -> Any:
    """Return a copy with one to three places replaced, removed, renamed or doubled."""
    document = json.loads(json.dumps(document))
    for _ in range(chance.randint(1, 3)):
        found = places(document)
        if not found:
            break
        container, key = chance.choice(found)
        match chance.randrange(4):
            case 0:
                container[key] = json.loads(json.dumps(chance.choice(ODD)))
            case 1:
                del container[key]
            case 2 if isinstance(container, dict):
                container[f"{key}{chance.choice(['x', '-', '.', ' '])}"] = container.pop(key)
            case _:
                container[key] = [container[key], container[key]]
    return document


def check(violation: ContractViolation) -> None:
    assert violation.path.startswith("$")
    assert violation.code
    assert "\n" not in str(violation)
    assert CANARY not in str(violation)


@pytest.mark.parametrize("seed", range(8))
def test_mutated_events(seed: int) -> None:
    chance = random.Random(seed)
    read = 0
    for _ in range(400):
        raw = strict_json.dumps(mutate(chance.choice(EVENTS), chance))
        headers = chance.choice([None, {}, {"ce-specversion": "1.0"}, {"Content-Type": "text/xml"}])
        event, violation = outcome(partial(decode, headers, raw))
        if violation is not None:
            check(violation)
            continue
        read += 1
        if isinstance(event, InboundEvent) and event.type is InboundType.PROVISIONING_REQUESTED:
            assert expand(event.data) or event.data.model_dump()["components"] == []  # type: ignore[arg-type]
    assert read > 20


@pytest.mark.parametrize("seed", range(8))
def test_mutated_properties(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(400):
        type_name, example = chance.choice(COMPONENTS)
        properties = mutate(example, chance)
        properties.setdefault("auth", {"password": CANARY})
        properties["credentials"] = chance.choice([None, CANARY, {"a": CANARY}])
        clean, _ = components.strip_secrets(type_name, properties)
        assert CANARY not in json.dumps(clean)
        model, violation = outcome(partial(components.parse, type_name, clean))
        if violation is not None:
            check(violation)
        else:
            assert CANARY not in json.dumps(model.values())


@pytest.mark.parametrize("seed", range(4))
def test_broken_bytes(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(500):
        raw = bytearray(strict_json.dumps(chance.choice(EVENTS)))
        for _ in range(chance.randint(1, 5)):
            at = chance.randrange(len(raw))
            raw[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        _, violation = outcome(partial(decode, None, bytes(raw)))
        if violation is not None:
            check(violation)
