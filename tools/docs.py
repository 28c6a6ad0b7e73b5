"""Write the parts of the documents that the code knows better: settings, metrics, streams, examples of events.

Each part stands between comments: `generated: NAME ARGUMENTS` and `end generated`; what is between them is replaced.

    python -m tools.docs            write
    python -m tools.docs --check    only compare; exit 1 on drift
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from contracts.components import PROPERTIES
from contracts.templates import TEMPLATES, common_inputs
from tools.workflow_lint.finding import RULES
from worker.bootstrap import inbound_options
from worker.domain.classify import TYPES
from worker.inbound.subscriber import Inbound
from worker.settings import Settings, markdown_table
from worker.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "contracts" / "examples" / "valid"
_PART = re.compile(
    r"(?P<begin><!-- generated: (?P<name>[a-z]+)(?P<arguments>[^>]*?) -->\n).*?(?P<end><!-- end generated -->)",
    re.DOTALL,
)
#: Prometheus' word for what a counter's name ends in on the wire.
_SUFFIX = {"counter": "_total"}
_WIDTH = 118


def documents() -> list[Path]:
    """Return every Markdown file that may have generated parts."""
    return [
        ROOT / "README.md",
        ROOT / "platform" / "05-workflows" / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    ]


def rewritten(text: str) -> str:
    """Return a document with its generated parts as they have to be.

    Raises:
        KeyError: A part has a name that nobody generates.
    """

    def part(match: re.Match[str]) -> str:
        body = PARTS[match["name"]](match["arguments"].strip())
        return f"{match['begin']}{body.rstrip()}\n{match['end']}"

    return _PART.sub(part, text)


def settings(_: str) -> str:
    """Return the table of environment variables."""
    return markdown_table()


def metrics(_: str) -> str:
    """Return the table of the worker's own metrics."""
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for name, kind, labels, meaning in sorted(_metrics()):
        rows.append(f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in labels)} | {meaning} |")
    return "\n".join(rows)


def streams(_: str) -> str:
    """Return the table of streams and buckets, as `streams apply` makes them."""
    declared: dict[str, Any] = yaml.safe_load((ROOT / "contracts" / "streams.yaml").read_text(encoding="utf-8"))
    rows = ["| name | kind | settings | what for |", "|---|---|---|---|"]
    for kind in ("streams", "consumers", "buckets"):
        for name, one in declared[kind].items():
            told = ", ".join(f"{key} {_value(value)}" for key, value in one.items() if key != "description")
            rows.append(f"| `{name}` | {kind.removesuffix('s')} | {told} | {one['description']} |")
    return "\n".join(rows)


