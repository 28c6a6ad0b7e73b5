"""The flags of kubectl that resource templates may have, and which object a step is about.

A flag that the simulator does not know is refused by name: leaving it out could change what is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from worker.dev.argo.client import ApiAnswerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.dev.argo.client import ApiClient

_SWITCHES = frozenset({"server-side", "force-conflicts", "ignore-not-found", "wait"})
_VALUES = frozenset(
    {"field-manager", "namespace", "timeout", "cascade", "subresource", "selector", "field-selector", "dry-run"}
)
_SHORT = {"-n": "namespace", "-l": "selector"}
#: Options of a list request by the flags that select objects instead of naming one.
_SELECTORS = {"selector": "labelSelector", "field-selector": "fieldSelector"}


class KubectlError(ValueError):
    """Flags that kubectl or the simulator refuses, or an object that they do not name."""


@dataclass(frozen=True, slots=True)
class Flags:
    """Parsed flags.

    Attributes:
        arguments: what is no flag: a kind and a name.
    """

    arguments: tuple[str, ...]
    values: dict[str, str]

    def on(self, name: str, *, default: bool = False) -> bool:
        """Tell whether a switch is on."""
        return self.values.get(name, "true" if default else "false") == "true"

    @property
    def selection(self) -> dict[str, str]:
        """Query of the list request that finds the objects meant; empty when one is named."""
        return {query: self.values[flag] for flag, query in _SELECTORS.items() if flag in self.values}

    @classmethod
    def of(cls, flags: Sequence[str]) -> Flags:
        """Parse a resource template's flags.

        Raises:
            KubectlError: one is not known.
        """
        arguments: list[str] = []
        values: dict[str, str] = {}
        rest = list(flags)
        while rest:
            word = rest.pop(0)
            if not word.startswith("-"):
                arguments.append(word)
                continue
            name, given, value = word.partition("=")
            name = _SHORT.get(name, name.removeprefix("--"))
            if name in _SWITCHES:
                values[name] = value if given else "true"
            elif name in _VALUES and (given or rest):
                values[name] = value if given else rest.pop(0)
            else:
                raise KubectlError(f"the simulator does not know kubectl's flag {word!r}")
        return cls(tuple(arguments), values)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object is served.

    Attributes:
        collection: path of its collection.
    """

    collection: str
    name: str
    namespace: str
    kind: str

    @property
    def path(self) -> str:
        """Path of the object."""
        return f"{self.collection}/{self.name}"


class Discovery:
    """Which path serves a kind; asked of the API, as kubectl does, and remembered."""

    def __init__(self, client: ApiClient) -> None:
        """Ask through an open client."""
        self._client = client
        self._known: dict[str, list[dict[str, Any]]] = {}

    async def of_manifest(self, manifest: dict[str, Any], namespace: str) -> Place:
        """Return where a manifest's object is.

        Raises:
            KubectlError: it has no kind or name, or nothing serves its kind.
        """
        version, kind = str(manifest.get("apiVersion", "")), str(manifest.get("kind", ""))
        metadata = manifest.get("metadata") or {}
        if not version or not kind or not metadata.get("name"):
            raise KubectlError("Kind and name are both required but at least one of them is missing from the manifest")
        for one in await self._resources(version):
            if one["kind"] == kind and "/" not in one["name"]:
                return self._place(version, one, metadata["name"], metadata.get("namespace") or namespace)
        raise KubectlError(f'no matches for kind "{kind}" in version "{version}": ensure CRDs are installed first')

    async def of_words(self, words: Sequence[str], namespace: str, *, named: bool = True) -> Place:
        """Return what `KIND NAME` or `KIND/NAME` names; a kind may carry its group, as in `configmaps` or `x.group`.

        Args:
            words: arguments of kubectl.
            namespace: where it is, if its kind has namespaces.
            named: whether there has to be a name; otherwise only a kind, whose objects are selected.

        Raises:
            KubectlError: nothing serves it.
        """
        kind, _, name = words[0].partition("/") if len(words) == 1 else (words[0], "", words[1])
        if bool(name) is not named or len(words) > len(("kind", "name")):
            wanted = "one kind and one name" if named else "a kind and no name beside selectors"
            raise KubectlError(f"the simulator needs {wanted}, not {' '.join(words)!r}")
        plural, _, group = kind.lower().partition(".")
        for version in await self._versions(group):
            for one in await self._resources(version):
                names = {one["name"], one.get("singularName"), one["kind"].lower(), *one.get("shortNames", ())}
                if plural in names:
                    return self._place(version, one, name, namespace)
        raise KubectlError(f'the server doesn\'t have a resource type "{kind}"')

    @staticmethod
    def _place(version: str, found: dict[str, Any], name: str, namespace: str) -> Place:
        prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
        within = f"/namespaces/{namespace}" if found["namespaced"] else ""
        return Place(f"{prefix}{within}/{found['name']}", name, namespace if within else "", found["kind"])

    async def _versions(self, group: str) -> list[str]:
        groups = (await self._client.call("GET", "/apis"))["groups"]
        found = [one["preferredVersion"]["groupVersion"] for one in groups if group in {"", one["name"]}]
        return found if group else ["v1", *found]

    async def _resources(self, version: str) -> list[dict[str, Any]]:
        if version not in self._known:
            prefix = "/apis" if "/" in version else "/api"
            try:
                found = (await self._client.call("GET", f"{prefix}/{version}"))["resources"]
            except ApiAnswerError as error:
                if error.code == 404:  # noqa: PLR2004 - nothing serves the group, which is the caller's to say
                    return []
                raise
            self._known[version] = found
        return self._known[version]
