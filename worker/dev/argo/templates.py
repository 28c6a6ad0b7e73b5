"""The WorkflowTemplates of the namespace, as far as references to them are checked and completed.

While none is loaded nothing is checked: dev mode without templates still runs every Workflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.dev.argo.nodes import Json


class Templates:
    """Entries of WorkflowTemplates by name."""

    def __init__(self) -> None:
        """Start with none loaded."""
        self._entries: dict[str, dict[str, Json]] = {}

    def put(self, template: Json) -> None:
        """Load a WorkflowTemplate in place of its former version."""
        listed = template.get("spec", {}).get("templates") or ()
        self._entries[template["metadata"]["name"]] = {entry["name"]: entry for entry in listed}

    def remove(self, name: str) -> None:
        """Forget a WorkflowTemplate."""
        self._entries.pop(name, None)

    def replace(self, templates: list[Json]) -> None:
        """Load these and forget all others."""
        self._entries.clear()
        for template in templates:
            self.put(template)

    def known(self, name: str, entry: str) -> bool:
        """Tell whether a reference leads somewhere; always, while nothing is loaded."""
        return not self._entries or entry in self._entries.get(name, {})

    def definition(self, name: str, entry: str) -> Mapping[str, Any] | None:
        """Return an entry's definition, or None."""
        return self._entries.get(name, {}).get(entry)

    def _inputs(self, name: str, entry: str) -> list[Json]:
        inputs = (self._entries.get(name, {}).get(entry) or {}).get("inputs") or {}
        return list(inputs.get("parameters") or ())

    def required(self, name: str, entry: str) -> set[str]:
        """Return the inputs that a task must give."""
        return {one["name"] for one in self._inputs(name, entry) if "value" not in one and "default" not in one}

    def defaults(self, name: str, entry: str) -> dict[str, str]:
        """Return the values of inputs that a task may leave out."""
        given = ((one["name"], one.get("value", one.get("default"))) for one in self._inputs(name, entry))
        return {key: str(value) for key, value in given if value is not None}
