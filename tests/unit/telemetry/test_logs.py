"""What a line says, and what it never says."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from worker.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("worker.test")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def configured(form: str = "json", **options: Any) -> io.StringIO:
    out = io.StringIO()
    logs.configure("info", form, stream=out, **options)
    return out


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_an_object_with_the_context_of_its_event() -> None:
    out = configured()
    with logs.context(event="e-1", application="team/shop", generation=7), logs.context(trace="abc"):
        log.info("Processing pattern %d: %s", 3, "postgresql", extra={"step": "plan"})
    log.info("after")
    first, second = lines(out)
    assert first["time"].endswith("Z")
    del first["time"], second["time"]
    assert first == {
        "level": "info",
        "logger": "worker.test",
        "message": "Processing pattern 3: postgresql",
        "event": "e-1",
        "application": "team/shop",
        "generation": 7,
        "trace": "abc",
        "step": "plan",
    }
    assert second == {"level": "info", "logger": "worker.test", "message": "after"}


def test_debug_is_not_written_unless_asked_for_and_libraries_keep_quiet() -> None:
    out = configured()
    log.debug("no")
    logging.getLogger("aiohttp.access").info("no")
    logging.getLogger("faststream").info("no")
    assert out.getvalue() == ""


def test_line_breaks_and_control_characters_cannot_forge_a_line() -> None:
    for form in ("json", "text"):
        out = configured(form)
        log.info('a\n{"level": "error"}')
        assert len(out.getvalue().splitlines()) == 1


def test_configured_secrets_and_passwords_in_addresses_are_replaced() -> None:
    for form in ("json", "text"):
        out = configured(form, secrets=["hunter2", ""])
        log.warning("cannot reach %s with %s", "nats://user:pa55@host:4222", "hunter2", extra={"also": "hunter2"})
        assert "hunter2" not in out.getvalue()
        assert "pa55" not in out.getvalue()
        assert "nats://***@host:4222" in out.getvalue()


def test_of_an_exception_the_type_and_place_are_told_and_not_the_text() -> None:
    out = configured()
    try:
        try:
            int("hunter2")
        except ValueError as cause:
            raise KeyError("hunter2") from cause
    except KeyError:
        log.exception("it failed")
    [line] = lines(out)
    assert line["error"].startswith("KeyError at test_logs.py:")
    assert "caused by ValueError at test_logs.py:" in line["error"]
    assert "hunter2" not in out.getvalue()


def test_repeated_warnings_are_kept_back_and_counted() -> None:
    now = 0.0
    out = configured(repeats=logs.Repeats(burst=2, period=10.0, clock=lambda: now))
    for n in range(100):
        log.warning("no answer to %d", n)
        log.info("step %d", n)
    log.warning("something else")
    now = 11.0
    log.warning("no answer to %d", 100)
    warnings = [line for line in lines(out) if line["level"] == "warning"]
    assert [line["message"] for line in warnings] == [
        "no answer to 0",
        "no answer to 1",
        "something else",
        "no answer to 100",
    ]
    assert warnings[-1]["repeated"] == 98
    assert sum(line["level"] == "info" for line in lines(out)) == 100


def test_text_is_one_line_for_a_person() -> None:
    out = configured("text")
    with logs.context(event="e-1"):
        log.warning("careful")
    line = out.getvalue()
    assert "WARNING" in line
    assert line.endswith("careful  event=e-1\n")
    assert "\033" not in line
