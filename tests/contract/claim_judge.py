"""Judges a claim as the API server does: structure, defaults, unique entries and CEL rules of its kind's definition."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from typing import Any

from tools.platform_api.apis import APIS
from tools.platform_api.crds import claim_crd, load_definition
from worker.dev.kubernetes.registry import Resource, resources_of
from worker.dev.kubernetes.validation import validate


def complaints(claim: Mapping[str, Any]) -> list[str]:
    """Return everything that the API server would have against a claim."""
    resource = _resource(claim["kind"])
    assert resource.schema is not None
    value: dict[str, Any] = copy.deepcopy(dict(claim))
    found = [f"{path}: there is no such field" for path in resource.schema.prune(value)]
    resource.schema.fill(value)
    causes = validate(resource.schema, value)
    if resource.rules is not None:
        causes += resource.rules.judge(value, None, causes)
    return [*found, *(f"{cause.field}: {cause.message}" for cause in causes)]


@functools.cache
def _resource(kind: str) -> Resource:
    (api,) = (api for api in APIS if api.kind == kind)
    (resource,) = resources_of(claim_crd(load_definition(api)))
    return resource
