"""The golden renders of the platform APIs, and the proof that one belongs to the present definition and Composition.

Whoever has no Crossplane at hand still has to see that a golden is stale: each carries a digest over all that decides
it, its own text included. Prose is left out: comments, and the descriptions in the schema.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.platform import kubernetes_yaml
from tools.platform_api.apis import EVENT_DRIVEN_SERVICE, Api

if TYPE_CHECKING:
    from pathlib import Path

#: The renderer, beside the functions; their versions are those of `prerequisites/functions.yaml`.
CROSSPLANE_VERSION = "v2.2.4"
COMMAND = "platform/04-apis/tests/render.sh"
#: Values of these keywords of a schema are data: a key `description` in them is no prose.
_DATA = {"default", "enum", "example"}
_HEADER = re.compile(
    r"# Rendered by \S+ from \S+: change that, never this\.\n# With [^\n]+\n# Digest sha256:[0-9a-f]{64}\n"
)


class GoldenError(Exception):
    """A golden render does not belong to what it says it was rendered from; the message says why and what to run."""


@dataclass(frozen=True)
class Layout:
    """Where the cases and goldens of one API are; tests of this module point it at a copy.

    Attributes:
        api: The API.
    """

    api: Api = EVENT_DRIVEN_SERVICE

    @property
    def root(self) -> Path:
        """The folder `platform/04-apis`."""
        return self.api.root

    @property
    def definition(self) -> Path:
        """The CompositeResourceDefinition."""
        return self.api.definition

    @property
    def composition(self) -> Path:
        """The Composition."""
        return self.api.composition

    @property
    def functions(self) -> Path:
        """The functions of the pipeline, with their versions."""
        return self.root / "prerequisites" / "functions.yaml"

    def case(self, name: str) -> Path:
        """Return the file that says what is rendered: an example for users, or a case of the tests."""
        example = self.api.examples / f"{name}.yaml"
        return example if example.is_file() else self.api.tests / "cases" / f"{name}.yaml"

    def golden(self, name: str) -> Path:
        """Return the file that keeps what was rendered."""
        return self.api.tests / "golden" / f"{name}.yaml"

    def cases(self) -> list[str]:
        """Return the names of all cases, the examples among them."""
        folders = (self.api.examples, self.api.tests / "cases")
        return sorted(path.stem for folder in folders for path in folder.glob("*.yaml"))

    def goldens(self) -> list[str]:
        """Return the names of all golden renders."""
        return sorted(path.stem for path in self.golden("x").parent.glob("*.yaml"))

    def versions(self) -> dict[str, str]:
        """Return the version of each program that a golden depends on, by the program's name."""
        packages = (function["spec"]["package"] for function in load_all(self.functions))
        found = dict(package.rsplit("/", 1)[1].split(":") for package in packages)
        return {"crossplane": CROSSPLANE_VERSION, **found}


def load_all(path: Path) -> list[dict[str, Any]]:
    """Return the documents of a YAML file, read as Kubernetes does."""
    return kubernetes_yaml.load_all(_text(path))


def claim_of(layout: Layout, name: str) -> dict[str, Any]:
    """Return the claim of a case."""
    (claim,) = (document for document in load_all(layout.case(name)) if _is_claim(layout, document))
    return claim


def observed_of(layout: Layout, name: str) -> list[dict[str, Any]]:
    """Return what Crossplane observes in a case: the other documents of its file that name a composed resource."""
    return [document for document in load_all(layout.case(name)) if _composed_as(document)]


def others_of(layout: Layout, name: str) -> list[dict[str, Any]]:
    """Return what else is in the cluster of a case, for Compositions that ask for it: the rest of its file."""
    documents = load_all(layout.case(name))
    return [document for document in documents if not _composed_as(document) and not _is_claim(layout, document)]


def _is_claim(layout: Layout, document: dict[str, Any]) -> bool:
    return bool(document["kind"] == layout.api.kind and not _composed_as(document))


