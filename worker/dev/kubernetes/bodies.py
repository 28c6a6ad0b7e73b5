"""Request bodies: size, media type and decoding, refused the way the real server's codec factory refuses them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from worker.dev.kubernetes import metadata, status

if TYPE_CHECKING:
    from worker.dev.kubernetes.call import Call
    from worker.dev.kubernetes.objects import JsonObject

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
OBJECT_TYPES = ("application/json", "application/yaml")


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: the JSON data model, so no timestamps."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def media_type(content_type: str) -> str:
    """Return a Content-Type without its parameters; absent means JSON."""
    return content_type.partition(";")[0].strip().lower() or "application/json"


def _load(body: bytes, *, as_yaml: bool) -> Any:
    if as_yaml:
        return yaml.load(body, _Loader)  # noqa: S506 - a subclass of SafeLoader
    return json.loads(body)


def load_object(call: Call, body: bytes) -> JsonObject:
    """Decode the object of a create or update.

    Raises:
        ApiError: 415 for another media type, 400 for a body that is no object of the resource's kind.
    """
    kind = media_type(call.content_type)
    if kind not in OBJECT_TYPES:
        raise status.unsupported_media_type(OBJECT_TYPES)
    resource = call.resource
    wanted = f"the object provided is unrecognized (must be of type {resource.kind})"
    try:
        value = _load(body, as_yaml=kind != "application/json")
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        shown = body[:32].hex() + (" ..." if len(body) > 32 else "")  # noqa: PLR2004 - as much as the real message shows
        raise status.bad_request(f"{wanted}: couldn't get version/kind; json parse error: {error} ({shown})") from error
    if not isinstance(value, dict):
        raise status.bad_request(f"{wanted}: couldn't get version/kind; json parse error: json: cannot unmarshal")
    check_kind(call, value)
    return value


def check_kind(call: Call, value: JsonObject) -> None:
    """Complete or check apiVersion, kind and namespace of an object against the path.

    Raises:
        ApiError: 400 when they contradict the path, or metadata cannot be decoded.
    """
    resource = call.resource
    for name, wanted in (("apiVersion", resource.api_version), ("kind", resource.kind)):
        if not value.get(name):
            if resource.custom:
                raise status.bad_request(
                    f"the object provided is unrecognized (must be of type {resource.kind}): {name} is missing"
                )
            value[name] = wanted
        elif value[name] != wanted:
            raise status.bad_request(
                f"the {name} in the data ({value[name]}) does not match the expected {name} ({wanted})"
            )
    found = value.setdefault("metadata", {})
    if found is None:
        found = value["metadata"] = {}
    problem = metadata.malformed(found) if isinstance(found, dict) else "metadata is no object"
    if problem:
        raise status.bad_request(f"{resource.kind} in version {resource.version!r} cannot be handled: {problem}")
    _check_namespace(call, found)


def _check_namespace(call: Call, found: JsonObject) -> None:
    if call.namespace is None:
        found.pop("namespace", None)
    elif not found.get("namespace"):
        found["namespace"] = call.namespace
    elif found["namespace"] != call.namespace:
        raise status.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def load_patch(call: Call, body: bytes) -> tuple[str, Any]:
    """Decode a patch.

    Returns:
        Its media type and its content.

    Raises:
        ApiError: 415 for another media type, 400 for a body that cannot be parsed.
    """
    kind = media_type(call.content_type)
    if kind not in PATCH_TYPES:
        raise status.unsupported_media_type(PATCH_TYPES)
    try:
        patch = _load(body, as_yaml=kind == APPLY_PATCH)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise status.bad_request(f"error decoding patch: {error}") from error
    if kind != JSON_PATCH and not isinstance(patch, dict):
        raise status.bad_request("error decoding patch: the patch is no object")
    return kind, patch


def load_options(body: bytes) -> JsonObject:
    """Decode the DeleteOptions of a delete; an empty body has none.

    Raises:
        ApiError: 400 for a body that is no JSON object.
    """
    if not body.strip():
        return {}
    try:
        options = json.loads(body)
    except ValueError as error:
        raise status.bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    if not isinstance(options, dict):
        raise status.bad_request("couldn't get version/kind; json parse error: the options are no object")
    return options
