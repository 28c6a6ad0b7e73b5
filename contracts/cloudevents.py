"""CloudEvents 1.0 over NATS: structured JSON, and binary mode with `ce-*` headers as in the HTTP binding.

This is on the path of every message, so the mode is decided from the headers where possible and the body is parsed
once. A body that is no CloudEvent is given back parsed: it may be one of the legacy envelopes.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote as percent_encode
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from contracts import strict_json
from contracts.fields import TEXT, ExactTime
from contracts.names import CLOUDEVENTS_JSON, Header
from contracts.violations import ContractViolation, from_validation_error, path_of, quote

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_ATTRIBUTE: Final = re.compile(r"[a-z0-9]{1,64}", re.ASCII)
_JSON_TYPE: Final = re.compile(r"[^/;\s]+/([^/;\s]+\+)?json\s*(;|$)", re.IGNORECASE)
_PREFIX: Final = "ce-"
_VISIBLE: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
_INTEGER_BOUND: Final = 2**31

Attribute = Annotated[str, StringConstraints(pattern=TEXT, min_length=1, max_length=1024)]


class CloudEvent(BaseModel):
    """One event; extension attributes are kept (see `extensions`)."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    __pydantic_extra__: dict[str, str | int | bool | None] = Field(init=False)

    specversion: Literal["1.0"] = "1.0"
    id: Attribute
    source: Attribute
    type: Attribute
    subject: Attribute | None = None
    time: ExactTime | None = None
    datacontenttype: Attribute | None = None
    dataschema: Attribute | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    data: Any = None

    @field_validator("traceparent")
    @classmethod
    def _drop_bad_trace(cls, value: str | None) -> str | None:
        # W3C Trace Context: a broken traceparent starts a new trace; it is no reason to refuse the event. Of a later
        # version the parts of version 00 are read, and passed on as that; version 00 has nothing behind them.
        found = _TRACEPARENT.fullmatch(value or "")
        if found is None:
            return None
        version, trace, span, flags, more = found.groups()
        if version == "ff" or not int(trace, 16) or not int(span, 16) or (more and version == "00"):
            return None
        return f"00-{trace}-{span}-{flags}"

    @field_validator("tracestate")
    @classmethod
    def _drop_long_state(cls, value: str | None) -> str | None:
        return value if value is not None and len(value) <= 512 and value.isascii() and value.isprintable() else None  # noqa: PLR2004 - the limit of W3C Trace Context

    @model_validator(mode="after")
    def _check_extensions(self) -> CloudEvent:
        for name, value in self.__pydantic_extra__.items():
            if not _ATTRIBUTE.fullmatch(name):
                raise PydanticCustomError(
                    "bad-attribute-name",
                    "extension attribute",
                    {
                        "message": f"{quote(name)} is no name of an attribute",
                        "fix": "use lower-case letters and digits, at most 64",
                    },
                )
            if isinstance(value, int) and not -_INTEGER_BOUND <= value < _INTEGER_BOUND:
                raise PydanticCustomError(
                    "out-of-range",
                    "extension attribute",
                    {"message": f"{name} is beyond 32 bits", "fix": "write it as a string"},
                )
        return self

    @property
    def extensions(self) -> Mapping[str, str | int | bool]:
        """Extension attributes that are set, without the trace context."""
        return {name: value for name, value in self.__pydantic_extra__.items() if value is not None}

    def to_structured(self) -> tuple[dict[str, str], bytes]:
        """Return headers and body in structured mode."""
        return {str(Header.CONTENT_TYPE): CLOUDEVENTS_JSON}, strict_json.dumps(self.model_dump(exclude_none=True))

    def to_binary(self) -> tuple[dict[str, str], bytes]:
        """Return headers and body in binary mode; integers and booleans become text, as the specification says."""
        attributes = self.model_dump(exclude_none=True, exclude={"data", "datacontenttype"})
        headers = {f"{_PREFIX}{name}": _header_value(value) for name, value in attributes.items()}
        headers[str(Header.CONTENT_TYPE)] = self.datacontenttype or "application/json"
        return headers, b"" if self.data is None else strict_json.dumps(self.data)


