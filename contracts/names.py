"""Every name on the wire, built and read in one place: streams, subjects, event types, headers, labels, annotations.

Names in subjects come from tenants. They are escaped so that no name can add a token or a wildcard, and the escape is
reversible, so that two names never share a subject. Tenants are confined by NATS permissions on exactly these tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

from contracts.violations import ContractViolation

EVENTS_STREAM: Final = "PLATFORM_EVENTS"
STATUS_STREAM: Final = "PLATFORM_STATUS"
DLQ_STREAM: Final = "PLATFORM_DLQ"
CONSUMER: Final = "platform-worker"
STATE_BUCKET: Final = "platform-state"

OAM_SUBJECTS: Final = "platform.oam.*.*"
REQUEST_SUBJECTS: Final = "platform.request.*.*"
STATUS_SUBJECTS: Final = "platform.status.*.*.*"
DLQ_SUBJECTS: Final = "platform.dlq.*.*.*"

CLOUDEVENTS_JSON: Final = "application/cloudevents+json"
OAM_API_VERSION: Final = "core.oam.dev/v1beta1"
STATUS_SOURCE: Final = "urn:platform-worker"

# Longest token of a status or dead-letter subject: three of them and the prefix stay far below the server's 4 KiB
# control line, and a key of this length still fits a terminal.
MAX_TOKEN: Final = 128


class InboundType(StrEnum):
    """CloudEvent types that the worker consumes."""

    APPLICATION_CHANGED = "io.platform.oam.application.changed.v1"
    APPLICATION_DELETED = "io.platform.oam.application.deleted.v1"
    PROVISIONING_REQUESTED = "io.platform.provisioning.requested.v1"
    REMOVAL_REQUESTED = "io.platform.provisioning.removal.requested.v1"
    RETRY_REQUESTED = "io.platform.provisioning.retry.requested.v1"


class OutboundType(StrEnum):
    """CloudEvent types that the worker publishes; the word before the version is the disposition."""

    ACCEPTED = "io.platform.provisioning.accepted.v1"
    UNCHANGED = "io.platform.provisioning.unchanged.v1"
    SUPERSEDED = "io.platform.provisioning.superseded.v1"
    REJECTED = "io.platform.provisioning.rejected.v1"
    RUNNING = "io.platform.provisioning.running.v1"
    SUCCEEDED = "io.platform.provisioning.succeeded.v1"
    FAILED = "io.platform.provisioning.failed.v1"
    DELETED = "io.platform.provisioning.deleted.v1"


class Header(StrEnum):
    """Message headers."""

    MESSAGE_ID = "Nats-Msg-Id"
    CONTENT_TYPE = "Content-Type"
    DLQ_CLASS = "Dlq-Class"
    DLQ_REASON = "Dlq-Reason"
    DLQ_PATH = "Dlq-Path"
    DLQ_DELIVERIES = "Dlq-Deliveries"
    DLQ_STREAM = "Dlq-Stream"
    DLQ_SEQUENCE = "Dlq-Sequence"
    DLQ_SUBJECT = "Dlq-Subject"
    DLQ_FIRST_SEEN = "Dlq-First-Seen"


class Label(StrEnum):
    """Label keys, read on Applications or set on Workflows and claims."""

    APP_CONTAINER = "app-container"
    GITHUB_OWNER = "github-owner"
    APP_NAME = "app.oam.dev/name"
    APP_NAMESPACE = "app.oam.dev/namespace"
    MANAGED_BY = "platform.io/managed-by"
    INSTANCE = "platform.io/instance"
    OWNER = "platform.io/owner"


class Annotation(StrEnum):
    """Annotation keys; the first three are read on Applications, the others are set on Workflows."""

    SOURCE = "webservice.oam.dev/source"
    DELETION_POLICY = "platform.io/deletion-policy"
    ALLOW_EMPTY = "platform.io/allow-empty"
    UID = "platform.io/uid"
    ORDER = "platform.io/order"
    EVENT_ID = "platform.io/event-id"
    DELIVERY = "platform.io/delivery"
    TRACEPARENT = "platform.io/traceparent"
    SUPERSEDED_BY = "platform.io/superseded-by"


MANAGED_BY: Final = "platform-worker"


class SubjectKind(StrEnum):
    """The second token of a subject."""

    OAM = "oam"
    REQUEST = "request"
    STATUS = "status"
    DLQ = "dlq"


@dataclass(frozen=True, slots=True)
class ParsedSubject:
    """What a subject says; `detail` is the event key or error class of status and dead-letter subjects.

    `name` is still the shortened token where a status or dead-letter subject had to be cut.
    """

    kind: SubjectKind
    namespace: str
    name: str
    detail: str | None = None


_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_ESCAPED: Final = re.compile(r"=([0-9A-F]{2})", re.ASCII)
_EMPTY: Final = "="
_CUT: Final = "=="
_KEY_DIGITS: Final = 16
_HEADER_SAFE: Final = re.compile(r"[!-~]{1,256}", re.ASCII)
_KINDS: Final = {str(kind): kind for kind in SubjectKind}


def escape(token: str) -> str:
    """Write any string as one subject token (also valid in a KV key): `my.app` becomes `my=2Eapp`."""
    if _PLAIN.fullmatch(token):
        return token
    if not token:
        return _EMPTY
    return "".join(
        chr(byte) if _PLAIN.match(chr(byte)) else f"={byte:02X}" for byte in token.encode("utf-8", "surrogatepass")
    )


def unescape(token: str) -> str:
    """Undo `escape`.

    Raises:
        ContractViolation: `bad-subject`, for a token that `escape` does not write (so no name has two subjects).
    """
    if _PLAIN.fullmatch(token):
        return token
    if token == _EMPTY:
        return ""
    try:
        raw = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), token).encode("latin-1")
        name = raw.decode("utf-8", "surrogatepass")
    except UnicodeError:
        name = None
    if name is None or escape(name) != token:
        raise ContractViolation(
            "bad-subject", "$", "a token of the subject is not escaped as the contract says", "write =XX for each byte"
        )
    return name


def oam_subject(namespace: str, name: str) -> str:
    """Subject of an Application's changes and deletion."""
    return f"platform.oam.{escape(namespace)}.{escape(name)}"


