"""A template that is about to run: its inputs take their values, then its tags are replaced, twice, as Argo does it.

Values stand in the template's JSON when it is substituted, and the second pass reads what the first one wrote: this is
why a value can bring a tag along. The names in scope are Argo's variables.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from worker.dev.argo.expression.functions import go_json
from worker.dev.argo.substitution import SubstitutionError, substitute, substituted
from worker.dev.kubernetes.parsing import MalformedBodyError, load_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.dev.argo.nodes import Json


def global_scope(workflow: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables that are known everywhere in a Workflow: `workflow.*`."""
    metadata, spec = workflow["metadata"], workflow["spec"]
    scope = {f"workflow.{key}": str(metadata.get(key, "")) for key in ("name", "namespace", "uid", "creationTimestamp")}
    scope["workflow.serviceAccountName"] = spec.get("serviceAccountName", "")
    scope["workflow.mainEntrypoint"] = spec.get("entrypoint", "")
    for kind in ("labels", "annotations"):
        values = metadata.get(kind) or {}
        scope[f"workflow.{kind}"] = go_json(values)
        scope |= {f"workflow.{kind}.{key}": str(value) for key, value in values.items()}
    given = (spec.get("arguments") or {}).get("parameters") or []
    listed = substituted(given, {**scope, **_parameters(given)})
    return {**scope, **_parameters(listed), "workflow.parameters": go_json(listed)}


def _parameters(listed: list[Json]) -> dict[str, str]:
    return {f"workflow.parameters.{one['name']}": str(one.get("value", "")) for one in listed}


def process(
    definition: Mapping[str, Any], arguments: Mapping[str, str | None], scope: Mapping[str, str | None]
) -> Json:
    """Return a template as it runs.

    Args:
        definition: the template.
        arguments: values of its inputs; None for the output of a task that was skipped, which counts as not given.
        scope: global variables and those of the node.

    Raises:
        SubstitutionError: an input has no value, or a tag cannot be replaced.
        UnsupportedError: the template uses what the simulator does not know.
    """
    template: Json = json.loads(json.dumps(definition))
    for one in (template.get("inputs") or {}).get("parameters") or ():
        _take(one, arguments)
    return substitute_twice(template, scope)


def _take(parameter: Json, arguments: Mapping[str, str | None]) -> None:
    name = parameter["name"]
    if "valueFrom" in parameter:
        raise SubstitutionError(f"inputs.parameters.{name}: the simulator does not know valueFrom in inputs")
    value = arguments.get(name)
    if value is None:
        value = parameter.get("value", parameter.get("default"))
    if value is None:
        if name in arguments:
            raise SubstitutionError(
                f"inputs.parameters.{name}: argument references an absent optional "
                "(skipped/omitted node output with no default)"
            )
        raise SubstitutionError(f"inputs.parameters.{name} was not supplied")
    parameter["value"] = value if isinstance(value, str) else go_json(value)


def substitute_twice(template: Json, scope: Mapping[str, str | None]) -> Json:
    """Return a template after Argo's two passes: first variables, then variables and its own inputs."""
    text = substitute(json.dumps(template, ensure_ascii=False), scope)
    inputs = (json.loads(text).get("inputs") or {}).get("parameters") or []
    own = {f"inputs.parameters.{one['name']}": str(one.get("value", "")) for one in inputs}
    result: Json = json.loads(substitute(text, {**scope, **own, "inputs.parameters": go_json(inputs)}))
    return result


def inputs_of(template: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of a processed template's inputs."""
    listed = (template.get("inputs") or {}).get("parameters") or ()
    return {one["name"]: str(one.get("value", "")) for one in listed}


def owned(template: Json, scope: Mapping[str, str | None]) -> Json:
    """Return a template whose object the Workflow is to own (`setOwnerReference`) with that written in the manifest.

    The manifest is decoded and written anew for it, before its tags are replaced for the last time: an escape that kept
    a tag from being one is gone then. That is Argo's way, and why the platform's templates do not use the field.

    Raises:
        SubstitutionError: the manifest is no YAML object.
    """
    resource = template["resource"]
    if not resource.get("setOwnerReference"):
        return template
    try:
        manifest = load_yaml(resource["manifest"].encode())
    except MalformedBodyError as error:
        raise SubstitutionError(str(error)) from error
    if not isinstance(manifest, dict):
        raise SubstitutionError("the manifest is no object")
    owner = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "name": scope["workflow.name"],
        "uid": scope["workflow.uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    manifest.setdefault("metadata", {}).setdefault("ownerReferences", []).append(owner)
    text = yaml.safe_dump(manifest, allow_unicode=True, width=2**20)
    return {**template, "resource": {**resource, "manifest": text}}


def in_pod(template: Json, scope: Mapping[str, str | None]) -> Json:
    """Return a leaf template as its pod gets it: as JSON in a JSON object whose tags are replaced once more.

    Raises:
        SubstitutionError: the tags' values break the inner JSON.
    """
    own = {f"inputs.parameters.{name}": value for name, value in inputs_of(template).items()}
    pod = {"env": [{"name": "ARGO_TEMPLATE", "value": json.dumps(template, ensure_ascii=False)}]}
    text = substituted(pod, {**scope, **own})["env"][0]["value"]
    try:
        result: Json = json.loads(text)
    except ValueError as error:
        raise SubstitutionError("failed to unmarshal ARGO_TEMPLATE: a value broke the template's JSON") from error
    return result
