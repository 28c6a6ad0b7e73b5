"""Rules for ``metadata``: names, generated names, labels, and what the server itself writes at create and update.

From k8s.io/apimachinery ``api/validation`` and ``registry/rest``; the worker's names must fit exactly these.
"""

from __future__ import annotations

import re
import secrets
import uuid
from typing import Any

from worker.dev.kubernetes import status
from worker.dev.kubernetes.objects import JsonObject, metadata_of, now
from worker.dev.kubernetes.registry import NAMESPACES, Resource
from worker.dev.kubernetes.status import Cause

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_GENERATED_BASE = 58
_SUBDOMAIN_LENGTH = 253
_LABEL_LENGTH = 63
_ANNOTATIONS_LIMIT = 256 * 1024

_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_KEY_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)

SYSTEM_FIELDS = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
)
"""Fields of ``metadata`` that only the server writes; what a client sends there is ignored."""


def generated(base: str) -> str:
    """Return a name made of a ``generateName`` and five random letters, within 63 characters."""
    return base[:_GENERATED_BASE] + "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(5))


def prepare_create(resource: Resource, value: JsonObject) -> None:
    """Write what the server decides at create: name, uid, creationTimestamp, generation.

    Raises:
        ApiError: 422 when the object has neither ``name`` nor ``generateName``.
    """
    metadata = metadata_of(value)
    for name in (*SYSTEM_FIELDS, "managedFields"):
        metadata.pop(name, None)
    if not metadata.get("name"):
        base = metadata.get("generateName")
        if not base:
            cause = Cause("metadata.name", "FieldValueRequired", "Required value: name or generateName is required")
            raise status.invalid(resource, "", [cause])
        metadata["name"] = generated(base)
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = now()
    if resource.tracks_generation:
        metadata["generation"] = 1
    if resource.custom and resource.has_status:
        value.pop("status", None)


def keep_system_fields(old: JsonObject, new: JsonObject) -> None:
    """Carry over what an update cannot change."""
    before, after = old["metadata"], metadata_of(new)
    for name in SYSTEM_FIELDS:
        after.pop(name, None)
        if name in before:
            after[name] = before[name]
    after.setdefault("name", before["name"])
    if "namespace" in before:
        after.setdefault("namespace", before["namespace"])


def validate(resource: Resource, value: JsonObject) -> list[Cause]:
    """Return one cause per broken rule of names, labels, annotations and finalizers."""
    metadata = value["metadata"]
    causes = _check_name(metadata["name"], label=resource.key == NAMESPACES.key)
    causes += _check_labels(metadata.get("labels"))
    annotations = metadata.get("annotations") or {}
    causes += [cause for key in annotations for cause in _check_key(key.lower(), "metadata.annotations", shown=key)]
    if sum(len(key.encode()) + len(str(text).encode()) for key, text in annotations.items()) > _ANNOTATIONS_LIMIT:
        message = f"Too long: may not be more than {_ANNOTATIONS_LIMIT} bytes"
        causes.append(Cause("metadata.annotations", "FieldValueTooLong", message))
    return causes


def _check_name(name: str, *, label: bool) -> list[Cause]:
    pattern, rule, length = (
        (_LABEL, _LABEL_RULE, _LABEL_LENGTH) if label else (_SUBDOMAIN, _SUBDOMAIN_RULE, _SUBDOMAIN_LENGTH)
    )
    messages = []
    if len(name) > length:
        messages.append(f"must be no more than {length} {'bytes' if label else 'characters'}")
    if label and "." in name:
        messages.append("must not contain dots")
    elif not pattern.fullmatch(name):
        messages.append(rule)
    return [Cause("metadata.name", "FieldValueInvalid", f'Invalid value: "{name}": {text}') for text in messages]


def _check_key(key: str, field: str, *, shown: str) -> list[Cause]:
    prefix, slash, bare = key.rpartition("/")
    if _QUALIFIED.fullmatch(bare) and len(bare) <= _LABEL_LENGTH and (not slash or _SUBDOMAIN.fullmatch(prefix)):
        return []
    return [Cause(field, "FieldValueInvalid", f'Invalid value: "{shown}": {_KEY_RULE}')]


def _check_labels(labels: Any) -> list[Cause]:
    causes = []
    for key, text in (labels or {}).items():
        causes += _check_key(key, "metadata.labels", shown=key)
        if len(text) > _LABEL_LENGTH:
            message = f'Invalid value: "{text}": must be no more than {_LABEL_LENGTH} bytes'
            causes.append(Cause("metadata.labels", "FieldValueInvalid", message))
        elif text and not _QUALIFIED.fullmatch(text):
            causes.append(Cause("metadata.labels", "FieldValueInvalid", f'Invalid value: "{text}": {_VALUE_RULE}'))
    return causes


_STRING_MAPS = ("labels", "annotations")
_STRING_LISTS = ("finalizers",)


def go_type(value: Any) -> str:
    """Return what Go's decoder calls the type of a JSON value."""
    if isinstance(value, bool):
        return "bool"
    names: dict[type, str] = {str: "string", list: "array", dict: "object", int: "number", float: "number"}
    return names.get(type(value), "null")


def malformed(metadata: JsonObject) -> str | None:
    """Return what keeps ``metadata`` from being decoded at all, or None; such bodies are a 400, not a 422."""
    found: list[tuple[str, Any]] = [
        (name, metadata.get(name)) for name in ("name", "namespace", "generateName", "resourceVersion", "uid")
    ]
    for name, container in ((n, metadata.get(n)) for n in (*_STRING_MAPS, *_STRING_LISTS)):
        wanted = dict if name in _STRING_MAPS else list
        if container is not None and not isinstance(container, wanted):
            go = "map[string]string" if wanted is dict else "[]string"
            return f"json: cannot unmarshal {go_type(container)} into Go struct field ObjectMeta.{name} of type {go}"
        found += [(name, v) for v in (container.values() if isinstance(container, dict) else container or ())]
    for name, value in found:
        if value is not None and not isinstance(value, str):
            return f"json: cannot unmarshal {go_type(value)} into Go struct field ObjectMeta.{name} of type string"
    return None