def request_subject(namespace: str, name: str) -> str:
    """Subject of provisioning, removal and retry requests."""
    return f"platform.request.{escape(namespace)}.{escape(name)}"


def status_subject(namespace: str, name: str, event_key: str) -> str:
    """Subject of everything that became of one event (see `event_key`)."""
    return f"platform.status.{_short(namespace)}.{_short(name)}.{_short(event_key)}"


def dlq_subject(namespace: str, name: str, error_class: str) -> str:
    """Subject of a dead letter; `error_class` is a short word such as `permanent`."""
    return f"platform.dlq.{_short(namespace)}.{_short(name)}.{_short(error_class)}"


def parse_subject(subject: str) -> ParsedSubject:
    """Read a subject of one of the four families.

    Raises:
        ContractViolation: `bad-subject`, for another number of tokens, family or escape.
    """
    tokens = subject.split(".")
    kind = _KINDS.get(tokens[1]) if len(tokens) > 1 and tokens[0] == "platform" else None
    with_detail = kind in {SubjectKind.STATUS, SubjectKind.DLQ}
    if kind is None or len(tokens) != (5 if with_detail else 4):
        raise ContractViolation(
            "bad-subject",
            "$",
            "the subject is none of the platform's",
            "publish to platform.oam.<namespace>.<name> or platform.request.<namespace>.<name>",
        )
    if not with_detail:
        return ParsedSubject(kind, unescape(tokens[2]), unescape(tokens[3]))
    parts = [token if _CUT in token else unescape(token) for token in tokens[2:]]
    return ParsedSubject(kind, *parts)


def event_key(event_id: str | None, stream: str, sequence: int) -> str:
    """Return the key under which an event's status is found: 16 hex digits of its id, or else of `stream:sequence`."""
    return _digest(event_id if event_id is not None else f"{stream}:{sequence}")


def message_id(subject: str, event_id: str) -> str:
    """Value of `Nats-Msg-Id`: deduplication is stream-wide, so the id alone would swallow another tenant's event.

    An id that is no printable ASCII of at most 256 characters is hashed: it must not break the header.
    """
    safe = event_id if _HEADER_SAFE.fullmatch(event_id) else f"sha256-{sha256(_bytes(event_id)).hexdigest()}"
    return f"{subject}:{safe}"


def replay_message_id(dlq_sequence: int) -> str:
    """Value of `Nats-Msg-Id` of a dead letter that is published again."""
    return f"replay:{dlq_sequence}"


def record_key(namespace: str, name: str) -> str:
    """KV key of the record of one application name; never one of `_meta`, `lease.*` and `tries.*`."""
    return f"app.{escape(namespace)}.{escape(name)}"


def _short(token: str) -> str:
    escaped = escape(token)
    if len(escaped) <= MAX_TOKEN:
        return escaped
    # `==` is written by no escape, so a cut token is never another name's whole token.
    kept = escaped[: MAX_TOKEN - len(_CUT) - _KEY_DIGITS].rstrip("=")
    return f"{kept}{_CUT}{_digest(token)}"


def _digest(text: str) -> str:
    return sha256(_bytes(text)).hexdigest()[:_KEY_DIGITS]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
