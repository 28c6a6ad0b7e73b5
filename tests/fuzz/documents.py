"""Changes to JSON documents: odd values, tags that Argo would expand, and secrets that must not be seen again."""

from __future__ import annotations

import json
import random
from typing import Any

from contracts.components import PROPERTIES

#: Stands in every secret; seen anywhere but in the original bytes, it is a leak.
CANARY = "CANARY-5f2d9c"
#: What would be expanded, if it reached Argo as it is.
TAGS = (
    "{{workflow.parameters.secret}}",
    "{{=sprig.env('HOME')}}",
    "{{ workflow.name }}",
    "{{{{workflow.uid}}}}",
    "{{tasks.c-db.outputs.parameters.connection_secret}}",
    "{\\u007bworkflow.name}}",
    "}}{{workflow.serviceAccountName}}",
    "{{item}}",
)
ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**62,
    10**30,
    1.5,
    1e300,
    "",
    "x",
    "a\nb",
    "\u0000",
    "*",
    ">",
    "a.b",
    "é" * 300,
    "x" * 5000,
    [],
    {},
    [[]],
    {"": {}},
    TAGS[0],
)
#: Secrets of types whose model names no place for one.
_ANYWHERE = ("password", "apiToken", "clientSecret", "credentials")


def copy_of(document: Any) -> Any:
    """Return a deep copy of a JSON document."""
    return json.loads(json.dumps(document))


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key) of a JSON document."""
    pairs = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [place for key, inner in pairs for place in ((value, key), *places(inner))]


def mutate(document: Any, dice: random.Random) -> Any:
    """Return a copy with one to three places replaced, removed, renamed or doubled."""
    document = copy_of(document)
    for _ in range(dice.randint(1, 3)):
        found = places(document)
        if not found:
            break
        container, key = dice.choice(found)
        match dice.randrange(4):
            case 0:
                container[key] = copy_of(dice.choice(ODD))
            case 1:
                del container[key]
            case 2 if isinstance(container, dict):
                container[f"{key}{dice.choice(['x', '-', '.', ' '])}"] = container.pop(key)
            case _:
                container[key] = [container[key], container[key]]
    return document


def inject_tags(document: Any, dice: random.Random) -> Any:
    """Return a copy in which one string, or many of them, opens a tag: values, and sometimes keys."""
    document = copy_of(document)
    strings = [(container, key) for container, key in places(document) if isinstance(container[key], str)]
    most = len(strings) if dice.random() < 0.3 else 2
    for container, key in dice.sample(strings, min(most, len(strings))):
        tag = dice.choice(TAGS)
        container[key] = tag if dice.random() < 0.4 else f"{container[key]}{tag}"
    if dice.random() < 0.2:
        objects = [container for container, _ in places(document) if isinstance(container, dict)]
        dice.choice(objects)[dice.choice(TAGS)] = dice.choice(TAGS)
    return document


def canaries(document: Any, dice: random.Random) -> Any:
    """Put a canary into the secret fields of most components of a document, in place, and return it."""
    for container, key in places(document):
        component = container[key]
        if not isinstance(component, dict) or not isinstance(component.get("properties"), dict):
            continue
        if dice.random() < 0.7:
            model = PROPERTIES.get(str(component.get("type")))
            paths = model.secret_paths if model is not None else ()
            _put(component["properties"], dice.choice(paths or _ANYWHERE), dice)
    return document


def _put(properties: dict[str, Any], path: str, dice: random.Random) -> None:
    """Write a secret at ``a.b`` or ``a[].b``, as a string or, wrongly, as something that contains one."""
    secret = dice.choice([CANARY, f"pre {CANARY}", [CANARY], {"value": CANARY}])
    steps = path.split(".")
    for step in steps[:-1]:
        inner: dict[str, Any] = {"username": "u"}
        name = step.removesuffix("[]")
        if step.endswith("[]"):
            properties[name] = [inner]
        elif isinstance(properties.get(name), dict):
            inner = properties[name]
        else:
            properties[name] = inner
        properties = inner
    properties[steps[-1]] = secret
