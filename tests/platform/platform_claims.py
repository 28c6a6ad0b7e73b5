"""The claims that become a platform of several parts, and what their golden renders hold.

They are composed alike, by one template each, so what is true of all of them is asserted once, over all their cases.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import yaml

from tests.platform import goldens
from tests.platform.goldens import Layout
from tools.platform_api.apis import api

Manifest = dict[str, Any]

GRAPHQL = Layout(api("graphqlplatformclaims"))
ORCHESTRATION = Layout(api("orchestrationplatformclaims"))
REALTIME = Layout(api("realtimeplatformclaims"))
VCLUSTER = Layout(api("vclusterenvironmentclaims"))
LAYOUTS = (GRAPHQL, ORCHESTRATION, REALTIME, VCLUSTER)
CASES = [(layout, name) for layout in LAYOUTS for name in layout.cases()]

KEY = "crossplane.io/composition-resource-name"
GENERATION = "platform.io/generation"


def case_id(value: object) -> str:
    """Return the name of a parameter in test ids."""
    return value.api.plural if isinstance(value, Layout) else str(value)


@functools.cache
def claim(layout: Layout, name: str) -> Manifest:
    """Return the claim of a case."""
    return goldens.claim_of(layout, name)


@functools.cache
def parts(layout: Layout, name: str) -> dict[str, Manifest]:
    """Return all that a case composes, by the name of the composed resource."""
    return parts_of(goldens.rendered(layout, name))


def parts_of(output: str) -> dict[str, Manifest]:
    """Return all composed resources of a render, by name."""
    documents = [document for document in yaml.safe_load_all(output) if document]
    found = {document.get("metadata", {}).get("annotations", {}).get(KEY, ""): document for document in documents}
    return {key: document for key, document in found.items() if key}


def manifests(layout: Layout, name: str) -> dict[str, Manifest]:
    """Return the manifests of the Objects that make something; those that only look are left out."""
    objects = {key: made for key, made in parts(layout, name).items() if made["kind"] == "Object"}
    return {
        key: made["spec"]["forProvider"]["manifest"]
        for key, made in objects.items()
        if made["spec"].get("managementPolicies") != ["Observe"]
    }


def status(layout: Layout, name: str) -> Manifest:
    """Return the status of a case's composite resource."""
    return status_of(layout, goldens.rendered(layout, name))


def status_of(layout: Layout, output: str) -> Manifest:
    """Return the status of the composite resource in a render."""
    documents = (document for document in yaml.safe_load_all(output) if document)
    (found,) = (document["status"] for document in documents if document["kind"] == layout.api.composite_kind)
    return dict(found)


def values(layout: Layout, name: str, key: str) -> Manifest:
    """Return the Helm values of a Release."""
    return dict(parts(layout, name)[key]["spec"]["forProvider"]["values"])


def connection(made: Manifest) -> dict[str, tuple[str, str, str]]:
    """Return what a composed resource publishes: key of the Secret, and kind, name and path of where it is from."""
    return {
        detail["toConnectionSecretKey"]: (detail["kind"], detail["name"], detail["fieldPath"])
        for detail in made["spec"]["connectionDetails"]
    }


def env(container: Manifest) -> dict[str, Any]:
    """Return a container's variables: a text, or name and key of a Secret."""
    found: dict[str, Any] = {}
    for variable in container["env"]:
        source = variable.get("valueFrom", {}).get("secretKeyRef")
        found[variable["name"]] = (source["name"], source["key"]) if source else variable["value"]
    return found


def containers(manifest: Manifest) -> list[Manifest]:
    """Return the containers of a workload, those of its init phase first; none of another kind."""
    spec = manifest.get("spec", {})
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    pod = spec.get("template", {}).get("spec", {})
    return [*pod.get("initContainers", []), *pod.get("containers", [])]


def text(value: object) -> str:
    """Return a value as text, to look for words in it."""
    return json.dumps(value, sort_keys=True)
