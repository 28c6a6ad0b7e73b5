"""Twenty thousand bad ideas of a message, the same ones for the same seed.

They start from the contract's own valid examples, because what is nearly right gets furthest into the worker.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from contracts import names, strict_json
from contracts.components import PROPERTIES
from contracts.names import InboundType
from tests.contract.library import examples
from tests.fuzz.documents import ODD, canaries, copy_of, inject_tags, mutate
from tests.fuzz.noise import bomb, broken, noise

NAMESPACES = ("shop", "team-a", "team-b", "default")
#: So few applications that events meet records of earlier ones, and so many that they do not all queue for one.
_APPLICATIONS = 300
_GENERATIONS = 9

_EXAMPLES = list(examples("valid"))
EVENTS = [content for kind, _, content in _EXAMPLES if kind in set(InboundType)]
LEGACY = [content for kind, _, content in _EXAMPLES if kind == "legacy"]
COMPONENTS = [
    {"type": kind, "properties": content.get("properties", content)}
    for kind, _, content in _EXAMPLES
    if kind in PROPERTIES
]
_HOSTILE = (
    "a.b",
    "a..b",
    ".",
    "*",
    ">",
    "shop.*",
    "a b",
    "A" * 300,
    "é" * 300,
    "../../etc",
    "$KV.platform-state",
    "_meta",
    "{{workflow.name}}",
    "name\nplatform.io/managed-by: x",
    "\u202eevil",
    "=2E",
    "==",
    "-",
    "-a",
    "a-",
    "",
    "\u0000",
    "👩‍💻",
)
_TOKENS = ("=ZZ", "==", "a=2e", "é", "A" * 300, "%2e", "a=2Eb", "{{x}}", "-", "=")
_TYPES = (
    "text/plain",
    "application/xml",
    "application/cloudevents+avro",
    "",
    "application/json; charset=latin-1",
    "\t",
)


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """One message as it is published."""

    kind: str
    subject: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def fuzzed(seed: int, count: int) -> Iterator[Fuzzed]:
    """Yield ``count`` messages; the same ones for the same seed."""
    dice = random.Random(seed)
    for _ in range(count):
        [make] = dice.choices(list(_SHARES), list(_SHARES.values()))
        yield make(dice)


def document(dice: random.Random) -> dict[str, Any]:
    """Return a valid event about one of a few applications, with components of any type and secrets where they go."""
    event: dict[str, Any] = copy_of(dice.choice(EVENTS))
    data = event["data"]
    subject = data["application"]["metadata"] if "application" in data else data
    subject["name"] = f"app-{dice.randrange(_APPLICATIONS)}"
    subject["namespace"] = dice.choice(NAMESPACES)
    event["id"] = f"fuzz-{dice.getrandbits(64):x}"
    if "application" in data:
        subject |= {
            "uid": f"uid-{subject['namespace']}-{subject['name']}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "generation": dice.randint(1, _GENERATIONS),
            "resourceVersion": str(dice.randint(1, 10**6)),
        }
        subject.pop("deletionTimestamp", None)
        if dice.random() < 0.7:
            chosen = dice.sample(COMPONENTS, dice.randint(1, 3))
            spec = {"components": [{"name": f"part-{n}", **copy_of(one)} for n, one in enumerate(chosen)]}
            data["application"]["spec"] = spec
    canaries(event, dice)
    return event


def _mutated(dice: random.Random) -> Fuzzed:
    event = document(dice)
    return _message("mutated", event, canaries(mutate(event, dice), dice))


def _valid(dice: random.Random) -> Fuzzed:
    event = document(dice)
    return _message("valid", event, event)


def _tagged(dice: random.Random) -> Fuzzed:
    event = document(dice)
    return _message("tags", event, inject_tags(event, dice))


def _legacy(dice: random.Random) -> Fuzzed:
    return _message("legacy", document(dice), mutate(dice.choice(LEGACY), dice))


def _hostile(dice: random.Random) -> Fuzzed:
    event = document(dice)
    data = event["data"]
    about = data["application"]["metadata"] if "application" in data else data
    about[dice.choice(["name", "namespace"])] = dice.choice(_HOSTILE)
    components = (data["application"].get("spec") or {}).get("components") if "application" in data else None
    if components and dice.random() < 0.5:
        dice.choice(components)["name"] = dice.choice(_HOSTILE)
    if dice.random() < 0.2:
        token = dice.choice(_TOKENS)
        return Fuzzed("names", f"platform.oam.{token}.{token}", strict_json.dumps(event))
    return _message("names", event, event)


def _envelope(dice: random.Random) -> Fuzzed:
    event = document(dice)
    wrong: list[Callable[[], Any]] = [
        lambda: {**event, "specversion": dice.choice(["0.3", "2.0", 1.0, None])},
        lambda: {**event, "type": dice.choice([*names.OutboundType, "x", 7, None])},
        lambda: {**event, "data": dice.choice(ODD)},
        lambda: {key: value for key, value in event.items() if key != dice.choice(list(event))},
        lambda: {**event, "data_base64": "AAAA"},
        lambda: [event],
        lambda: event["data"],
        lambda: dice.choice(ODD),
        lambda: {"body": json.dumps(event), "operation": "CREATE"},
        lambda: {"kind": "AdmissionReview", "request": event["data"]},
    ]
    return _message("envelope", event, dice.choice(wrong)())


def _typed(dice: random.Random) -> Fuzzed:
    event = document(dice)
    headers = {"Content-Type": dice.choice(_TYPES)}
    if dice.random() < 0.5:
        headers |= {"ce-specversion": dice.choice(["1.0", "", "9"]), "ce-type": dice.choice([*InboundType, "x"])}
        headers |= {"ce-id": f"fuzz-{dice.getrandbits(64):x}"} if dice.random() < 0.7 else {}
        return Fuzzed("content-type", _subject(event), strict_json.dumps(event["data"]), headers)
    return Fuzzed("content-type", _subject(event), strict_json.dumps(event), headers)


def _bytes(dice: random.Random) -> Fuzzed:
    return Fuzzed("bytes", _subject(document(dice)), noise(dice))


def _broken(dice: random.Random) -> Fuzzed:
    event = document(dice)
    return Fuzzed("broken", _subject(event), broken(strict_json.dumps(event), dice))


def _bomb(dice: random.Random) -> Fuzzed:
    event = document(dice)
    return Fuzzed("bomb", _subject(event), bomb(event, dice))


_SHARES: dict[Callable[[random.Random], Fuzzed], int] = {
    _mutated: 34,
    _valid: 3,
    _tagged: 12,
    _legacy: 6,
    _hostile: 10,
    _envelope: 8,
    _typed: 4,
    _bytes: 8,
    _broken: 11,
    _bomb: 4,
}


def _message(kind: str, event: dict[str, Any], content: Any) -> Fuzzed:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return Fuzzed(kind, _subject(event), body, {"Content-Type": names.CLOUDEVENTS_JSON})


def _subject(event: dict[str, Any]) -> str:
    data = event["data"]
    if "application" in data:
        metadata = data["application"]["metadata"]
        return names.oam_subject(metadata["namespace"], metadata["name"])
    return names.request_subject(data["namespace"], data["name"])
