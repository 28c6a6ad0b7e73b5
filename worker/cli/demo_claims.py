"""The claims that the demo's runs make, in the order in which the API got them, and what they bind.

Watched from before the first event, since a claim may be gone again when the demo ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from contracts.templates import TEMPLATES
from worker.dev.argo.informer import Informer
from worker.dev.endings import end_tasks

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from types import TracebackType

    from worker.dev.argo.client import ApiClient

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_ANNOTATION = "platform.io/"
_KINDS = frozenset(claim for template in TEMPLATES.values() for claim in template.claims)
#: Fields of an ApplicationClaim that name the connection Secret of another claim.
_BINDINGS = ("databaseSecretRef", "cacheSecretRef", "realtimeSecretRef")

Json = dict[str, Any]


@dataclass(slots=True)
class Claim:
    """One claim, as it was seen last.

    Attributes:
        created: place in the order of all writes of the API.
        value: the object.
        gone: it was deleted.
    """

    created: int
    value: Json
    gone: bool = False

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.value["kind"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.value["metadata"]["name"])

    @property
    def application(self) -> str:
        """`namespace/name` of the Application or request that it belongs to."""
        return f"{self.value['metadata']['namespace']}/{self._annotation('application')}"

    @property
    def component(self) -> str:
        """The component that it was made for."""
        return self._annotation("component")

    @property
    def ready(self) -> bool:
        """Whether the provider says so."""
        return self._status.get("ready") is True

    @property
    def message(self) -> str:
        """What is in the way."""
        return str(self._status.get("message") or "")

    @property
    def secret(self) -> str:
        """Name of its connection Secret, `""` without one."""
        return str((self._status.get("connectionSecret") or {}).get("name", ""))

    @property
    def bound(self) -> dict[str, str]:
        """Names of other claims' connection Secrets by the field that names them."""
        spec = self.value["spec"]
        found = {field: str((spec.get(field) or {}).get("name", "")) for field in _BINDINGS}
        return {field: name for field, name in found.items() if name}

    @property
    def _status(self) -> Mapping[str, Any]:
        return self.value.get("status") or {}

    def _annotation(self, name: str) -> str:
        return str((self.value["metadata"].get("annotations") or {}).get(_ANNOTATION + name, ""))

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "kind": self.kind,
            "name": self.name,
            "component": self.component,
            "ready": self.ready,
            "message": self.message,
            "connectionSecret": self.secret,
            "binds": self.bound,
        }


@dataclass(slots=True)
class ClaimWatch:
    """Follows all claims of an API; use as an async context manager, with an open client."""

    client: ApiClient
    _claims: dict[str, Claim] = field(default_factory=dict)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        for definition in (await self.client.call("GET", _DEFINITIONS))["items"]:
            spec = definition["spec"]
            if spec["names"]["kind"] in _KINDS and spec["scope"] == "Namespaced":
                version = next(one["name"] for one in spec["versions"] if one["storage"])
                path = f"/apis/{spec['group']}/{version}/{spec['names']['plural']}"
                informer = Informer(self.client, path, replace=self._replace, put=self._put, remove=self._remove)
                self._tasks.append(await informer.start())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await end_tasks(self._tasks)

    def of(self, application: str) -> list[Claim]:
        """Return copies of an application's claims, in the order in which they were made."""
        found = [claim for claim in self._claims.values() if claim.application == application and not claim.gone]
        return [Claim(one.created, one.value) for one in sorted(found, key=lambda claim: claim.created)]

    def _replace(self, listed: list[Json]) -> None:
        for value in listed:
            self._put(value)

    def _put(self, value: Json) -> None:
        metadata = value["metadata"]
        claim = self._claims.setdefault(metadata["uid"], Claim(int(metadata["resourceVersion"]), value))
        claim.value = value

    def _remove(self, value: Json) -> None:
        self._put(value)
        self._claims[value["metadata"]["uid"]].gone = True


def deviations(claims: list[Claim], stages: tuple[Mapping[str, str], ...], binds: Mapping[str, str]) -> list[str]:
    """Return how an application's claims differ from the wanted ones; empty if they do not.

    Args:
        claims: in the order in which they were made.
        stages: kinds by component; what is in a later one was made after all of an earlier one.
        binds: which component's connection Secret a field of the last claim has to name.
    """
    wanted = [what for stage in stages for what in sorted(f"{kind} of {name}" for name, kind in stage.items())]
    place = {component: number for number, stage in enumerate(stages) for component in stage}
    made = [(place.get(claim.component, -1), f"{claim.kind} of {claim.component}") for claim in claims]
    got = [what for _, what in sorted(made)]
    if got != wanted:
        return [f"claims: {', '.join(got) or 'none'} instead of {', '.join(wanted)}"]
    found = []
    if [number for number, _ in made] != sorted(number for number, _ in made):
        found.append(f"order of claims: {', '.join(what for _, what in made)}")
    found += [f"claim {claim.name} is not ready: {claim.message}" for claim in claims if not claim.ready]
    secrets = {claim.component: claim.secret for claim in claims}
    want = {name: secrets.get(component, "") for name, component in binds.items()}
    if claims and claims[-1].bound != want:
        found.append(f"secrets that {claims[-1].name} binds: {claims[-1].bound} instead of {want}")
    return found
