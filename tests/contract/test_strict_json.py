"""Strict JSON: agrees with the standard parser on what is good, and refuses the rest quickly, with its path."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import strict_json
from contracts.violations import ContractViolation

TEXT = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=60,
)


def nested(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(nested, inner), default=0)


def refused(raw: bytes) -> ContractViolation:
    with pytest.raises(ContractViolation) as caught:
        strict_json.loads(raw)
    return caught.value


@given(VALUES, st.booleans())
def test_agrees_with_the_standard_parser(value: object, ascii_only: bool) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    if nested(value) > strict_json.MAX_DEPTH:
        assert refused(raw).code == "too-deep"
    else:
        assert strict_json.loads(raw) == json.loads(raw)


@given(VALUES)
def test_what_was_read_can_be_written(value: object) -> None:
    assert strict_json.loads(strict_json.dumps(value)) == value


@given(st.binary(max_size=200) | TEXT.map(str.encode) | VALUES.map(lambda value: json.dumps(value).encode()[:-1]))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        value = strict_json.loads(raw)
    except ContractViolation:
        return
    assert strict_json.loads(strict_json.dumps(value)) == value


@given(st.integers(1, 80), st.sampled_from([("[", "]"), ('{"a":', "}"), ('[{"]":', "}]")]))
def test_depth_is_exact(levels: int, brackets: tuple[str, str]) -> None:
    raw = (brackets[0] * levels + '"[[{\\"[["' + brackets[1] * levels).encode()
    depth = levels * (2 if len(brackets[1]) == 2 else 1)
    if depth > strict_json.MAX_DEPTH:
        assert refused(raw).code == "too-deep"
    else:
        assert nested(strict_json.loads(raw)) == depth


@pytest.mark.parametrize(
    ("raw", "code", "path"),
    [
        (b'{"a":{"b":1,"c":2,"b":3}}', "duplicate-key", "$.a.b"),
        (b'[0,{"x y":1,"x y":1}]', "duplicate-key", '$[1]["x y"]'),
        (b'{"a":"","a":""}', "duplicate-key", "$.a"),
        (b"[1,[Infinity]]", "not-a-number", "$[1][0]"),
        (b'{"a":-Infinity}', "not-a-number", "$.a"),
        (b"[1e400]", "number-too-large", "$[0]"),
        (b"[-" + b"9" * 20 + b"]", "number-too-large", "$[0]"),
        (b"9" * 5000, "number-too-large", "$"),
        (b'{"a":["\\uDC00"]}', "bad-unicode", "$.a[0]"),
        (b'{"\\ud800":1}', "bad-unicode", "$"),
        (b'"\xff"', "bad-encoding", "$"),
        (b'\xef\xbb\xbf{"a":1}', "malformed-json", "$"),
        ('{"a":1}'.encode("utf-16"), "bad-encoding", "$"),
        (b'{"a":"line\nbreak"}', "malformed-json", "$"),
        (b"{'a':1}", "malformed-json", "$"),
        (b"", "malformed-json", "$"),
        (b"[1] 2", "malformed-json", "$"),
        (b"[" * 31, "malformed-json", "$"),
        (b"[" * 100_000, "too-deep", "$"),
        (b'{"a":' * 40_000, "too-deep", "$"),
        (b'"' + b"x" * strict_json.MAX_BYTES, "too-large", "$"),
    ],
)
def test_refused_with_its_path(raw: bytes, code: str, path: str) -> None:
    violation = refused(raw)
    assert (violation.code, violation.path) == (code, path)


def test_a_surrogate_pair_is_one_character() -> None:
    assert strict_json.loads(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


@pytest.mark.parametrize(
    "raw",
    [
        b'"' + b'\\"' * 130_000,
        b'"\\' * 130_000,
        b"[" + b'"[",' * 60_000 + b"0]",
        b"[]" * 130_000,
        b'"' * 262_144,
        b"{" * 262_144,
    ],
    ids=["escapes", "open-strings", "strings", "documents", "quotes", "braces"],
)
def test_no_input_takes_long(raw: bytes) -> None:
    started = time.process_time()
    with contextlib.suppress(ContractViolation):
        strict_json.loads(raw)
    assert time.process_time() - started < 0.5
