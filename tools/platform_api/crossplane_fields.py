"""Fields that Crossplane adds to each composite resource and claim, so that derived CRDs are those of a cluster.

They are what Crossplane 2.2.4 writes for a definition of scope LegacyCluster (`internal/xcrd`): the scope of a `v1`
definition that names none, and the only one with claims.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_STRING: Schema = {"type": "string"}
_TIME: Schema = {"type": "string", "format": "date-time"}


def _object(*required: str, **properties: Schema) -> Schema:
    found: Schema = {"type": "object", "properties": properties}
    if required:
        found["required"] = list(required)
    return found


def _reference(*fields: str, optional: tuple[str, ...] = ()) -> Schema:
    return _object(*fields, **{field: dict(_STRING) for field in (*fields, *optional)})


def _selector() -> Schema:
    return _object("matchLabels", matchLabels={"type": "object", "additionalProperties": dict(_STRING)})


def _choice_of_composition() -> dict[str, Schema]:
    return {
        "compositionRef": _reference("name"),
        "compositionSelector": _selector(),
        "compositionRevisionRef": _reference("name"),
        "compositionRevisionSelector": _selector(),
        "compositionUpdatePolicy": {"type": "string", "enum": ["Automatic", "Manual"]},
    }


def claim_spec(default_delete_policy: str | None) -> dict[str, Schema]:
    """Return the properties that Crossplane adds to the spec of a claim.

    Args:
        default_delete_policy: `spec.defaultCompositeDeletePolicy` of the definition.
    """
    delete_policy: Schema = {"type": "string", "enum": ["Background", "Foreground"]}
    if default_delete_policy is not None:
        delete_policy["default"] = default_delete_policy
    return {
        **_choice_of_composition(),
        "compositeDeletePolicy": delete_policy,
        "resourceRef": _reference("apiVersion", "kind", "name"),
        "writeConnectionSecretToRef": _reference("name"),
    }


def composite_spec(default_update_policy: str | None) -> dict[str, Schema]:
    """Return the properties that Crossplane adds to the spec of a composite resource.

    Args:
        default_update_policy: `spec.defaultCompositionUpdatePolicy` of the definition.
    """
    fields = _choice_of_composition()
    if default_update_policy is not None:
        fields["compositionUpdatePolicy"]["default"] = default_update_policy
    composed = _reference("apiVersion", "kind", optional=("name", "namespace"))
    return {
        **fields,
        "claimRef": _reference("apiVersion", "kind", "namespace", "name"),
        "resourceRefs": {"type": "array", "items": composed, "x-kubernetes-list-type": "atomic"},
        "writeConnectionSecretToRef": _reference("name", "namespace"),
    }


def status() -> dict[str, Schema]:
    """Return the properties that Crossplane adds to the status of both kinds."""
    condition = _object(
        "lastTransitionTime",
        "reason",
        "status",
        "type",
        lastTransitionTime=dict(_TIME),
        message=dict(_STRING),
        reason=dict(_STRING),
        status=dict(_STRING),
        type=dict(_STRING),
        observedGeneration={"type": "integer", "format": "int64"},
    )
    return {
        "conditions": {
            "type": "array",
            "description": "Conditions of the resource.",
            "items": condition,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
        "connectionDetails": _object(lastPublishedTime=dict(_TIME)),
        "claimConditionTypes": {"type": "array", "items": dict(_STRING), "x-kubernetes-list-type": "set"},
    }


def printer_columns(*, claim: bool) -> list[dict[str, Any]]:
    """Return the columns that Crossplane appends to the definition's own.

    Args:
        claim: Of the claim; otherwise of the composite resource.
    """
    own: list[dict[str, Any]] = (
        [{"name": "CONNECTION-SECRET", "type": "string", "jsonPath": ".spec.writeConnectionSecretToRef.name"}]
        if claim
        else [
            {"name": "COMPOSITION", "type": "string", "jsonPath": ".spec.compositionRef.name"},
            {
                "name": "COMPOSITIONREVISION",
                "type": "string",
                "jsonPath": ".spec.compositionRevisionRef.name",
                "priority": 1,
            },
        ]
    )
    return [
        {"name": "SYNCED", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Synced')].status"},
        {"name": "READY", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].status"},
        *own,
        {"name": "AGE", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