def _composed_as(document: dict[str, Any]) -> str:
    """Return the name that a composed resource has in the Composition; empty for other documents."""
    annotations: dict[str, str] = document.get("metadata", {}).get("annotations", {})
    return annotations.get("crossplane.io/composition-resource-name", "")


def seal(layout: Layout, name: str, output: str) -> str:
    """Return the text of a golden file for the output of the renderer."""
    versions = layout.versions()
    listed = ", ".join(f"{program} {version}" for program, version in versions.items())
    return (
        f"# Rendered by {COMMAND} from {layout.case(name).relative_to(layout.root)}: change that, never this.\n"
        f"# With {listed}\n"
        f"# Digest sha256:{_digest(layout, name, output)}\n{output}"
    )


def unseal(layout: Layout, name: str) -> str:
    """Return the rendered output in a golden file.

    Raises:
        GoldenError: it is missing, was edited, or was rendered from something else than what is there now.
    """
    text, output = _split(layout, name)
    if text != seal(layout, name, output):
        raise GoldenError(
            f"golden/{name}.yaml was edited, or it is older than the definition, the Composition, its case or the "
            f"versions of the functions: run {_command(layout, name)}"
        )
    return output


def rendered(layout: Layout, name: str) -> str:
    """Return the rendered output in a golden file, whether it is stale or not.

    Raises:
        GoldenError: there is none.
    """
    return _split(layout, name)[1]


def _split(layout: Layout, name: str) -> tuple[str, str]:
    """Return the text of a golden file and the part of it that was rendered."""
    path = layout.golden(name)
    if not path.is_file():
        raise GoldenError(f"golden/{name}.yaml is missing: run {_command(layout, name)}")
    text = _text(path)
    header = _HEADER.match(text)
    if header is None:
        raise GoldenError(f"golden/{name}.yaml does not begin as the renderer writes it: run {_command(layout, name)}")
    return text, text[header.end() :]


def _command(layout: Layout, name: str) -> str:
    return f"{COMMAND} --api {layout.api.plural} {name}"


def composed(output: str) -> dict[str, dict[str, Any]]:
    """Return all rendered resources, of whatever kind, by the name of the composed resource."""
    documents = kubernetes_yaml.load_all(output)
    return {_composed_as(document): document for document in documents if _composed_as(document)}


def objects(output: str) -> dict[str, dict[str, Any]]:
    """Return the rendered Objects by the name of the composed resource."""
    return {name: document for name, document in composed(output).items() if document["kind"] == "Object"}


def composite(output: str, api: Api = EVENT_DRIVEN_SERVICE) -> dict[str, Any]:
    """Return the rendered composite resource, which is its status."""
    documents = kubernetes_yaml.load_all(output)
    (found,) = (found for found in documents if found["kind"] == api.composite_kind and not _composed_as(found))
    return dict(found)


def _digest(layout: Layout, name: str, output: str) -> str:
    inputs = [_canonical(_text(path)) for path in (layout.definition, layout.composition, layout.case(name))]
    parts = [*inputs, layout.versions(), output]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@functools.lru_cache
def _canonical(text: str) -> str:
    """Return the content of a YAML file without comments, layout and prose."""
    return json.dumps([_without_schema_prose(document) for document in kubernetes_yaml.load_all(text)], sort_keys=True)


def _without_schema_prose(document: dict[str, Any]) -> dict[str, Any]:
    if document["kind"] != "CompositeResourceDefinition":
        return document
    versions = [{**version, "schema": without_prose(version["schema"])} for version in document["spec"]["versions"]]
    return {**document, "spec": {**document["spec"], "versions": versions}}


def without_prose(node: Any) -> Any:
    """Return a schema without the descriptions that people read."""
    if isinstance(node, dict):
        return {
            key: value if key in _DATA else without_prose(value)
            for key, value in node.items()
            if not (key == "description" and isinstance(value, str))
        }
    if isinstance(node, list):
        return [without_prose(item) for item in node]
    return node


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
