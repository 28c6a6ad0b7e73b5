"""The writes: create, update, patch, delete, each as one step between two turns of the event loop.

The order of the checks is that of a real server (admission before validation, preconditions before both on updates),
because it decides which of two possible refusals a client sees.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from worker.dev.kubernetes import bodies, metadata, patches, status
from worker.dev.kubernetes.apply import apply, check_typed
from worker.dev.kubernetes.managed_fields import track_update
from worker.dev.kubernetes.objects import JsonObject, now
from worker.dev.kubernetes.registry import DEFINITIONS, NAMESPACES, Resource
from worker.dev.kubernetes.schema import ANY, Schema
from worker.dev.kubernetes.status import Cause
from worker.dev.kubernetes.store import Store, Stored
from worker.dev.kubernetes.validation import validate

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.dev.kubernetes.call import Call


class Operations:
    """Writes to a store under the rules of the API."""

    def __init__(
        self,
        store: Store,
        check_definition: Callable[[JsonObject], object],
        provide_namespace: Callable[[str], None] | None = None,
    ) -> None:
        """Write to a store.

        Args:
            store: what is written to.
            check_definition: refuses a CustomResourceDefinition that could not be served.
            provide_namespace: makes a missing namespace, as the admission plugin NamespaceAutoProvision does.
        """
        self._store = store
        self._check_definition = check_definition
        self._provide_namespace = provide_namespace

    def create(self, call: Call, value: JsonObject, system: JsonObject | None = None) -> Stored:
        """Store a new object.

        Args:
            call: the request.
            value: the object as the client sent it.
            system: top-level fields that the server adds and nobody owns.

        Raises:
            ApiError: 404 namespace, 409 AlreadyExists, 422 Invalid, 400, or 500 when it is too large for the storage.
        """
        resource = call.resource
        if value["metadata"].get("resourceVersion"):
            raise status.ApiError(500, "", "resourceVersion should not be set on objects to be created")
        self._require_namespace(call)
        self._conform(call, value)
        metadata.prepare_create(resource, value)
        call.name = value["metadata"]["name"]
        self._validate(resource, value)
        if self._store.get(resource.key, *call.place) is not None:
            raise status.already_exists(resource, call.name)
        track_update(resource, None, value, call.manager, call.subresource)
        value.update(system or {})
        return self._commit(call, value)

    def _require_namespace(self, call: Call) -> None:
        if call.namespace is None or self._store.get(NAMESPACES.key, "", call.namespace) is not None:
            return
        if self._provide_namespace is None:
            raise status.not_found(NAMESPACES, call.namespace)
        if not call.dry_run:
            self._provide_namespace(call.namespace)

    def update(self, call: Call, value: JsonObject) -> Stored:
        """Replace an object (or only its status).

        Raises:
            ApiError: 404, 409 Conflict, 422 Invalid, 400.
        """
        name = value["metadata"].setdefault("name", call.name)
        if name != call.name:
            raise status.bad_request(
                f"the name of the object ({name}) does not match the name on the URL ({call.name})"
            )
        stored = self._existing(call)
        self._conform(call, value)
        if call.resource.custom and not value["metadata"].get("resourceVersion"):
            message = "Invalid value: 0: must be specified for an update"
            cause = Cause("metadata.resourceVersion", "FieldValueInvalid", message)
            raise status.invalid(call.resource, call.name, [cause], by_plural=True)
        return self._replace(call, stored, value)

    def patch(self, call: Call, kind: str, patch: Any) -> Stored:
        """Change an object by a JSON merge patch, a JSON patch or server-side apply.

        Raises:
            ApiError: 404, 409 Conflict, 422 Invalid, 400.
        """
        if kind == bodies.APPLY_PATCH:
            return self._apply(call, patch)
        if "force" in call.query:
            cause = Cause("force", "FieldValueForbidden", "Forbidden: may not be specified for non-apply patch")
            raise status.invalid_options("PatchOptions", cause)
        stored = self._existing(call)
        old = stored.value()
        value = patches.json_patch(old, patch) if kind == bodies.JSON_PATCH else patches.merge(old, patch)
        if not isinstance(value, dict):
            raise status.patch_failed()
        bodies.check_kind(call, value)
        if value["metadata"].get("name") != call.name:
            raise status.bad_request("the name of the object does not match the name on the URL")
        self._conform(call, value)
        return self._replace(call, stored, value)

    def _apply(self, call: Call, intent: JsonObject) -> Stored:
        if not call.query.get("fieldManager"):
            cause = Cause("fieldManager", "FieldValueRequired", "Required value: is required for apply patch")
            raise status.invalid_options("PatchOptions", cause)
        intent.setdefault("metadata", {}).setdefault("name", call.name)
        check_typed(call.resource, intent)
        bodies.check_kind(call, intent)
        if "managedFields" in intent["metadata"]:
            raise status.bad_request("metadata.managedFields must be nil")
        stored = self._store.get(call.resource.key, *call.place)
        if stored is None and call.subresource:
            raise status.not_found(call.resource, call.name)
        live = stored.value() if stored is not None else None
        value = apply(call.resource, live, intent, call.manager, call.subresource, force=call.flag("force"))
        if stored is None:
            fields = value["metadata"].pop("managedFields", None)  # who applies nothing but a name owns nothing
            self._require_namespace(call)
            metadata.prepare_create(call.resource, value)
            if fields is not None:
                value["metadata"]["managedFields"] = fields
            self._conform(call, value)
            self._validate(call.resource, value)
            return self._commit(call, value)
        self._conform(call, value)
        return self._replace(call, stored, value, tracked=True)

    def delete(self, call: Call, options: JsonObject) -> tuple[Stored, bool]:
        """Delete an object, or mark it when finalizers hold it.

        Returns:
            Its last state, and whether it is gone.

        Raises:
            ApiError: 404, or 409 when a precondition does not hold.
        """
        stored = self._existing(call)
        preconditions = options.get("preconditions") or {}
        held = (
            ("uid", "UID", stored.uid, "deleted and then recreated"),
            ("resourceVersion", "ResourceVersion", str(stored.revision), "modified"),
        )
        for name, word, actual, guess in held:
            wanted = preconditions.get(name)
            if wanted and wanted != actual:
                why = (
                    f"the {word} in the precondition ({wanted}) does not match the {word} in record ({actual}). "
                    f"The object might have been {guess}"
                )
                raise status.precondition_failed(call.resource, call.name, why)
        if call.dry_run or "All" in (options.get("dryRun") or ()):
            return stored, True
        value = stored.value()
        found = value["metadata"]
        if not found.get("finalizers"):
            call.committed = True
            return self._store.remove(call.resource.key, stored), True
        if "deletionTimestamp" in found:
            return stored, False
        found["deletionTimestamp"] = now()
        found["deletionGracePeriodSeconds"] = 0
        if "generation" in found:
            found["generation"] += 1
        call.committed = True
        return self._store.put(call.resource.key, self._store.next(value)), False

    def _existing(self, call: Call) -> Stored:
        stored = self._store.get(call.resource.key, *call.place)
        if stored is None:
            raise status.not_found(call.resource, call.name)
        return stored

    def _conform(self, call: Call, value: JsonObject) -> None:
        """Prune, note unknown fields as the client asked, apply defaults."""
        schema = call.resource.schema
        if schema is None:
            return
        unknown = [f'unknown field "{path}"' for path in schema.prune(value)]
        mode = call.query.get("fieldValidation") or "Warn"
        if unknown and mode == "Strict":
            raise status.bad_request(
                f"{call.resource.kind} in version {json.dumps(call.resource.version)} cannot be handled as a "
                f"{call.resource.kind}: strict decoding error: {', '.join(unknown)}"
            )
        if mode == "Warn":
            call.warnings += unknown
        schema.fill(value)

    def _validate(
        self, resource: Resource, value: JsonObject, old: JsonObject | None = None, subresource: str = ""
    ) -> None:
        if value["kind"] != resource.kind:
            message = f'Invalid value: "{value["kind"]}": must be {resource.kind}'
            wrong = dataclasses.replace(resource, kind=value["kind"])
            raise status.invalid(wrong, value["metadata"]["name"], [Cause("kind", "FieldValueInvalid", message)])
        causes = metadata.validate(resource, value)
        if resource.schema is not None and subresource != "status":
            causes += validate(resource.schema, value)
        elif resource.schema is not None and "status" in value:
            causes += _validate_status(resource.schema, value["status"])
        if resource.rules is not None:
            causes += resource.rules.judge(value, old, causes)
        if causes:
            raise status.invalid(resource, value["metadata"]["name"], causes)
        if resource is DEFINITIONS:
            self._check_definition(value)

    def _replace(self, call: Call, stored: Stored, value: JsonObject, *, tracked: bool = False) -> Stored:
        resource, old = call.resource, stored.value()
        self._check_preconditions(call, stored, value)
        metadata.keep_system_fields(old, value)
        self._confine(call, old, value)
        self._check_finalizers(call, old, value)
        self._validate(resource, value, old, call.subresource)
        if not tracked:
            track_update(resource, old, value, call.manager, call.subresource)
        value["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        if value == old:
            return stored
        if resource.tracks_generation and _bumps_generation(resource, old, value):
            value["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        if "deletionTimestamp" in old["metadata"] and not value["metadata"].get("finalizers"):
            if call.dry_run:
                return stored
            call.committed = True
            return self._store.remove(resource.key, stored, value)
        return self._commit(call, value)

    @staticmethod
    def _check_preconditions(call: Call, stored: Stored, value: JsonObject) -> None:
        found = value["metadata"]
        wanted = found.get("resourceVersion")
        if wanted and wanted != str(stored.revision):
            raise status.conflict(call.resource, call.name)
        uid = found.get("uid")
        if uid and uid != stored.uid:
            resource = call.resource
            key = f"/registry/{resource.group}/{resource.plural}/{stored.namespace}/{stored.name}"
            why = (
                f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
                f"Precondition failed: UID in precondition: {uid}, UID in object meta: {stored.uid}"
            )
            raise status.conflict(resource, call.name, why)

    @staticmethod
    def _confine(call: Call, old: JsonObject, value: JsonObject) -> None:
        """Let the main path leave ``status`` alone, and ``/status`` everything else."""
        if not call.resource.has_status or not call.resource.custom:
            return
        if call.subresource == "status":
            for name in (value.keys() | old.keys()) - {"status", "metadata", "apiVersion", "kind"}:
                value.pop(name, None)
                if name in old:
                    value[name] = old[name]
            managed = value["metadata"].get("managedFields")
            value["metadata"] = dict(old["metadata"])
            if managed is not None:
                value["metadata"]["managedFields"] = managed
        else:
            value.pop("status", None)
            if "status" in old:
                value["status"] = old["status"]

    @staticmethod
    def _check_finalizers(call: Call, old: JsonObject, value: JsonObject) -> None:
        if "deletionTimestamp" not in old["metadata"]:
            return
        before = set(old["metadata"].get("finalizers") or ())
        added = sorted(set(value["metadata"].get("finalizers") or ()) - before)
        if added:
            shown = "{" + ", ".join(json.dumps(name) for name in added) + "}"
            message = (
                "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers "
                f"[]string{shown}"
            )
            cause = Cause("metadata.finalizers", "FieldValueForbidden", message)
            raise status.invalid(call.resource, call.name, [cause])

    def _commit(self, call: Call, value: JsonObject) -> Stored:
        if call.dry_run:
            return Stored.of(value, None if call.verb == "create" else self._store.revision)
        stored = self._store.next(value)
        if len(stored.body) > status.STORAGE_LIMIT:
            raise status.storage_refused()
        call.committed = True
        return self._store.put(call.resource.key, stored)


def _validate_status(schema: Schema, value: Any) -> list[Cause]:
    """Check a status alone, as the real server does for its subresource; its messages then begin at the status."""
    found = validate(schema.child("status") or ANY, value)
    return [
        dataclasses.replace(cause, field="status" if cause.field == "<nil>" else f"status.{cause.field}")
        for cause in found
    ]


def _bumps_generation(resource: Resource, old: JsonObject, new: JsonObject) -> bool:
    ignored = {"metadata", "status"} if resource.has_status else {"metadata"}
    return any(old.get(name) != new.get(name) for name in (old.keys() | new.keys()) - ignored)
