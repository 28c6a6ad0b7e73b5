"""Records survive their stored form, whatever they hold; newer and broken ones are told apart."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.records import a_record
from worker.domain.events import AppKey, Settings
from worker.domain.record import SCHEMA_VERSION, Record
from worker.errors import NewerRecord, Rejected, WorkerError
from worker.outbound.record_codec import check_size, dumps, loads

EMPTY = Record(AppKey("default", "shop"))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_the_example_has_every_field_set() -> None:
    record = a_record()
    for holder, example in ((EMPTY, record), (EMPTY.settings, Settings("x", "a", "b", "c", ("d",), allow_empty=True))):
        for field in fields(holder):
            if field.name not in {"app", "version", "settings"}:
                assert getattr(example, field.name) != getattr(holder, field.name), field.name


@pytest.mark.parametrize(
    "record", [EMPTY, a_record(0), a_record(1), a_record(40)], ids=lambda r: str(len(r.components))
)
def test_a_record_survives(record: Record) -> None:
    assert loads(dumps(record), "app.default.shop") == record


def test_settings_survive() -> None:
    record = Record(EMPTY.app, settings=Settings("api-driven", "mono", "me", "vc", ("db", "*"), allow_empty=True))
    assert loads(dumps(record), "k") == record


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_any_input_of_a_component_survives(inputs: dict[str, object]) -> None:
    text = json.dumps(inputs, ensure_ascii=True)
    try:
        text.encode().decode("unicode_escape").encode()
    except UnicodeError:
        return
    body = (
        dumps(EMPTY)[:-1]
        + b',"components":[{"spec":{"identity":{"name":"a","type":"b"},"inputs":%s}}]}' % text.encode()
    )
    record = loads(body, "k")
    assert loads(dumps(record), "k") == record
    assert record.components[0].spec.inputs == inputs


def test_defaults_are_not_written_but_the_version_is() -> None:
    assert json.loads(dumps(EMPTY)) == {"version": SCHEMA_VERSION, "app": {"namespace": "default", "name": "shop"}}


def test_the_stored_form_is_the_same_for_equal_records() -> None:
    assert dumps(a_record()) == dumps(loads(dumps(a_record()), "k"))


@pytest.mark.parametrize(
    "body",
    [
        b'{"version":2,"app":{"namespace":"a","name":"b"}}',
        b'{"version":2,"app":"b"}',
        b'{"version":99,"everything":"else"}',
    ],
)
def test_a_newer_record_is_left_alone(body: bytes) -> None:
    with pytest.raises(NewerRecord) as caught:
        loads(body, "app.a.b")
    assert caught.value.known == SCHEMA_VERSION
    assert "app.a.b" in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"{}", b'{"version":"x"}', b'{"version":1,"app":1}', b"\xff"]
)
def test_what_is_no_record_is_told_apart(body: bytes) -> None:
    with pytest.raises(WorkerError, match=r"app\.a\.b") as caught:
        loads(body, "app.a.b")
    assert not isinstance(caught.value, NewerRecord)


def test_unknown_fields_of_the_same_version_are_ignored() -> None:
    """A field with a default may be added without a new version; an older worker then drops it."""
    assert loads(b'{"version":1,"app":{"namespace":"default","name":"shop"},"new":1}', "k") == EMPTY


def test_size() -> None:
    check_size(b"x" * 10, 10)
    with pytest.raises(Rejected):
        check_size(b"x" * 11, 10)
