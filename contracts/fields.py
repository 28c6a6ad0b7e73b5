"""Field types that several models share: names, times, quantities, and values that may be null.

A pattern is registered together with the sentence that a sender reads when it does not match.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler, StringConstraints
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from contracts.violations import explain_pattern

MAX_COMPONENTS: Final = 100
MAX_LABEL: Final = 63
MAX_SUBDOMAIN: Final = 253

DNS_LABEL: Final = explain_pattern(
    r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
    "use at most 63 lower-case letters, digits and '-', with a letter or digit at both ends",
)
DNS_SUBDOMAIN: Final = explain_pattern(
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    "use lower-case letters, digits, '-' and '.', with a letter or digit at both ends of each part",
)
TEXT: Final = explain_pattern(r"^[^\x00-\x1f\x7f-\x9f]*$", "leave out control characters and line breaks")
WORD: Final = explain_pattern(r"^[!-~]+$", "use printable ASCII without spaces")
_TIME_FIX: Final = 'write an RFC 3339 time such as "2025-01-31T12:00:00Z"'
RFC3339: Final = explain_pattern(
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$",
    _TIME_FIX,
)
DIGITS: Final = explain_pattern(r"^[0-9]{1,20}$", "write the number's digits only")
QUANTITY: Final = explain_pattern(
    r"^[0-9]+(\.[0-9]+)?(m|[kMGTPE]|[KMGTPE]i)?$", 'write a Kubernetes quantity such as "10Gi" or "500m"'
)
DURATION: Final = explain_pattern(r"^([0-9]+(ms|s|m|h))+$", 'write a duration such as "30s" or "5m"')
RETENTION: Final = explain_pattern(r"^[1-9][0-9]{0,3}[dwm]$", 'write at least one day, week or month, such as "7d"')

Label63 = Annotated[str, StringConstraints(pattern=DNS_LABEL, max_length=MAX_LABEL)]
Subdomain = Annotated[str, StringConstraints(pattern=DNS_SUBDOMAIN, max_length=MAX_SUBDOMAIN)]
Line = Annotated[str, StringConstraints(pattern=TEXT, max_length=1024)]
Word = Annotated[str, StringConstraints(pattern=WORD, max_length=253)]


def _text_of_number(value: object) -> object:
    """YAML reads `version: 14` and `cpu: 0.5` as numbers; people mean the text."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value


def _utc_second(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment.tzinfo else value
    except (ValueError, OverflowError) as error:
        raise PydanticCustomError(
            "bad-format", "no such time", {"message": "no such time", "fix": _TIME_FIX}
        ) from error


def _check_time(value: str) -> str:
    _utc_second(value)
    return value


class _Also:
    """An annotation: values of another JSON type are turned into the declared one, and the schema says so."""

    def __init__(self, convert: Callable[[object], object], also: str) -> None:
        self._convert, self._also = convert, also

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self._convert, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [handler(schema), {"type": self._also}]}


NullAsList: Final = _Also(lambda value: [] if value is None else value, "null")
NullAsDict: Final = _Also(lambda value: {} if value is None else value, "null")
NumberAsText: Final = _Also(_text_of_number, "number")

Version = Annotated[str, StringConstraints(pattern=TEXT, max_length=64), NumberAsText]
Quantity = Annotated[str, StringConstraints(pattern=QUANTITY, max_length=32), NumberAsText]
# Kubernetes writes seconds in UTC; other senders' times are brought to that form, so texts compare as times do.
Time = Annotated[str, StringConstraints(pattern=RFC3339), BeforeValidator(_utc_second)]
ExactTime = Annotated[str, StringConstraints(pattern=RFC3339), AfterValidator(_check_time)]
