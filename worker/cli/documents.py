"""From the files that people have to the messages that the worker reads.

An Application, an ApplicationClaim or a CloudEvent becomes one structured CloudEvent on its subject, checked by the
very models that the worker uses, so that what is published from here is not rejected for its form. Paths in errors
are the file's own.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts import cloudevents, strict_json
from contracts.application import is_application
from contracts.cloudevents import CloudEvent
from contracts.events import (
    ApplicationChanged,
    ApplicationDeleted,
    EventData,
    RemovalRequested,
    from_claim,
    parse_data,
)
from contracts.names import InboundType, message_id, oam_subject, request_subject
from contracts.violations import ContractViolation
from worker.cli.yaml_documents import load_all

#: Source of events that this command line makes.
SOURCE = "urn:platform-worker:cli"

_OAM = frozenset({InboundType.APPLICATION_CHANGED, InboundType.APPLICATION_DELETED})
_COMPONENT = re.compile(r"^(?P<list>\$.*components)\[(?P<index>\d+)\]")


class DocumentError(ContractViolation):
    """A document of a file breaks the contract.

    Attributes:
        place: The file, and which document of it.
        application: Namespace and name, as far as they could be read.
        component: The component that the path leads into, ``""`` if none.
    """

    def __init__(
        self, violation: ContractViolation, place: str, application: tuple[str, str], component: str = ""
    ) -> None:
        super().__init__(violation.code, violation.path, f"{place}: {violation.message}", violation.fix)
        self.bare_message = violation.message
        self.place = place
        self.application = application
        self.component = component


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One event, ready to be published.

    Attributes:
        place: The file, and which document of it, for messages.
        root: JSON path inside the event where the file's own root stands (``$.data.application``, ``$.data`` or ``$``).
        id_given: The id came from the user, not from the content.
    """

    place: str
    event: CloudEvent
    data: EventData
    root: str
    id_given: bool = False

    @property
    def subject(self) -> str:
        """Subject that the event goes to."""
        if self.event.type in _OAM:
            return oam_subject(self.data.namespace, self.data.name)
        return request_subject(self.data.namespace, self.data.name)

    @property
    def message_id(self) -> str:
        """Value of ``Nats-Msg-Id``."""
        return message_id(self.subject, self.event.id)

    @property
    def deletes(self) -> bool:
        """The event asks for everything under its name to go."""
        if isinstance(self.data, RemovalRequested):
            return not self.data.components
        if isinstance(self.data, ApplicationChanged):
            return self.data.application.metadata.deletion_timestamp is not None
        return isinstance(self.data, ApplicationDeleted)

    def to_message(self) -> tuple[dict[str, str], bytes]:
        """Return headers and body in structured mode."""
        return self.event.to_structured()

    def in_file(self, path: str) -> str:
        """Return a path inside the event as a path inside the file."""
        rest = path.removeprefix(self.root)
        return f"${rest}" if path.startswith(self.root) and rest[:1] in {"", ".", "["} else path


def read_files(files: Iterable[str], *, event_id: str | None = None, traceparent: str | None = None) -> list[Outgoing]:
    """Read all documents of all files; ``-`` is standard input.

    Args:
        files: Paths of YAML or JSON files.
        event_id: CloudEvent id to use instead of a derived one; allowed for one document only.
        traceparent: W3C trace context for events that have none.

    Raises:
        DocumentError: A document breaks the contract.
        ContractViolation: A file is no YAML or JSON, or holds no document.
    """
    found = []
    for file in files:
        name = "standard input" if file == "-" else file
        documents = load_all(_text(file, name), name)
        if not documents:
            raise ContractViolation("missing-field", "$", f"{name} holds no document", "give an Application")
        for index, document in enumerate(documents):
            place = name if len(documents) == 1 else f"{name} (document {index + 1})"
            found.append(_outgoing(document, place, event_id, traceparent))
    if event_id is not None and len(found) > 1:
        raise ContractViolation(
            "duplicate-id", "$", f"one id cannot stand for {len(found)} events", "leave --id out, or give one document"
        )
    return found


def request(event_type: InboundType, data: Mapping[str, Any], *, event_id: str, traceparent: str | None) -> Outgoing:
    """Build an event that a command itself makes (retry, removal).

    Raises:
        ContractViolation: ``data`` breaks the contract.
    """
    event = CloudEvent(id=event_id, source=SOURCE, type=event_type, traceparent=traceparent, data=dict(data))
    return Outgoing("this command", event, parse_data(event_type, data), "$", id_given=True)


