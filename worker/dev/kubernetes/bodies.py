"""Request bodies: size, media type and decoding, refused the way the real server's codec factory refuses them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from worker.dev.kubernetes import metadata, status
from worker.dev.kubernetes.parsing import MalformedBodyError, load_json, load_yaml, summary

if TYPE_CHECKING:
    from worker.dev.kubernetes.call import Call
    from worker.dev.kubernetes.objects import JsonObject

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
OBJECT_TYPES = ("application/json", "application/yaml")


def media_type(content_type: str) -> str:
    """Return a Content-Type without its parameters; absent means JSON."""
    return content_type.partition(";")[0].strip().lower() or "application/json"


def load_object(call: Call, body: bytes) -> JsonObject:
    """Decode the object of a create or update.

    Raises:
        ApiError: 415 for another media type, 400 for a body that is no object of the resource's kind.
    """
    kind = media_type(call.content_type)
    if kind not in OBJECT_TYPES:
        raise status.unsupported_media_type((*OBJECT_TYPES, "application/vnd.kubernetes.protobuf"))
    try:
        value = load_json(body) if kind == "application/json" else load_yaml(body)
    except MalformedBodyError as error:
        raise _unrecognized(call, f"couldn't get version/kind; json parse error: {error}", body) from error
    if not isinstance(value, dict):
        why = "couldn't get version/kind; json parse error: json: cannot unmarshal " + metadata.go_type(value)
        raise _unrecognized(call, f"{why} into Go value of type struct {_GO_STRUCT}", body)
    for name in ("kind", "apiVersion") if call.resource.custom else ():
        if not value.get(name):
            text = f"Object '{name[0].upper()}{name[1:]}' is missing in '{body.decode(errors='replace')}'"
            raise _unrecognized(call, text, body)
    check_kind(call, value)
    return value


_GO_STRUCT = r"""{ APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"""


def _unrecognized(call: Call, why: str, body: bytes) -> status.ApiError:
    kind = call.resource.kind
    return status.bad_request(f"the object provided is unrecognized (must be of type {kind}): {why} ({summary(body)})")


def check_kind(call: Call, value: JsonObject) -> None:
    """Complete or check apiVersion, kind and namespace of an object against the path.

    Raises:
        ApiError: 400 when they contradict the path, or metadata cannot be decoded.
    """
    resource = call.resource
    for name, wanted in (("apiVersion", resource.api_version), ("kind", resource.kind)):
        value[name] = value.get(name) or wanted
    if value["apiVersion"] != resource.api_version:
        if resource.custom and call.query.get("fieldValidation") == "Strict":
            _refuse_strictly(value)
        raise status.bad_request(
            f"the API version in the data ({value['apiVersion']}) does not match the expected API version "
            f"({resource.api_version})"
        )
    if value["kind"] != resource.kind and not resource.custom:
        raise status.bad_request(
            f"{value['kind']} in version {json.dumps(resource.version)} cannot be handled as a {resource.kind}"
        )
    found = value.setdefault("metadata", {})
    if found is None:
        found = value["metadata"] = {}
    problem = metadata.malformed(found) if isinstance(found, dict) else "metadata is no object"
    if problem:
        subject = f"{resource.kind} in version {json.dumps(resource.version)}"
        raise status.bad_request(f"{subject} cannot be handled as a {resource.kind}: {problem}")
    _check_namespace(call, found)


def _refuse_strictly(value: JsonObject) -> None:
    """Refuse what an object of another version says, of which the real server then knows no field."""
    unknown = [f'unknown field "{name}"' for name in value if name not in {"apiVersion", "kind", "metadata"}]
    if unknown:
        kind, version = value["kind"], value["apiVersion"].rpartition("/")[2]
        raise status.bad_request(
            f"{kind} in version {json.dumps(version)} cannot be handled as a {kind}: strict decoding error: "
            + ", ".join(unknown)
        )


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
    if kind == APPLY_PATCH:
        try:
            intent = load_yaml(body)
        except MalformedBodyError as error:
            raise status.bad_request(f"error decoding YAML: {error}") from error
        if not isinstance(intent, dict) or not intent.get("apiVersion") or not intent.get("kind"):
            raise status.bad_request("invalid object type: /, Kind=")
        return kind, intent
    try:
        patch = load_json(body)
    except MalformedBodyError as error:
        raise status.bad_request(f"error decoding patch: {error}") from error
    expected, go_type = (list, "[]handlers.jsonPatchOp") if kind == JSON_PATCH else (dict, "map[string]interface {}")
    if not isinstance(patch, expected):
        raise status.bad_request(
            f"error decoding patch: json: cannot unmarshal {metadata.go_type(patch)} into Go value of type {go_type}"
        )
    return kind, patch


def load_options(body: bytes) -> JsonObject:
    """Decode the DeleteOptions of a delete; an empty body has none.

    Raises:
        ApiError: 400 for a body that is no JSON object.
    """
    if not body.strip():
        return {}
    try:
        options = load_json(body)
    except MalformedBodyError as error:
        raise status.bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    if not isinstance(options, dict):
        raise status.bad_request("couldn't get version/kind; json parse error: the options are no object")
    return options
