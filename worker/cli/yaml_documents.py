"""YAML as people write Applications, read as Kubernetes would read it.

Two things that PyYAML does would change what is meant: the last of two equal keys wins, and times become objects.
Aliases are allowed, but what they expand to is counted before anything walks over it: a few lines can stand for
gigabytes.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from contracts import strict_json
from contracts.strict_json import MAX_BYTES
from contracts.violations import ContractViolation

#: Nodes that one document may expand to: more than fit into the largest event.
_MAX_NODES = MAX_BYTES


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses equal keys, and leaves times and keys as text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping.

        Raises:
            ConstructorError: two keys are equal, or one is a list or a mapping.
        """
        seen: set[str] = set()
        for index, (key, value) in enumerate(node.value):
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is no text", key.start_mark)
            if key.value in seen:
                problem = f"the key {key.value!r} is there twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
            # `80: x` and `on: x` have texts as keys once they are JSON.
            node.value[index] = (yaml.ScalarNode("tag:yaml.org,2002:str", key.value, key.start_mark), value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_all(text: str, name: str) -> list[Any]:
    """Read the documents of a YAML (or JSON) text; empty ones are left out.

    Args:
        text: The text.
        name: The file's name, for errors.

    Raises:
        ContractViolation: ``malformed-yaml`` or ``too-large``.
    """
    document = _json(text)
    return _yaml(text, name) if document is None else [document]


def _json(text: str) -> Any | None:
    """Return what a JSON text says, as the wire reads it; ``None`` if it is none: YAML's braces look like JSON's."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        return strict_json.loads(text.encode("utf-8", "surrogatepass"))
    except ContractViolation as violation:
        if violation.code == "malformed-json":
            return None
        raise


def _yaml(text: str, name: str) -> list[Any]:
    documents = []
    loader = None
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                break
            _refuse_bombs(node, name)
            document = loader.construct_document(node)
            if document is not None:
                documents.append(document)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ContractViolation(
            "malformed-yaml", "$", f"{name} is no YAML: {error.problem or error.context}{place}", "correct the line"
        ) from error
    except yaml.YAMLError as error:
        raise ContractViolation("malformed-yaml", "$", f"{name} is no YAML: {error}", "correct the file") from error
    except RecursionError as error:
        raise ContractViolation("too-deep", "$", f"{name} is nested too deeply", "flatten it") from error
    finally:
        if loader is not None:
            loader.dispose()
    return documents


def _refuse_bombs(root: yaml.Node, name: str) -> None:
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        key = id(node)
        if key not in sizes:
            sizes[key] = _MAX_NODES  # a node inside of itself has no end
            if isinstance(node, yaml.MappingNode):
                sizes[key] = 1 + sum(size(k) + size(v) for k, v in node.value)
            elif isinstance(node, yaml.SequenceNode):
                sizes[key] = 1 + sum(size(item) for item in node.value)
            else:
                sizes[key] = 1
        return sizes[key]

    if size(root) > _MAX_NODES:
        raise ContractViolation(
            "too-large", "$", f"a document of {name} has aliases that expand to too much", "write it without aliases"
        )
