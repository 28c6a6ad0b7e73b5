"""The embedded cluster without its socket: identity, permission, fault, operation, in the order of a real server.

The HTTP side (``server``) turns requests into calls and answers into bytes; everything that decides is here.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from worker.dev.kubernetes import bodies, selectors, status
from worker.dev.kubernetes.authentication import Identity, Tokens
from worker.dev.kubernetes.authorization import Authorizer
from worker.dev.kubernetes.call import Call
from worker.dev.kubernetes.definitions import Definitions
from worker.dev.kubernetes.faults import Faults
from worker.dev.kubernetes.objects import JsonObject, encode
from worker.dev.kubernetes.operations import Operations
from worker.dev.kubernetes.reads import Reader, collection
from worker.dev.kubernetes.registry import DEFINITIONS, NAMESPACES, SERVICE_ACCOUNTS, Registry
from worker.dev.kubernetes.request_log import RequestLog
from worker.dev.kubernetes.reviews import token_request
from worker.dev.kubernetes.store import Store, Stored
from worker.dev.kubernetes.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

INITIAL_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_SYSTEM = Identity("system:apiserver", ("system:masters",))


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer with a body."""

    code: int
    body: bytes


Outcome: TypeAlias = Answer | Watch


class Cluster:
    """State and rules of one embedded cluster."""

    def __init__(self, *, history: int = 4096, provide_namespaces: bool = False) -> None:
        """Make an empty cluster with the four initial namespaces.

        Args:
            history: changes per resource from which watches can resume.
            provide_namespaces: make the namespace of a new object where it is missing.
        """
        self.store = Store(history=history)
        self.registry = Registry()
        self.tokens = Tokens()
        self.authorizer = Authorizer(self.store)
        self.faults = Faults()
        self.log = RequestLog()
        self.definitions = Definitions(self.registry, self.store)
        provide = self._provide_namespace if provide_namespaces else None
        self._operations = Operations(self.store, self.definitions.compiled, provide)
        self._reader = Reader(self.store)
        for resource in self.registry:
            self.store.open(resource.key)
        for name in INITIAL_NAMESPACES:
            self._provide_namespace(name)

    def _provide_namespace(self, name: str) -> None:
        self.load({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def load(self, value: JsonObject) -> None:
        """Create an object as the system, unless it exists: for what a cluster holds from the start.

        Raises:
            ValueError: no resource serves its kind.
            ApiError: the object is refused.
        """
        group, _, version = value["apiVersion"].rpartition("/")
        kinds = (r for r in self.registry if (r.group, r.version, r.kind) == (group, version, value["kind"]))
        resource = next(kinds, None)
        if resource is None:
            raise ValueError(f"no resource serves kind {value['kind']} of {value['apiVersion']}")
        namespace = value["metadata"].get("namespace") if resource.namespaced else None
        name = value["metadata"]["name"]
        if self.store.get(resource.key, namespace or "", name) is None:
            self._create(Call("create", resource, namespace, name, "", {}, _SYSTEM), dict(value))

    async def perform(self, call: Call, body: bytes) -> Outcome:
        """Carry out one authorized call.

        Raises:
            ApiError: every refusal.
            ConnectionDropped: a fault rule wants the client to get no answer.
        """
        value = bodies.load_object(call, body) if call.verb == "create" and not call.subresource else None
        if value is not None:
            call.name = value["metadata"].get("name") or value["metadata"].get("generateName") or ""
        rule = await self.faults.before(call)
        outcome = self._dispatch(call, body, value)
        self.faults.after(rule)
        return outcome

    def _dispatch(self, call: Call, body: bytes, value: JsonObject | None) -> Outcome:
        self._check_subresource(call)
        if call.verb == "create":
            return self._create_or_ask(call, body, value)
        verbs: dict[str, Callable[[Call, bytes], Outcome]] = {
            "get": self._get,
            "list": lambda call, _: Answer(200, self._reader.list(call)),
            "watch": lambda call, _: Watch(self.store, call),
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }
        return verbs[call.verb](call, body)

    def _get(self, call: Call, _: bytes) -> Answer:
        stored = self.store.get(call.resource.key, *call.place)
        if stored is None:
            raise status.not_found(call.resource, call.name)
        return Answer(200, stored.body)

    def _create_or_ask(self, call: Call, body: bytes, value: JsonObject | None) -> Answer:
        if value is not None:
            return Answer(201, self._create(call, value).body)
        if call.subresource == "token":
            request = bodies.load_options(body)
            return Answer(201, encode(token_request(self.tokens, self.store, call, request)))
        raise status.method_not_allowed()

    @staticmethod
    def _check_subresource(call: Call) -> None:
        allowed = not call.subresource or (call.subresource == "status" and call.resource.has_status)
        if call.resource is SERVICE_ACCOUNTS and call.subresource == "token":
            allowed = True
        if call.resource is NAMESPACES and call.subresource == "finalize":
            allowed = True
        if not allowed:
            raise status.not_found(call.resource, call.name) if call.resource.custom else status.unknown_path()

    def _create(self, call: Call, value: JsonObject) -> Stored:
        system: JsonObject = {}
        if call.resource is NAMESPACES:
            metadata = value["metadata"]
            metadata["labels"] = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata.get("name")}
            value.pop("status", None)
            value.pop("spec", None)
            system = {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
        elif call.resource is DEFINITIONS:
            system = self.definitions.prepare(value)
        stored = self._operations.create(call, value, system)
        self._serve(call, stored)
        return stored

    def _serve(self, call: Call, stored: Stored) -> None:
        if call.resource is DEFINITIONS and call.committed and not call.subresource:
            self.definitions.serve(stored.value())

    def _update(self, call: Call, body: bytes) -> Answer:
        value = bodies.load_object(call, body)
        if call.resource is DEFINITIONS and not call.subresource:
            value.update(self.definitions.prepare(value))
        stored = self._operations.update(call, value)
        self._serve(call, stored)
        return Answer(200, stored.body)

    def _patch(self, call: Call, body: bytes) -> Answer:
        kind, patch = bodies.load_patch(call, body)
        existed = self.store.get(call.resource.key, *call.place) is not None
        if not existed and kind == bodies.APPLY_PATCH:
            self.authorizer.check(dataclasses.replace(call, verb="create"))  # who applies something new creates it
        stored = self._operations.patch(call, kind, patch)
        self._serve(call, stored)
        return Answer(200 if existed else 201, stored.body)

    def _delete(self, call: Call, body: bytes) -> Answer:
        final, gone = self._operations.delete(call, bodies.load_options(body))
        if not gone:
            return Answer(200, final.body)
        if call.committed:
            self._deleted(call, final)
        return Answer(200, encode(status.success(call.resource, final.name, final.uid)))

    def _deleted(self, call: Call, final: Stored) -> None:
        """Do at once what controllers do after the delete of a namespace or a definition."""
        if call.resource is DEFINITIONS:
            self.definitions.drop(final.value())
        elif call.resource is NAMESPACES:
            for key in {r.key for r in self.registry if r.namespaced}:
                for stored in tuple(self.store.open(key).select(final.name)):
                    self.store.remove(key, stored)

    def _delete_collection(self, call: Call, body: bytes) -> Answer:
        options = bodies.load_options(body)
        selection = selectors.parse(call.query.get("labelSelector", ""), call.query.get("fieldSelector", ""))
        chosen = tuple(s for s in self.store.open(call.resource.key).select(call.namespace) if selection.matches(s))
        deleted = tuple(self._delete_each(call, chosen, options))
        return Answer(200, collection(call.resource, self.store.revision, deleted))

    def _delete_each(self, call: Call, chosen: Iterable[Stored], options: JsonObject) -> Iterable[Stored]:
        for stored in chosen:
            one = Call("delete", call.resource, stored.namespace or None, stored.name, "", call.query, call.identity)
            final, gone = self._operations.delete(one, options)
            if gone and one.committed:
                self._deleted(one, final)
            call.committed = call.committed or one.committed
            yield final
