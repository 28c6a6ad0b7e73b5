"""Draft an invalid fixture for each constraint of an API that none breaks yet.

Run as ``python -m tests.platform.draft_fixtures PLURAL``. It saves the typing, not the thinking: read each draft, above
all its `# expect:`. From the API's valid fixtures `minimal` and `full` it takes the claim, puts one bad value in, and
asks the validator what it says. CEL rules are left to people, and so is what no value of the kind breaks alone.
"""

from __future__ import annotations

import argparse
import copy
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.platform.constraints import constraints, schema_of, without
from tests.platform.fixtures import invalid, load
from tests.platform.judge import judge
from tools.platform_api.apis import ROOT, api
from tools.platform_api.crds import load_definition
from tools.platform_api.json_schema import claim_schema

if TYPE_CHECKING:
    from tests.platform.constraints import Constraint
    from tools.platform_api.apis import Api

    Schema = dict[str, Any]

_WRONG = {"string": 7, "integer": "text", "number": "text", "boolean": "text", "array": "text", "object": "text"}
_STRANGE = ("not valid!", "Not Valid", "-", "", "x y", "#", "two\nlines")
_STEP = re.compile(r"\.([^.\[{]+)|(\[\])|(\{\})")


class _Absent:
    """Stands for a value that is taken out."""


def main() -> int:
    """Write the drafts and name what is left to people; return 1 if anything is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plural", help="the API, see tools/platform_api/apis.py")
    of = api(parser.parse_args().plural)
    command = [str(ROOT / "scripts" / "validate-claim.sh"), "--install"]
    validator = Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    left = 0
    broken = {fixture.breaks for fixture in invalid(of)}
    for constraint in constraints(load_definition(of)):
        if str(constraint) not in broken and not draft(of, constraint, validator):
            left += 1
            print(f"left to you: {constraint}")
    return 1 if left else 0


def draft(of: Api, constraint: Constraint, validator: Path) -> bool:
    """Write a fixture that breaks this constraint and would pass without it; return whether one was found."""
    definition = load_definition(of)
    schemas = claim_schema(definition), claim_schema(without(definition, constraint))
    for claim in _bad_claims(of, constraint, definition):
        told, told_without = judge(validator, [(schema, claim) for schema in schemas])
        gone = [line for line in told if line not in told_without]
        if gone:
            _write(of, constraint, claim, _short(gone[0], definition))
            return True
    return False


def _write(of: Api, constraint: Constraint, claim: Schema, expect: str) -> None:
    words = str(constraint).replace("[]", ".item").replace("{}", ".entry")
    stem = re.sub(r"[^A-Za-z0-9]+", "-", words.replace("x-kubernetes-", "")).strip("-")
    path = of.tests / "fixtures" / "invalid" / f"{stem}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(claim, sort_keys=False, allow_unicode=True, width=120)
    path.write_text(f"# breaks: {constraint}\n# expect: {expect}\n{text}", encoding="utf-8")
    print(f"wrote: {path.relative_to(of.root)}")


def _short(complaint: str, definition: Schema) -> str:
    """Return a complaint without the field's description and any guess at its end: prose may change."""
    for description in _descriptions(schema_of(definition)):
        complaint = complaint.partition(f" ({description.removesuffix('.')})")[0]
    return complaint


def _descriptions(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for item in node for found in _descriptions(item)]
    if not isinstance(node, dict):
        return []
    own = [node["description"]] if isinstance(node.get("description"), str) else []
    return own + [found for value in node.values() for found in _descriptions(value)]


def _bad_claims(of: Api, constraint: Constraint, definition: Schema) -> list[Schema]:
    valid = of.tests / "fixtures" / "valid"
    minimal, full = (load(valid / f"{name}.yaml", of).claim for name in ("minimal", "full"))
    schema = schema_of(definition)
    for step in constraint.place:
        schema = schema[step]
    path: list[Any] = [name or (0 if item else "{}") for name, item, _ in _STEP.findall(f".{constraint.field}")]
    keyword, _, detail = constraint.keyword.partition(" ")
    if keyword == "rule":
        return []
    if keyword == "required":
        path.append(detail)
    found = []
    for base in (minimal, full):
        claim = copy.deepcopy(base)
        if len(path) > 1 and path[1] in full["spec"]:
            claim["spec"].setdefault(path[1], copy.deepcopy(full["spec"][path[1]]))
        for bad in [_Absent] if keyword == "required" else _bad_values(schema, keyword, _get(claim, path)):
            changed = copy.deepcopy(claim)
            if _set(changed, path, bad):
                found.append(changed)
    return found


def _bad_values(schema: Schema, keyword: str, value: Any) -> list[Any]:
    limit = schema[keyword]
    if keyword in {"minLength", "maxLength"}:
        return [] if keyword == "minLength" and limit < 1 else _texts(schema, keyword, value)
    if keyword == "pattern":
        return [text for text in _STRANGE if not re.search(limit, text)]
    simple: dict[str, list[Any]] = {
        "type": [_WRONG.get(limit)] if isinstance(limit, str) else [],
        "x-kubernetes-int-or-string": [True],
        "enum": ["teapot"],
        "minItems": [[]],
        "minProperties": [{}],
    }
    if keyword in simple:
        return simple[keyword]
    if keyword in {"minimum", "maximum"}:
        return [limit - 1 if keyword == "minimum" else limit + 1]
    if keyword in {"x-kubernetes-list-map-keys", "x-kubernetes-list-type"}:
        return [[value[0], value[0]]] if value else []
    if keyword == "maxItems":
        return [_many(value, schema.get("x-kubernetes-list-map-keys", []), limit + 1)] if value else []
    if keyword == "maxProperties" and value:
        example = next(iter(value.values()))
        return [{f"key{at}": example for at in range(limit + 1)}]
    return []


def _texts(schema: Schema, keyword: str, value: Any) -> list[str]:
    """Return texts that are too short or too long, those that fit the pattern first."""
    if keyword == "minLength":
        return ["", *(str(value)[:length] for length in range(schema[keyword]))]
    size, text = schema["maxLength"] + 1, str(value or "a")
    texts = [text + text[-1] * (size - len(text)), "a" * size, "a" + "1" * (size - 1), ("a." * size)[: size - 1] + "a"]
    return sorted(texts, key=lambda found: not re.search(schema.get("pattern", ""), found))


def _many(items: list[Any], keys: list[str], count: int) -> list[Any]:
    if keys:
        return [{**items[0], **{key: f"{items[0][key]}{at}" for key in keys}} for at in range(count)]
    return [f"{items[0]}{at}" if isinstance(items[0], str) else items[0] for at in range(count)]


def _get(node: Any, path: list[Any]) -> Any:
    for step in path:
        if step == "{}":
            node = next(iter(node.values()), None) if isinstance(node, dict) else None
        elif isinstance(node, list):
            node = node[step] if node else None
        else:
            node = node.get(step) if isinstance(node, dict) else None
    return node


def _set(node: Any, path: list[Any], value: Any) -> bool:
    """Put a value at a path, or take it away; return whether the way there exists."""
    parent = _get(node, path[:-1])
    if not parent and not (isinstance(parent, dict) and value is not _Absent):
        return False
    step = next(iter(parent)) if path[-1] == "{}" else path[-1]
    if value is _Absent:
        return parent.pop(step, _Absent) is not _Absent
    parent[step] = value
    return True


if __name__ == "__main__":
    sys.exit(main())