def _text(file: str, name: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise ContractViolation(
            "no-such-file", "$", f"{name} cannot be read: {error.strerror}", "check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise ContractViolation(
            "bad-encoding", "$", f"{name}: byte {error.start} is not UTF-8", "save it as UTF-8"
        ) from error


def _outgoing(document: Any, place: str, event_id: str | None, traceparent: str | None) -> Outgoing:
    root = "$"
    try:
        _check_limits(document)
        if "specversion" in document:
            return _cloudevent(document, place, event_id, traceparent)
        event_type, data, root = _data(document)
        parsed = parse_data(event_type, data)
    except ContractViolation as violation:
        raise _in_document(violation, document, place, root) from violation
    event = CloudEvent(
        id=event_id or _derived_id(event_type, data),
        source=SOURCE,
        type=event_type,
        datacontenttype="application/json",
        traceparent=traceparent,
        data=data,
    )
    return Outgoing(place, event, parsed, root, id_given=event_id is not None)


def _check_limits(data: Any) -> None:
    """Refuse what the worker would refuse before it parses: size, depth, numbers that JSON does not have.

    Raises:
        ContractViolation: ``wrong-type``, ``too-large``, ``too-deep``, ``not-a-number``, ….
    """
    if not isinstance(data, dict):
        raise ContractViolation(
            "wrong-type", "$", "the document is no object", "give an Application, an ApplicationClaim or a CloudEvent"
        )
    try:
        raw = strict_json.dumps(data)
    except (ValueError, TypeError) as error:
        raise ContractViolation(
            "not-a-number", "$", f"a value has no JSON form: {error}", "write it as text"
        ) from error
    strict_json.loads(raw)


def _cloudevent(document: dict[str, Any], place: str, event_id: str | None, traceparent: str | None) -> Outgoing:
    attributes = dict(document)
    given = event_id or document.get("id")
    attributes["id"] = given or _derived_id(str(document.get("type")), document.get("data"))
    if traceparent and not attributes.get("traceparent"):
        attributes["traceparent"] = traceparent
    headers = {"Content-Type": "application/cloudevents+json"}
    event = cloudevents.from_message(headers, strict_json.dumps(attributes))
    return Outgoing(place, event, parse_data(event.type, event.data), "$", id_given=bool(given))


def _data(document: dict[str, Any]) -> tuple[InboundType, dict[str, Any], str]:
    """Return type and data of the event that a document stands for, and where the document's root is in the event."""
    if is_application(document):
        return InboundType.APPLICATION_CHANGED, {"application": document}, "$.data.application"
    claim = from_claim(document)
    data = claim.model_dump(by_alias=True, exclude_none=True)
    return InboundType.PROVISIONING_REQUESTED, data, "$.data"


def _derived_id(event_type: str, data: Any) -> str:
    """Return an id that the same content has again: publishing a file twice within two minutes stores it once."""
    text = json.dumps([event_type, data], sort_keys=True, default=str)
    return f"cli-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def _in_document(violation: ContractViolation, document: Any, place: str, root: str) -> DocumentError:
    path = violation.path
    if root != "$" and path.startswith(root):
        path = "$" + path.removeprefix(root)
    moved = ContractViolation(violation.code, path, violation.message, violation.fix)
    return DocumentError(moved, place, _name_of(document), _component_at(document, path))


def _name_of(document: Any) -> tuple[str, str]:
    """Return namespace and name as far as a broken document tells them."""
    about: Any = document
    if isinstance(document, dict) and isinstance(document.get("data"), dict):
        about = document["data"].get("application", document["data"])
    metadata = about.get("metadata", about) if isinstance(about, dict) else None
    found = metadata if isinstance(metadata, dict) else {}
    namespace, name = found.get("namespace"), found.get("name")
    return (namespace if isinstance(namespace, str) else "default"), (name if isinstance(name, str) else "")


def _component_at(document: Any, path: str) -> str:
    match = _COMPONENT.match(path)
    if match is None:
        return ""
    found = document
    for step in match["list"].split(".")[1:]:
        found = found.get(step) if isinstance(found, dict) else None
    index = int(match["index"])
    component = found[index] if isinstance(found, list) and index < len(found) else None
    name = component.get("name") if isinstance(component, dict) else None
    return name if isinstance(name, str) else ""
