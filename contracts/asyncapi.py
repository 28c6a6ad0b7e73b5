"""The AsyncAPI 3.0 document, made from the names, the models and `streams.yaml`.

It is what a team reads that wants to publish events or consume status without reading Python: every subject, message,
stream, durable and acknowledgement. JetStream has no binding of its own in AsyncAPI yet, so its facts stand under
`x-jetstream`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from contracts import names
from contracts.names import Header, InboundType, OutboundType
from contracts.streams import ConsumerSpec, StreamSpec, topology
from contracts.strict_json import MAX_BYTES, MAX_DEPTH

_SCHEMA_FORMAT: Final = "application/schema+json;version=draft-2020-12"
_OAM: Final = (InboundType.APPLICATION_CHANGED, InboundType.APPLICATION_DELETED)
_REQUESTS: Final = (InboundType.PROVISIONING_REQUESTED, InboundType.REMOVAL_REQUESTED, InboundType.RETRY_REQUESTED)
_NAMESPACE: Final = {"description": "Kubernetes namespace, escaped; tenants are confined by permissions on this token"}
_NAME: Final = {"description": "Name of the Application or request, escaped (`my.app` is `my=2Eapp`)"}
_SUMMARIES: Final[Mapping[InboundType | OutboundType, str]] = {
    InboundType.APPLICATION_CHANGED: "An Application was created or updated",
    InboundType.APPLICATION_DELETED: "An Application was deleted",
    InboundType.PROVISIONING_REQUESTED: "Someone asks for components, as a list or in the guided form",
    InboundType.REMOVAL_REQUESTED: "Someone asks to remove what is under a name",
    InboundType.RETRY_REQUESTED: "Someone asks to run again what did not succeed",
    OutboundType.ACCEPTED: "A run was started for the event",
    OutboundType.UNCHANGED: "Everything was already as the event wants it",
    OutboundType.SUPERSEDED: "A newer event took over",
    OutboundType.REJECTED: "The event cannot be carried out; its dead letter has the original bytes",
    OutboundType.RUNNING: "The run has begun its first step",
    OutboundType.SUCCEEDED: "The run ended and every component is as wanted",
    OutboundType.FAILED: "The run ended without reaching what was wanted",
    OutboundType.DELETED: "Nothing of the application is left but what is retained",
}
_LEGACY: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "ArgoEventsResource": (
        "Argo Events' resource payload; ADD and UPDATE are changes, DELETE is a deletion",
        {
            "type": "object",
            "required": ["type", "body"],
            "properties": {
                "type": {"enum": ["ADD", "UPDATE", "DELETE"]},
                "body": {"type": "object"},
                "group": {"const": "core.oam.dev"},
                "version": {"type": "string"},
                "resource": {"const": "applications"},
            },
        },
    ),
    "SensorBody": (
        "What the former sensor posts: the Application as a JSON string",
        {
            "type": "object",
            "required": ["body", "operation"],
            "properties": {
                "body": {"type": "string", "contentMediaType": "application/json"},
                "operation": {"enum": ["ADD", "CREATE", "UPDATE", "DELETE"]},
            },
        },
    ),
    "AdmissionReview": (
        "A hint only: the worker reads the Application itself; dry runs are ignored",
        {
            "type": "object",
            "required": ["kind", "request"],
            "properties": {"kind": {"const": "AdmissionReview"}, "request": {"type": "object"}},
        },
    ),
}


def document() -> dict[str, Any]:
    """Return the AsyncAPI document."""
    wanted = topology("production")
    streams, consumer = wanted.streams, wanted.consumers[names.CONSUMER]
    events = streams[names.EVENTS_STREAM]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Platform worker",
            "version": "1.0.0",
            "description": "Events about Applications and requests come in; what becomes of each goes out.\n"
            f"Messages are JSON of at most {MAX_BYTES} bytes and {MAX_DEPTH} levels, without duplicate keys or NaN.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": names.CLOUDEVENTS_JSON,
        "servers": {
            "nats": {
                "host": "{host}:{port}",
                "protocol": "nats",
                "description": "NATS with JetStream",
                "variables": {"host": {"default": "localhost"}, "port": {"default": "4222"}},
            }
        },
        "channels": {
            "applicationEvents": _channel(
                "platform.oam.{namespace}.{name}", "What happened to Applications", events, _OAM, legacy=True
            ),
            "requests": _channel("platform.request.{namespace}.{name}", "What someone asks for", events, _REQUESTS),
            "status": _channel(
                "platform.status.{namespace}.{name}.{eventKey}",
                "The ledger: everything that became of each event",
                streams[names.STATUS_STREAM],
                tuple(OutboundType),
                eventKey={
                    "description": "First 16 hex digits of the SHA-256 of the event's id, or of `stream:sequence`"
                },
            ),
            "deadLetters": _channel(
                "platform.dlq.{namespace}.{name}.{errorClass}",
                "Events that cannot be carried out, byte by byte as they came",
                streams[names.DLQ_STREAM],
                (),
                errorClass={"description": "Why it is here, one word"},
            ),
        },
        "operations": {
            "receiveApplicationEvents": _receive("applicationEvents", consumer, names.OAM_SUBJECTS),
            "receiveRequests": _receive("requests", consumer, names.REQUEST_SUBJECTS),
            "sendStatus": _send("status", "Published before the event is acknowledged, with a deterministic id"),
            "sendDeadLetter": _send("deadLetters", "Published before the event is terminated"),
        },
        "components": {
            "messages": {
                **{_message_name(event_type): _message(event_type) for event_type in (*InboundType, *OutboundType)},
                **{name: _legacy(name, *about) for name, about in _LEGACY.items()},
                "DeadLetter": _dead_letter(),
            }
        },
    }


def _channel(
    address: str,
    description: str,
    stream: StreamSpec,
    types: tuple[InboundType | OutboundType, ...],
    *,
    legacy: bool = False,
    **parameters: dict[str, str],
) -> dict[str, Any]:
    messages = [_message_name(event_type) for event_type in types] or ["DeadLetter"]
    if legacy:
        messages += list(_LEGACY)
    return {
        "address": address,
        "description": description,
        "servers": [{"$ref": "#/servers/nats"}],
        "parameters": {"namespace": _NAMESPACE, "name": _NAME, **parameters},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "x-jetstream": {
            "stream": stream.name,
            "subjects": list(stream.subjects),
            "retention": stream.retention,
            "storage": stream.storage,
            "discard": stream.discard,
            "replicas": stream.replicas,
            "maxBytes": stream.max_bytes,
            "maxMessageBytes": stream.max_msg_size,
            "maxAgeSeconds": stream.max_age,
            "duplicateWindowSeconds": stream.duplicate_window,
        },
    }


def _receive(channel: str, consumer: ConsumerSpec, subject_filter: str) -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{channel}"},
        "description": "Acknowledged after its status event is stored; terminated after its dead letter is stored",
        "bindings": {"nats": {"queue": consumer.name, "bindingVersion": "0.1.0"}},
        "x-jetstream": {
            "stream": consumer.stream,
            "durable": consumer.name,
            "pull": True,
            "filterSubject": subject_filter,
            "ackPolicy": consumer.ack_policy,
            "ackWaitSeconds": consumer.ack_wait,
            "maxAckPending": consumer.max_ack_pending,
            "maxDeliver": consumer.max_deliver,
        },
    }


def _send(channel: str, description: str) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "description": description,
        "x-jetstream": {"publishAckAwaited": True, "deduplicatedBy": str(Header.MESSAGE_ID)},
    }


def _message_name(event_type: InboundType | OutboundType) -> str:
    return "".join(word.capitalize() for word in event_type.name.split("_"))


def _message(event_type: InboundType | OutboundType) -> dict[str, Any]:
    inbound = isinstance(event_type, InboundType)
    return {
        "name": str(event_type),
        "summary": _SUMMARIES[event_type],
        "contentType": names.CLOUDEVENTS_JSON,
        "headers": {
            "type": "object",
            "required": [str(Header.MESSAGE_ID)],
            "properties": {
                str(Header.MESSAGE_ID): {
                    "type": "string",
                    "description": "`<subject>:<id>`, or `replay:<dead letter's sequence>`"
                    if inbound
                    else "The event's id",
                },
                str(Header.CONTENT_TYPE): {"const": names.CLOUDEVENTS_JSON},
            },
        },
        "payload": {
            "schemaFormat": _SCHEMA_FORMAT,
            "schema": {"$ref": f"./schemas/events/{event_type}.json"},
        },
        "x-cloudevents-binary-mode": "accepted: `ce-*` headers, the body is the data" if inbound else "not used",
    }


def _legacy(name: str, summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "summary": summary,
        "contentType": "application/json",
        "payload": {"schemaFormat": _SCHEMA_FORMAT, "schema": schema},
    }


def _dead_letter() -> dict[str, Any]:
    return {
        "name": "DeadLetter",
        "summary": "The original message, with why and where it came from in its headers",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "required": [str(header) for header in Header if header.startswith("Dlq-") and header != Header.DLQ_PATH],
            "properties": {
                str(Header.DLQ_CLASS): {"type": "string", "description": "The error's class"},
                str(Header.DLQ_REASON): {
                    "type": "string",
                    "description": "What, where, why, and the fix, without secrets",
                },
                str(Header.DLQ_PATH): {"type": "string", "description": "JSON path within the event"},
                str(Header.DLQ_DELIVERIES): {"type": "string", "description": "How often it was delivered"},
                str(Header.DLQ_STREAM): {"type": "string", "description": "Stream that it came from"},
                str(Header.DLQ_SEQUENCE): {"type": "string", "description": "Its sequence in that stream"},
                str(Header.DLQ_SUBJECT): {"type": "string", "description": "Subject that it was published to"},
                str(Header.DLQ_FIRST_SEEN): {"type": "string", "description": "When it was stored, RFC 3339"},
            },
        },
        "payload": {"description": "The original bytes, whatever they are; the original's headers are kept too"},
    }
