"""Write the parts of an API's page that stand elsewhere already: the tables of fields, and the examples.

Each stands between the comments `generated: NAME ARGUMENT` and `end generated`; what is between them is replaced.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tools.platform_api.apis import APIS
from tools.platform_api.crds import load_definition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.platform_api.apis import Api
    from tools.platform_api.crds import Manifest

_PART = re.compile(
    r"(?P<begin><!-- generated: (?P<name>fields|example|claims) (?P<argument>[^ ]+) -->\n)"
    r".*?(?P<end><!-- end generated -->)",
    re.DOTALL,
)
#: Longer patterns are told in words by the description.
_LONGEST_PATTERN = 48


def rewritten(api: Api, definition: Manifest) -> str:
    """Return the page of an API with its generated parts as they have to be; an API without one gets a first one.

    Raises:
        ValueError: There is no place for a part in it.
        OSError: An example that it names is missing.
    """

    def part(match: re.Match[str]) -> str:
        if match["name"] == "fields":
            body = table(definition, match["argument"])
        elif match["name"] == "claims":
            body = _claims(api)
        else:
            body = _example(api, match["argument"])
        return f"{match['begin']}{body}{match['end']}"

    text = api.page.read_text(encoding="utf-8") if api.page.is_file() else _first(api, definition)
    found, count = _PART.subn(part, text)
    if count == 0:
        raise ValueError(f"{api.page.name} has lost the comments `generated: …` and `end generated`")
    return found


def _first(api: Api, definition: Manifest) -> str:
    """Return a page with nothing but the generated parts."""
    root = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    parts = [f"# {api.kind}", root["description"]]
    for part in ("spec", "status"):
        parts += [f"## {part}", _place("fields", part)]
    parts.append("## Examples")
    parts += [_place("example", path.name) for path in sorted(api.examples.glob("*.yaml"))]
    return "\n\n".join(parts) + "\n"


def _place(name: str, argument: str) -> str:
    return f"<!-- generated: {name} {argument} -->\n<!-- end generated -->"


def _claims(api: Api) -> str:
    """Return the table of all other APIs."""
    rows = ["| claim | group | what it is |", "|---|---|---|"]
    for other in APIS:
        if other != api:
            root = load_definition(other)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
            page = other.page.relative_to(api.page.parent)
            rows.append(f"| [{other.kind}]({page}) | `{other.group}` | {root['description']} |")
    return "\n".join(rows) + "\n"


def _example(api: Api, name: str) -> str:
    text = (api.examples / name).read_text(encoding="utf-8")
    return f"```yaml\n{text}```\n"


def table(definition: Manifest, part: str) -> str:
    """Return the Markdown table of `spec` or `status`."""
    root = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part]
    rows = ["| field | type | default | allowed | meaning |", "|---|---|---|---|---|"]
    rows += [" | ".join(row).join(("| ", " |")) for row in _rows(root, "")]
    return "\n".join(rows) + "\n"


def _rows(schema: Manifest, prefix: str) -> Iterator[tuple[str, ...]]:
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        default = "**required**" if name in required else _default(field)
        yield f"`{path}`", _type(field), default, _allowed(field), _meaning(field)
        inner = field.get("items", field)
        yield from _rows(inner, f"{path}[]." if "items" in field else f"{path}.")


def _type(field: Manifest) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if field["type"] == "array":
        return f"list of {field['items']['type']}s"
    if "additionalProperties" in field:
        return f"map of {field['additionalProperties']['type']}s"
    return str(field["type"])


def _default(field: Manifest) -> str:
    default = field.get("default")
    if default is None or default in ({}, ""):
        return ""
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _allowed(field: Manifest) -> str:
    told = []
    if "enum" in field:
        told.append(" ".join(f"`{value}`" if value else "empty" for value in field["enum"]))
    if "pattern" in field and len(field["pattern"]) <= _LONGEST_PATTERN:
        escaped = field["pattern"].replace("|", "\\|")
        told.append(f"`{escaped}`")
    for low, high, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
        ("minProperties", "maxProperties", " entries"),
    ):
        if low in field and high in field:
            told.append(f"{field[low]} to {field[high]}{unit}")
        elif low in field or high in field:
            told.append(f"at {'least' if low in field else 'most'} {field.get(low, field.get(high))}{unit}")
    if "x-kubernetes-list-map-keys" in field:
        keys = " and ".join(f"`{key}`" for key in field["x-kubernetes-list-map-keys"])
        told.append(f"each {keys} once")
    return ", ".join(told)


def _meaning(field: Manifest) -> str:
    rules = [rule["message"] for rule in field.get("x-kubernetes-validations", [])]
    rules += [rule["message"] for rule in field.get("items", {}).get("x-kubernetes-validations", [])]
    text = " ".join([field["description"], *(f"Rule: {rule}." for rule in rules)])
    return text.replace("|", "\\|").replace("<", "&lt;")
