"""YAML as Kubernetes reads it: dates are texts. By libyaml where it is there, for the renders and fixtures are long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    _Base = yaml.SafeLoader
else:
    _Base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):
    """Reads dates as texts."""


_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)


def load_all(text: str) -> list[dict[str, Any]]:
    """Return the documents of a text, without empty ones.

    Raises:
        yaml.YAMLError: It is not YAML.
    """
    return [document for document in yaml.load_all(text, _Loader) if document]
