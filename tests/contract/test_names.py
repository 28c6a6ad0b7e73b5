"""Names on the wire: no tenant's string can add a token, a wildcard or a header line, or share another's subject."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import names
from contracts.names import SubjectKind
from contracts.violations import ContractViolation

HOSTILE = (
    st.text(max_size=300)
    | st.text("a.*> =\t\r\n-_/\\%", max_size=40)
    | st.sampled_from(["", ".", ">", "*", "=", "==", "a.b"])
)
SAFE_TOKEN = re.compile(r"[A-Za-z0-9_=-]+")


@given(HOSTILE)
def test_escape_is_reversible_and_one_token(name: str) -> None:
    token = names.escape(name)
    assert SAFE_TOKEN.fullmatch(token)
    assert names.unescape(token) == name


@given(HOSTILE, HOSTILE)
def test_two_names_never_share_a_subject(one: str, other: str) -> None:
    assert (names.escape(one) == names.escape(other)) == (one == other)
    assert (names.status_subject("ns", one, "k") == names.status_subject("ns", other, "k")) == (one == other)
    assert (names.record_key(one, "x") == names.record_key(other, "x")) == (one == other)


@given(HOSTILE, HOSTILE)
def test_event_subjects_are_read_back(namespace: str, name: str) -> None:
    for subject, kind in (
        (names.oam_subject(namespace, name), SubjectKind.OAM),
        (names.request_subject(namespace, name), SubjectKind.REQUEST),
    ):
        assert subject.count(".") == 3
        assert names.parse_subject(subject) == names.ParsedSubject(kind, namespace, name)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_status_and_dlq_subjects_are_bounded(namespace: str, name: str, detail: str) -> None:
    for subject in (names.status_subject(namespace, name, detail), names.dlq_subject(namespace, name, detail)):
        assert subject.count(".") == 4
        tokens = subject.split(".")[2:]
        assert all(SAFE_TOKEN.fullmatch(token) and len(token) <= names.MAX_TOKEN for token in tokens)
        parsed = names.parse_subject(subject)
        if len(names.escape(name)) <= names.MAX_TOKEN:
            assert parsed.name == name


def parsed_or_none(subject: str) -> names.ParsedSubject | None:
    try:
        return names.parse_subject(subject)
    except ContractViolation:
        return None


@given(st.text(max_size=60) | st.text("=0123456789ABCDEFabc.", max_size=12))
def test_any_subject_is_refused_or_is_the_one_of_its_names(subject: str) -> None:
    for candidate in (subject, f"platform.oam.{subject}", f"platform.oam.default.{subject}"):
        parsed = parsed_or_none(candidate)
        assert (
            parsed is None
            or parsed.kind is not SubjectKind.OAM
            or candidate == names.oam_subject(parsed.namespace, parsed.name)
        )


@pytest.mark.parametrize(
    "subject",
    ["platform.oam.ns", "platform.oam.ns.a.b", "platform.other.ns.a", "other.oam.ns.a", "platform.oam.ns.=61"],
)
def test_foreign_subjects_are_refused(subject: str) -> None:
    with pytest.raises(ContractViolation, match="subject"):
        names.parse_subject(subject)


def test_cut_names_still_differ() -> None:
    one, other = "a" * 253, "a" * 252 + "b"
    assert names.status_subject("ns", one, "k") != names.status_subject("ns", other, "k")
    assert names.status_subject("ns", one, "k") == names.status_subject("ns", one, "k")
    assert names.status_subject("ns", names.escape(one)[:100], "k") != names.status_subject("ns", one, "k")


def test_names_stay_readable() -> None:
    assert names.oam_subject("shop", "orders") == "platform.oam.shop.orders"
    assert names.oam_subject("shop", "my.app") == "platform.oam.shop.my=2Eapp"


def test_event_key_is_stable() -> None:
    assert names.event_key("A234-1234-1234", "PLATFORM_EVENTS", 7) == "f277bf095b5ab746"
    assert names.event_key(None, "PLATFORM_EVENTS", 7) == names.event_key("PLATFORM_EVENTS:7", "x", 1)


@given(st.text())
def test_message_id_is_one_header_line(event_id: str) -> None:
    assert re.fullmatch(r"[!-~]+", names.message_id("platform.oam.a.b", event_id))


def test_message_id_differs_by_subject() -> None:
    assert names.message_id("platform.oam.a.x", "1") == "platform.oam.a.x:1"
    assert names.message_id("platform.oam.b.x", "1") != names.message_id("platform.oam.a.x", "1")