def components(_: str) -> str:
    """Return the table of component types, in the order in which they are provisioned."""
    rows = [
        "| pattern | type | what it is | WorkflowTemplate | can be referenced as | may reference | kept by default |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in TYPES.items():
        about = (PROPERTIES[name].__doc__ or "").splitlines()[0].rstrip(".")
        references = ", ".join(f"`{_camel(key)}`" for key, _ in one.references)
        kept = "yes" if one.retained else ""
        cells = (str(int(one.pattern)), f"`{name}`", about, f"`{one.template}`", one.provides or "", references, kept)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def templates(_: str) -> str:
    """Return the table of WorkflowTemplates: what goes in, what comes out."""
    common = set(common_inputs())
    rows = [
        "| WorkflowTemplate | what it does | inputs of its own (**required**) | outputs | claims |",
        "|---|---|---|---|---|",
    ]
    for name, one in TEMPLATES.items():
        inputs = [
            f"**`{key}`**" if about.required else f"`{key}`" for key, about in one.inputs.items() if key not in common
        ]
        outputs = ", ".join(f"`{output}`" for output in one.outputs)
        rows.append(f"| `{name}` | {one.description} | {', '.join(inputs)} | {outputs} | {', '.join(one.claims)} |")
    return "\n".join(rows)


def inputs(template: str) -> str:
    """Return the table of a WorkflowTemplate's own inputs and its outputs; of the common inputs without a name."""
    common = common_inputs()
    rows = ["| input | default | meaning |", "|---|---|---|"]
    about = TEMPLATES[template or next(iter(TEMPLATES))]
    for name, one in about.inputs.items():
        if (name in common) == (not template):
            default = "**required**" if one.default is None else f"`{one.default}`" if one.default else "empty"
            rows.append(f"| `{name}` | {default} | {one.description} |")
    if template:
        rows += ["", "| output | meaning |", "|---|---|"]
        rows += [f"| `{name}` | {meaning} |" for name, meaning in about.outputs.items()]
    return "\n".join(rows)


def rules(_: str) -> str:
    """Return the table of the Workflow linter's rules."""
    rows = ["| rule | what would happen without it |", "|---|---|"]
    return "\n".join(rows + [f"| `{rule}` | {reason} |" for rule, reason in RULES.items()])


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def example(name: str) -> str:
    """Return a valid example of `contracts/examples`, on as few lines as can be read."""
    found = json.loads((EXAMPLES / name).read_text(encoding="utf-8"))
    return f"```json\n{_compact(found)}\n```"


PARTS: Mapping[str, Callable[[str], str]] = {
    "settings": settings,
    "metrics": metrics,
    "streams": streams,
    "components": components,
    "templates": templates,
    "inputs": inputs,
    "rules": rules,
    "example": example,
}


def _metrics() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Yield name, type, labels and description of every metric; a worker is wired for it, not started."""
    meter = Metrics(process=False)

    async def never(*_: object) -> Any:
        raise NotImplementedError

    inbound = Inbound(inbound_options(Settings()), never, collaborate=never, keep=never, metrics=meter)
    for name, (description, value) in inbound.gauges().items():
        meter.watch(name, description, value)
    labels = {}
    for collector in list(meter.registry._collector_to_names):  # noqa: SLF001 - labels of unused metrics are told nowhere else
        labels[getattr(collector, "_name", "")] = tuple(getattr(collector, "_labelnames", ()))
    for family in meter.registry.collect():
        name = family.name + _SUFFIX.get(family.type, "")
        yield name, family.type, labels[family.name], family.documentation


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return " / ".join(f"{_value(one)} ({profile})" for profile, one in value.items())
    if isinstance(value, list):
        return ", ".join(f"`{one}`" for one in value)
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _compact(value: Any, indent: int = 0) -> str:
    """Write JSON with everything on one line that fits there."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= _WIDTH or not isinstance(value, dict | list) or not value:
        return line
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_compact(one, indent + 2)}" for key, one in value.items()]
        opening, closing = "{", "}"
    else:
        parts, opening, closing = [_compact(one, indent + 2) for one in value], "[", "]"
    lines = ",\n".join(f"{inner}{part}" for part in _joined(parts, indent + 2))
    return f"{opening}\n{lines}\n{' ' * indent}{closing}"


def _joined(parts: list[str], indent: int) -> Iterator[str]:
    """Put short neighbours on one line."""
    line = ""
    for part in parts:
        if line and "\n" not in line + part and indent + len(line) + len(part) + 2 <= _WIDTH:
            line += ", " + part
        else:
            if line:
                yield line
            line = part
    if line:
        yield line


def main() -> int:
    """Write all documents, or with --check only compare; return 1 on drift."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare")
    check = parser.parse_args().check
    stale = []
    for path in documents():
        text = path.read_text(encoding="utf-8")
        wanted = rewritten(text)
        if text == wanted:
            continue
        stale.append(str(path.relative_to(ROOT)))
        if not check:
            path.write_text(wanted, encoding="utf-8")
    print("\n".join(f"{'stale' if check else 'wrote'}: {name}" for name in stale) or "documents are up to date")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