def from_message(headers: Mapping[str, str] | None, body: bytes) -> CloudEvent:
    """Read a message that must be a CloudEvent.

    Raises:
        ContractViolation: `not-a-cloudevent`, or what is wrong with it.
    """
    event = read(headers, body)
    if not isinstance(event, CloudEvent):
        raise ContractViolation(
            "not-a-cloudevent",
            "$",
            "the message has neither ce- headers nor a specversion",
            f"send a CloudEvent 1.0 as {CLOUDEVENTS_JSON}",
        )
    return event


def read(headers: Mapping[str, str] | None, body: bytes) -> CloudEvent | Any:
    """Read a message: a CloudEvent if it is one in either mode, else the parsed JSON of its body.

    Raises:
        ContractViolation: The body is no strict JSON, or it claims to be a CloudEvent and is none.
    """
    lowered = _lowered(headers) if headers else {}
    content_type = lowered.get("content-type", "").strip()
    essence = content_type.split(";", 1)[0].strip().lower()
    if essence == CLOUDEVENTS_JSON:
        return _structured(strict_json.loads(body))
    if essence.startswith("application/cloudevents"):
        raise ContractViolation(
            "unsupported-content-type",
            "$",
            f"{quote(essence)} is not read here",
            f"send one event per message as {CLOUDEVENTS_JSON}",
        )
    if "ce-specversion" in lowered:
        return _binary(lowered, content_type, body)
    document = strict_json.loads(body)
    return _structured(document) if isinstance(document, dict) and "specversion" in document else document


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    lowered = {name.lower(): value for name, value in headers.items()}
    if len(lowered) != len(headers):
        raise ContractViolation(
            "duplicate-key",
            "$",
            "a header occurs twice in different case, so readers would disagree",
            "keep one of them",
        )
    return lowered


def _structured(document: object) -> CloudEvent:
    if not isinstance(document, dict):
        raise ContractViolation("wrong-type", "$", f"the event is {quote(document)}", "send one JSON object")
    if "data_base64" in document:
        document = _decode_base64(document)
    elif isinstance(document.get("datacontenttype"), str) and not _is_json(document["datacontenttype"]):
        raise _not_json("$.datacontenttype", document["datacontenttype"])
    return _validate(document)


def _decode_base64(document: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in document.items() if name != "data_base64"}
    encoded = document["data_base64"]
    if "data" in document:
        raise ContractViolation("duplicate-key", "$.data_base64", "data is given twice", "give data or data_base64")
    content_type = rest.get("datacontenttype")
    if not (isinstance(content_type, str) and _is_json(content_type)):
        raise _not_json("$.datacontenttype", content_type)
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise ContractViolation(
            "bad-encoding", "$.data_base64", "the data is no base64", "send data as JSON instead"
        ) from error
    try:
        return rest | {"data": strict_json.loads(raw)}
    except ContractViolation as violation:
        raise violation.under("$.data_base64") from violation


def _binary(lowered: Mapping[str, str], content_type: str, body: bytes) -> CloudEvent:
    if content_type and not _is_json(content_type):
        raise _not_json("$.datacontenttype", content_type)
    attributes: dict[str, Any] = {}
    for header, value in lowered.items():
        if header.startswith(_PREFIX):
            name = header[len(_PREFIX) :]
            if name in {"data", "datacontenttype"}:
                raise ContractViolation(
                    "bad-attribute-name", path_of((name,)), "the header is reserved", "use Content-Type and the body"
                )
            attributes[name] = _attribute(name, value)
    if content_type:
        attributes["datacontenttype"] = content_type
    if body:
        try:
            attributes["data"] = strict_json.loads(body)
        except ContractViolation as violation:
            raise violation.under("$.data") from violation
    return _validate(attributes)


def _validate(attributes: dict[str, Any]) -> CloudEvent:
    try:
        return CloudEvent.model_validate(attributes)
    except ValidationError as error:
        raise from_validation_error(error, attributes) from error


def _is_json(content_type: str) -> bool:
    return _JSON_TYPE.match(content_type.strip()) is not None


def _not_json(path: str, content_type: object) -> ContractViolation:
    return ContractViolation(
        "unsupported-content-type", path, f"{quote(content_type)} is not JSON", "send the data as application/json"
    )


def _attribute(name: str, value: str) -> str:
    """Undo the percent-encoding of the HTTP binding, with its older form in double quotes."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    if "%" not in value:
        return value
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError as error:
        raise ContractViolation(
            "bad-encoding", path_of((name,)), "the header is not percent-encoded UTF-8", "encode it as %XX"
        ) from error


def _header_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return percent_encode(str(value), safe=_VISIBLE)
