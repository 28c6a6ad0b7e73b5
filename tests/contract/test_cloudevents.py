"""CloudEvents: both modes say the same, whatever the case of the headers."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.cloudevents import CloudEvent, from_message, read
from contracts.violations import ContractViolation

ATTRIBUTE = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40
) | st.sampled_from(["100%", "%41", '"quoted"', " a ", "a\\b"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | ATTRIBUTE, lambda inner: st.lists(inner, max_size=3)
)
EVENTS = st.builds(
    lambda extensions, **known: CloudEvent(**known, **{f"x{name}": value for name, value in extensions.items()}),
    id=ATTRIBUTE,
    source=ATTRIBUTE,
    type=ATTRIBUTE,
    subject=st.none() | ATTRIBUTE,
    data=st.dictionaries(ATTRIBUTE, JSON, max_size=3) | st.none(),
    traceparent=st.none() | st.just("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    time=st.none() | st.just("2025-08-12T09:30:00.5+02:00"),
    extensions=st.dictionaries(st.from_regex(r"[a-z0-9]{1,10}", fullmatch=True), ATTRIBUTE, max_size=3),
)
MINIMAL = {"specversion": "1.0", "id": "1", "source": "s", "type": "t"}


@given(EVENTS)
def test_structured_mode_goes_there_and_back(event: CloudEvent) -> None:
    assert from_message(*event.to_structured()) == event


@given(EVENTS, st.sampled_from([str.lower, str.upper, str.title]))
def test_binary_mode_goes_there_and_back(event: CloudEvent, case: object) -> None:
    headers, body = event.to_binary()
    assert all(value.isascii() and value.isprintable() for value in headers.values())
    back = from_message({case(name): value for name, value in headers.items()}, body)  # type: ignore[operator]
    assert back.model_copy(update={"datacontenttype": None}) == event
    assert back.to_structured()[1] == back.model_copy().to_structured()[1]


def test_integers_and_booleans_become_text_in_binary_mode() -> None:
    headers, body = CloudEvent(**MINIMAL, number=5, flag=True).to_binary()  # type: ignore[arg-type]
    assert (headers["ce-number"], headers["ce-flag"]) == ("5", "true")
    assert from_message(headers, body).extensions == {"number": "5", "flag": "true"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/cloudevents+json"},
        {"content-type": "APPLICATION/CloudEvents+JSON; charset=utf-8"},
        {"Content-Type": "application/json"},
        {},
        None,
    ],
)
def test_structured_mode_is_recognised(headers: dict[str, str] | None) -> None:
    assert from_message(headers, json.dumps(MINIMAL).encode()).id == "1"


def test_the_content_type_wins_over_headers() -> None:
    headers = {"Content-Type": "application/cloudevents+json", "ce-specversion": "1.0", "ce-id": "2"}
    assert from_message(headers, json.dumps(MINIMAL).encode()).id == "1"


def test_header_values_are_decoded_as_the_specification_says() -> None:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "Euro%20%E2%82%AC%20%F0%9F%98%80",
        "ce-source": '"a \\"b\\""',
        "ce-type": "t",
    }
    event = from_message(headers, b"")
    assert (event.id, event.source, event.data) == ("Euro \u20ac \U0001f600", 'a "b"', None)


def test_base64_data_is_read_if_it_is_json() -> None:
    document = {**MINIMAL, "datacontenttype": "application/json", "data_base64": base64.b64encode(b'{"a":1}').decode()}
    assert from_message(None, json.dumps(document).encode()).data == {"a": 1}


def test_broken_trace_context_is_dropped() -> None:
    event = from_message(None, json.dumps({**MINIMAL, "traceparent": "nonsense", "tracestate": "x" * 600}).encode())
    assert (event.traceparent, event.tracestate) == (None, None)


TRACE = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("sent", "read_as"),
    [
        (f"00-{TRACE}", f"00-{TRACE}"),
        (f"00-{TRACE}-more", None),
        (f"01-{TRACE}", f"00-{TRACE}"),
        (f"cc-{TRACE}-{'x' * 100_000}", f"00-{TRACE}"),
        (f"ff-{TRACE}", None),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", None),
        (f"00-{TRACE[:32]}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}", None),
        (f"00-{TRACE}\n", None),
    ],
)
def test_trace_context_is_passed_on_in_the_form_that_everybody_reads(sent: str, read_as: str | None) -> None:
    """What a sender appends must not travel into headers, annotations and statuses."""
    assert from_message(None, json.dumps({**MINIMAL, "traceparent": sent}).encode()).traceparent == read_as


def test_other_json_is_given_back() -> None:
    assert read({}, b'{"body":"{}","operation":"CREATE"}') == {"body": "{}", "operation": "CREATE"}


@pytest.mark.parametrize(
    ("headers", "body", "code", "path"),
    [
        ({"content-type": "application/cloudevents-batch+json"}, b"[]", "unsupported-content-type", "$"),
        ({"content-type": "application/cloudevents+json"}, b"[]", "wrong-type", "$"),
        ({"ce-specversion": "1.0", "ce-id": "1"}, b"{}", "missing-field", "$.source"),
        ({"ce-specversion": "1.0", "ce-id": "%FF"}, b"{}", "bad-encoding", "$.id"),
        (
            {"ce-specversion": "1.0", "content-type": "text/plain"},
            b"x",
            "unsupported-content-type",
            "$.datacontenttype",
        ),
        ({"ce-specversion": "1.0", "CE-SpecVersion": "1.0"}, b"{}", "duplicate-key", "$"),
        ({"ce-specversion": "1.0", "ce-data": "x"}, b"{}", "bad-attribute-name", "$.data"),
        ({"ce-specversion": "1.0"}, b'{"a":1,"a":2}', "duplicate-key", "$.data.a"),
        ({}, b'{"specversion":"1.0","id":"","source":"s","type":"t"}', "too-short", "$.id"),
        ({}, b'{"specversion":"1.0","id":"a\\u0000","source":"s","type":"t"}', "bad-format", "$.id"),
        (
            {},
            b'{"specversion":"1.0","id":"1","source":"s","type":"t","time":"2025-02-30T00:00:00Z"}',
            "bad-format",
            "$.time",
        ),
        ({}, b'{"specversion":"1.0","id":"1","source":"s","type":"t","ext":{}}', "wrong-type", "$.ext"),
        ({}, b'{"specversion":"1.0","id":"1","source":"s","type":"t","ext":2147483648}', "out-of-range", "$"),
        ({}, b'{"specversion":"1.0","data":1,"data_base64":""}', "duplicate-key", "$.data_base64"),
    ],
)
def test_refused(headers: dict[str, str], body: bytes, code: str, path: str) -> None:
    with pytest.raises(ContractViolation) as caught:
        from_message(headers, body)
    assert (caught.value.code, caught.value.path) == (code, path)


def test_a_message_without_any_sign_is_no_cloudevent() -> None:
    with pytest.raises(ContractViolation, match="neither ce- headers nor a specversion"):
        from_message({}, b"{}")
