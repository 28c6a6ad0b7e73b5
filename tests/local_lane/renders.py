"""Finds what a claim composes: the golden render of the case that makes the same claim.

Claims are compared as the API server keeps them, with all defaults: it fills those of the cases in, too. A claim in
another namespace is the same claim; what it composes is then in that namespace.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from tests.platform import goldens
from tests.platform.goldens import Layout

if TYPE_CHECKING:
    from tests.local_lane.api import Api

Manifest = dict[str, Any]
CLAIMS = "/apis/platform.bizmatters.io/v1alpha1"
#: Written by Crossplane into the spec of a claim, not by whoever claims.
_BOOKKEEPING = ("resourceRef", "compositionRef", "compositionRevisionRef", "compositeDeletePolicy")


class Renders:
    """The golden renders by their claims."""

    def __init__(self) -> None:
        self._layout = Layout()
        self._by_claim: dict[str, str] = {}

    async def learn(self, api: Api) -> None:
        """Ask the API server for the defaults of every case.

        Raises:
            AssertionError: it does not take a case's claim.
        """
        for name in self._layout.cases():
            claim = copy.deepcopy(goldens.claim_of(self._layout, name))
            claim["metadata"]["namespace"] = "default"
            path = f"{CLAIMS}/namespaces/default/eventdrivenservices?dryRun=All"
            self._by_claim.setdefault(_identity(await api.expect("POST", path, claim)), name)

    def composed(self, claim: Manifest) -> dict[str, Manifest] | None:
        """Return name of the composed resource → manifest; ``None`` if no case makes this claim.

        Raises:
            GoldenError: the golden render is stale.
        """
        name = self._by_claim.get(_identity(claim))
        if name is None:
            return None
        objects = goldens.objects(goldens.unseal(self._layout, name))
        made = {kind: copy.deepcopy(found["spec"]["forProvider"]["manifest"]) for kind, found in objects.items()}
        for manifest in made.values():
            manifest["metadata"]["namespace"] = claim["metadata"]["namespace"]
        return made


def _identity(claim: Manifest) -> str:
    spec = {key: value for key, value in claim["spec"].items() if key not in _BOOKKEEPING}
    return json.dumps([claim["metadata"]["name"], spec], sort_keys=True)
